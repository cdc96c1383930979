"""What sources of brains in files share: their paths, their label mappings, and their sizes."""

import functools
import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Discriminator, Tag

from factory.config.section import one_of
from factory.config.types import LabelValue
from factory.storage.subjects.growth_curves import intracranial_mm
from factory.storage.subjects.label_mappings import (
    NAMED_MAPPINGS,
    TISSUES,
    mapping_table,
    resolve_mapping,
)
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.types import CALLOSUM, FETA, Subject
from factory.subjects.source import Extent, Record, Source
from factory.text import count_text

Mapping = Annotated[
    Annotated[dict[LabelValue, Annotated[str, one_of(TISSUES)]], Tag("<values>")]
    | Annotated[str, one_of(tuple(NAMED_MAPPINGS), "{value: tissue, ...}"), Tag("<name>")],
    Discriminator(lambda value: "<values>" if isinstance(value, dict) else "<name>"),
]


class FileSource(Source):
    """A source whose section has a path, and whose records storage.subjects.load can load."""

    path_keys: ClassVar[tuple[str, ...]] = ("path",)

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        return load_subject(record, spacing_mm)

    def extents_mm(
        self, section: Any, records: Sequence[Record], to_weeks: float
    ) -> Iterable[Extent]:
        return [_label_extent_mm(json.dumps(record), to_weeks) for record in records]

    def describe(self, section: dict[str, Any], total: int) -> str:
        return f"{count_text(total, 'subject')} read from {section['path']}."


def mapping_tissues(mapping: Any) -> set[str]:
    """Names of the labels that a mapping gives; without one any that FETA has."""
    return set(FETA.names if mapping is None else resolve_mapping(mapping).values())


def mapping_labels(mapping: Any) -> Iterable[tuple[str, str]]:
    """The label that a mapping keeps apart from FETA's, and what it is painted as."""
    return [(CALLOSUM, "white_matter")] if mapping_table(mapping) is not FETA else []


@functools.lru_cache(maxsize=4096)
def _label_extent_mm(record_json: str, to_weeks: float) -> Extent:
    """Size (z, y, x) in mm of the box of a file's labels, the head grown to an age if one is given.

    The image is read too: a subject that cannot be used is refused before anything is rendered.
    """
    subject = load_subject(json.loads(record_json), None)
    sizes = [
        float(np.ptp(np.flatnonzero(subject.label.any(axis=others))) + 1) * spacing
        for others, spacing in zip(((1, 2), (0, 2), (0, 1)), subject.grid.spacing, strict=True)
    ]
    age = subject.metadata.get("gestational_age_weeks")
    if to_weeks and age and to_weeks > age:
        # Diameters inside the skull: of the two curves the faster.
        now, then = intracranial_mm(age), intracranial_mm(to_weeks)
        factor = max(b / a for a, b in zip(now, then, strict=True))
        sizes = [size * factor for size in sizes]
    return sizes[0], sizes[1], sizes[2]
