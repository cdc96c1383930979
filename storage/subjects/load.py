"""Load a subject by its record: one loader for every source in storage."""

from typing import cast

from factory.storage.errors import SubjectError
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.head_ultrasound import load_head_ultrasound
from factory.storage.subjects.nifti import ImageFiles, load_nifti_pair
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.records import (
    BidsRecord,
    NiftiRecord,
    PhantomRecord,
    Record,
    ShortAxisRecord,
    UltrasoundRecord,
)
from factory.storage.subjects.resample import resample
from factory.storage.subjects.short_axis import load_short_axis
from factory.storage.subjects.types import Subject

SOURCES = ("phantom", "bids", "nifti", "short_axis", "ultrasound")

METADATA_KEYS = ("gestational_age_weeks", "pathology", "rec")
"""The keys of a record that become metadata of its subject."""


def load_subject(record: Record, spacing_mm: float | None) -> Subject:
    """Load the subject of a record (factory.storage.subjects.records).

    Args:
        record: The record; its "source" is one of SOURCES.
        spacing_mm: Isotropic voxel size. None keeps a file's own spacing and makes a phantom at
            1 mm. For short-axis stacks it is the spacing in plane alone. A head in ultrasound
            always has the spacing of its frame.

    Raises:
        SubjectError: Where the source is unknown, or the source's own reader raises it.
    """
    source = record["source"]
    if source == "phantom":
        return load_phantom(cast(PhantomRecord, record), spacing_mm)
    if source == "short_axis":
        return load_short_axis(cast(ShortAxisRecord, record), spacing_mm)
    if source == "ultrasound":
        return load_head_ultrasound(cast(UltrasoundRecord, record))
    if source in ("bids", "nifti"):
        pair = cast(BidsRecord | NiftiRecord, record)
        metadata = {key: record[key] for key in METADATA_KEYS if record.get(key) is not None}
        subject = load_nifti_pair(
            _image_files(pair), pair["label"], pair["mapping"], pair["id"], metadata
        )
        return subject if spacing_mm is None else resample(subject, spacing_mm)
    raise SubjectError(
        f"subject {record.get('id')}: no source {source!r}; there are {', '.join(SOURCES)}"
        f"{nearest_name_hint(source, SOURCES)}"
    )


def _image_files(record: BidsRecord | NiftiRecord) -> ImageFiles | None:
    """Return the image's file, or those of its channels by name, as load_nifti_pair takes them."""
    files = record["image"]
    return dict(zip(record["channels"], files, strict=True)) if isinstance(files, list) else files


def load_phantom(record: PhantomRecord, spacing_mm: float | None) -> Subject:
    """Make the phantom of a record at an isotropic spacing; None means 1 mm."""
    return phantom(record["gestational_age_weeks"], record["seed"], spacing_mm or 1.0, record["id"])
