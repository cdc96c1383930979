"""The small objects of a dataset that follow from its record: the record itself, and metadata."""

import json
from collections.abc import Mapping
from typing import Any

from factory.storage.dataset.layout import Layout, label_table_json, zarr_objects
from factory.storage.dataset.object_store import ObjectStore

FORMAT = "synthetic-dataset-factory"
VERSION = 2
GROWTH = "growth.json"
"""While a dataset grows: the record that it will have."""


def record_bytes(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, indent=2, sort_keys=True).encode()


def parse_record(data: bytes | None) -> dict[str, Any] | None:
    """A record of ours, or None."""
    try:
        record = json.loads(data or b"")
    except ValueError:
        return None
    ours = isinstance(record, dict) and record.get("format") == FORMAT
    return record if ours else None


def generation(record: Mapping[str, Any]) -> int:
    """How many recipes made a dataset, each one the grown one before."""
    return 1 + len(record.get("grown_from", ()))


def record_objects(layout: Layout, record: Mapping[str, Any]) -> dict[str, bytes]:
    """record.json, recipe.yaml, every zarr.json, the sample coordinate: always the same bytes."""
    attributes = {
        "Conventions": "CF-1.11",
        "format": FORMAT,
        "format_version": VERSION,
        "recipe_digest": record["recipe_digest"],
        "label_table": label_table_json(layout.table),
    }
    return {
        **zarr_objects(layout, attributes),
        "recipe.yaml": record["recipe_text"].encode(),
        "record.json": record_bytes(record),
    }


def put_missing(folder: ObjectStore, objects: Mapping[str, bytes]) -> None:
    """Put what is not there already, in order."""
    for key, data in objects.items():
        if folder.get(key) != data:
            folder.put(key, data)
