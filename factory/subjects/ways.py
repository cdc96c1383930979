"""Subjects on the way between two others, of any label table: `interpolate` without a model.

The record of such a subject is that of the first one, with an id of its own, the record of the
last one ("last"), and the position between them ("t", 0 to 1).
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from factory.storage.subjects.load import load_subject
from factory.storage.subjects.records import Record
from factory.storage.subjects.types import Subject

if TYPE_CHECKING:
    from factory.families.anatomy.walk import Way


def way_record(first: Record, last: Record, step: int, steps: int) -> Record:
    """Return the record of one of `steps` subjects on the way between two, the first is 1."""
    id = f"{first['id']}-to-{last['id']}-{step}of{steps}"
    t = step / (steps + 1)
    record = {**first, "id": id, "last": dict(last), "t": t}
    before, after = (end.get("gestational_age_weeks") for end in (first, last))
    if before is not None and after is not None:
        record["gestational_age_weeks"] = round((1 - t) * before + t * after, 4)
    return record


def list_ends(record: Record) -> Sequence[Record]:
    """Return the record itself, or the two of a subject on a way."""
    if "last" not in record:
        return [record]
    first = {key: value for key, value in record.items() if key not in ("last", "t")}
    return [{**first, "id": record["id"].partition("-to-")[0]}, record["last"]]


def load_on_way(record: Record, spacing_mm: float | None) -> Subject:
    """Load a subject from its files, or make it on the way between two."""
    if "last" not in record:
        return load_subject(record, spacing_mm)
    from factory.families.anatomy.walk import subject_on_way

    ends = [json.dumps(end, sort_keys=True) for end in list_ends(record)]
    way = _register(ends[0], ends[1], spacing_mm)
    spacing = spacing_mm or min(way.first.grid.spacing)
    subject = subject_on_way(way, record["t"], record["id"], spacing)
    age = record.get("gestational_age_weeks")
    known_age = {} if age is None else {"gestational_age_weeks": age}
    return replace(subject, metadata={**subject.metadata, **known_age})


@functools.lru_cache(maxsize=2)
def _register(first_json: str, last_json: str, spacing_mm: float | None) -> "Way":
    """Register the ends of a way; it is cached, since the steps of a way follow one another."""
    from factory.families.anatomy.walk import register_subjects

    first, last = (load_subject(json.loads(text), spacing_mm) for text in (first_json, last_json))
    return register_subjects(first, last)
