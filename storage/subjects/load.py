"""Subjects by their records: one loader for every source a recipe may name."""

from typing import Any

from factory.storage.errors import SubjectError
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.head_ultrasound import load_head_ultrasound
from factory.storage.subjects.nifti import load_nifti_pair
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.resample import resample
from factory.storage.subjects.short_axis import load_short_axis
from factory.storage.subjects.types import Subject

SOURCES = ("phantom", "bids", "nifti", "short_axis", "ultrasound")
METADATA_KEYS = ("gestational_age_weeks", "pathology", "rec")


def load_subject(record: dict[str, Any], spacing_mm: float | None) -> Subject:
    """The Subject of a record, as listed by bids_, nifti_ or short_axis_subjects or
    head_ultrasounds, or a phantom's {"source": "phantom", "id", "gestational_age_weeks",
    "seed"}, at an isotropic spacing.

    spacing_mm None keeps a file's own spacing; a phantom is then made at 1 mm. Of
    short-axis stacks it is the spacing in plane alone; a head in ultrasound has that of its frame.
    Raises SubjectError as factory.storage.subjects.nifti does, and for an unknown source.
    """
    source = record["source"]
    if source not in SOURCES:
        hint = nearest_name_hint(source, SOURCES)
        raise SubjectError(
            f"subject {record.get('id')}: no source {source!r}; there are {', '.join(SOURCES)}"
            f"{hint}"
        )
    if source == "phantom":
        return phantom(
            record["gestational_age_weeks"], record["seed"], spacing_mm or 1.0, record["id"]
        )
    if source == "short_axis":
        return load_short_axis(record, spacing_mm)
    if source == "ultrasound":
        return load_head_ultrasound(record)
    metadata = {key: record[key] for key in METADATA_KEYS if record.get(key) is not None}
    subject = load_nifti_pair(
        record["image"], record["label"], record["mapping"], record["id"], metadata
    )
    return subject if spacing_mm is None else resample(subject, spacing_mm)
