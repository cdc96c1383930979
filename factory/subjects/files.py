"""What sources of brains in files share: their paths, their label mappings, and their sizes."""

import functools
import json
from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Discriminator, Tag

from factory.config.section import Section, one_of
from factory.config.types import LabelValue
from factory.storage.json_value import JsonObject
from factory.storage.subjects.growth_curves import intracranial_mm
from factory.storage.subjects.label_mappings import (
    NAMED_MAPPINGS,
    TISSUES,
    LabelMapping,
    mapping_table,
    resolve_mapping,
)
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.records import Record
from factory.storage.subjects.types import CALLOSUM, FETA, Subject
from factory.subjects.source import Extent, Source
from factory.text import count_text

RecipeMapping = Annotated[
    Annotated[dict[LabelValue, Annotated[str, one_of(TISSUES)]], Tag("<values>")]
    | Annotated[str, one_of(tuple(NAMED_MAPPINGS), "{value: tissue, ...}"), Tag("<name>")],
    Discriminator(lambda value: "<values>" if isinstance(value, dict) else "<name>"),
]
"""A label mapping in a recipe: its name, or {value: tissue}."""


class FileSource(Source):
    """A source whose section has a path, and whose records factory.storage.subjects.load loads."""

    path_keys: ClassVar[tuple[str, ...]] = ("path",)

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        """Load a subject from its files."""
        return load_subject(record, spacing_mm)

    def extents_mm(
        self, section: Section, records: Sequence[Record], to_weeks: float
    ) -> Iterable[Extent]:
        """Measure the boxes of the subjects' labels; see Source."""
        return [_label_extent_mm(json.dumps(record), to_weeks) for record in records]

    def describe(self, section: JsonObject, total: int) -> str:
        """Say how many subjects there are, and from which folder."""
        return f"{count_text(total, 'subject')} read from {section['path']}."


def mapping_tissues(mapping: str | LabelMapping | None) -> set[str]:
    """Return the names of the labels that a mapping gives; without one, those of FETA."""
    return set(FETA.names if mapping is None else resolve_mapping(mapping).values())


def mapping_labels(mapping: str | LabelMapping | None) -> Iterable[tuple[str, str]]:
    """Return the label that a mapping adds to FETA's, with the tissue it is painted as."""
    return [(CALLOSUM, "white_matter")] if mapping_table(mapping) is not FETA else []


@functools.lru_cache(maxsize=4096)
def _label_extent_mm(record_json: str, to_weeks: float) -> Extent:
    """Return the size (z, y, x) of the box of a file's labels, the head grown to a later age.

    `to_weeks` 0 means no growth. The image is read too: a subject that cannot be used is refused
    before anything is rendered.
    """
    subject = load_subject(json.loads(record_json), None)
    sizes = [
        float(np.ptp(np.flatnonzero(subject.label.any(axis=others))) + 1) * spacing
        for others, spacing in zip(((1, 2), (0, 2), (0, 1)), subject.grid.spacing, strict=True)
    ]
    age = subject.metadata.get("gestational_age_weeks")
    if to_weeks and age and to_weeks > age:
        # The faster of the two curves of diameters inside the skull.
        now, then = intracranial_mm(age), intracranial_mm(to_weeks)
        factor = max(b / a for a, b in zip(now, then, strict=True))
        sizes = [size * factor for size in sizes]
    return sizes[0], sizes[1], sizes[2]
