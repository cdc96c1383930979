"""The record of a dataset, and the small objects that follow from it."""

import json
from collections.abc import Mapping
from typing import cast

from factory.storage.dataset.documents import DatasetRecord
from factory.storage.dataset.layout import Layout, label_table_json, zarr_objects
from factory.storage.dataset.object_store import ObjectStore

FORMAT = "synthetic-dataset-factory"
"""The name of the format, which marks a record as ours."""

VERSION = 2
"""The version of the format."""

GROWTH = "growth.json"
"""The record that a growing dataset will have once it is sealed again."""


def record_bytes(record: DatasetRecord) -> bytes:
    """Return a record as the bytes of record.json."""
    return json.dumps(record, indent=2, sort_keys=True).encode()


def parse_record(data: bytes | None) -> DatasetRecord | None:
    """Return the record in some bytes, or None if there is none of this format."""
    try:
        record = json.loads(data or b"")
    except ValueError:
        return None
    is_ours = isinstance(record, dict) and record.get("format") == FORMAT
    return cast(DatasetRecord, record) if is_ours else None


def generation(record: DatasetRecord) -> int:
    """Return 1 for a dataset that has not grown, and 1 more for each growth."""
    return 1 + len(record.get("grown_from", ()))


def record_objects(layout: Layout, record: DatasetRecord) -> dict[str, bytes]:
    """Return record.json, recipe.yaml, every zarr.json and the sample coordinate, by key.

    Equal arguments give equal bytes.
    """
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
    """Write the objects that the folder does not hold already, in order."""
    for key, data in objects.items():
        if folder.get(key) != data:
            folder.put(key, data)
