"""The small objects of a dataset that follow from its record: the record itself, and metadata."""

import json
from collections.abc import Mapping
from typing import Any

from factory.storage.dataset.layout import Layout, label_table_json, metadata
from factory.storage.dataset.object_store import ObjectStore

FORMAT = "synthetic-dataset-factory"
VERSION = 2
GROWTH = "growth.json"
"""While a dataset grows: the record that it will have."""


def record_json(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, indent=2, sort_keys=True).encode()


def read_record(data: bytes | None) -> dict[str, Any] | None:
    """A record of ours, or None."""
    try:
        record = json.loads(data or b"")
    except ValueError:
        return None
    ours = isinstance(record, dict) and record.get("format") == FORMAT
    return record if ours else None


def generation_of(record: Mapping[str, Any]) -> int:
    """How many recipes made a dataset, each one the grown one before."""
    return 1 + len(record.get("grown_from", ()))


def documents(layout: Layout, record: Mapping[str, Any]) -> dict[str, bytes]:
    """record.json, recipe.yaml, every zarr.json, the sample coordinate: always the same bytes."""
    attributes = {
        "Conventions": "CF-1.11",
        "format": FORMAT,
        "format_version": VERSION,
        "recipe_digest": record["recipe_digest"],
        "label_table": label_table_json(layout.table),
    }
    return {
        **metadata(layout, attributes),
        "recipe.yaml": record["recipe_text"].encode(),
        "record.json": record_json(record),
    }


def put_all(folder: ObjectStore, objects: Mapping[str, bytes]) -> None:
    """Put what is not there already, in order."""
    for key, data in objects.items():
        if folder.get(key) != data:
            folder.put(key, data)
