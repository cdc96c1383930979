"""What the label map of a subject holds: the labels that occur, and the size of their box."""

import functools
import json
from dataclasses import dataclass

import numpy as np

from factory.storage.subjects.load import load_subject


@dataclass(frozen=True)
class Survey:
    """What a label map holds.

    Attributes:
        box_mm: Size (z, y, x) of the box of its labels; z is 0 of a single slice.
        names: The labels that occur.
        age_weeks: The subject's gestational age, if it is known.
    """

    box_mm: tuple[float, float, float]
    names: tuple[str, ...]
    age_weeks: float | None


@functools.lru_cache(maxsize=4096)
def survey_subject(record_json: str) -> Survey:
    """Read a subject once, to know what its label map holds.

    The image is read too, so that a subject that cannot be used is refused before anything is made.

    Args:
        record_json: The subject's record as JSON.

    Raises:
        SubjectError: The subject cannot be read.
    """
    subject = load_subject(json.loads(record_json), None)
    z, y, x = (
        float(np.ptp(np.flatnonzero(subject.label.any(axis=others))) + 1) * spacing
        for others, spacing in zip(((1, 2), (0, 2), (0, 1)), subject.grid.spacing, strict=True)
    )
    if len(subject.label) == 1:
        z = 0.0
    counts = np.bincount(subject.label.ravel(), minlength=len(subject.table.names))
    names = tuple(name for name, n in zip(subject.table.names, counts, strict=True) if n)
    return Survey((z, y, x), names, subject.metadata.get("gestational_age_weeks"))
