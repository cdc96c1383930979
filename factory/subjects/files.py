"""What sources of brains in files share: their paths, their label mappings, and their sizes."""

import functools
import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Tag

from factory.config.section import Section, allowed
from factory.config.subject_files import full_mapping
from factory.config.types import Text
from factory.imaging.intensities import normalise
from factory.storage.errors import SubjectError
from factory.storage.json_value import JsonObject
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.covariates import (
    R,
    add_covariates,
    covariate_columns,
    read_covariates,
)
from factory.storage.subjects.growth_curves import intracranial_mm
from factory.storage.subjects.label_mappings import (
    LabelMapping,
    mapping_table,
    resolve_mapping,
)
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.named_label_tables import MEANINGS
from factory.storage.subjects.records import Record
from factory.storage.subjects.survey import survey_subject
from factory.storage.subjects.types import (
    CALLOSUM,
    FETA,
    FETA_WITH_CALLOSUM,
    LabelTable,
    Subject,
)
from factory.subjects.source import Extent, Limits, Source
from factory.subjects.ways import list_ends, load_on_way
from factory.text import count_text, join_names

Participants = Annotated[
    Annotated[tuple[Text, ...], allowed("a list of persons"), Tag("<persons>")]
    | Annotated[Text, Tag("<table>")],
    Discriminator(lambda value: "<table>" if isinstance(value, str) else "<persons>"),
]
"""The persons that a recipe takes, or a table of the ages and other covariates of all."""


def requested_persons(participants: tuple[str, ...] | str | None) -> tuple[str, ...] | None:
    """Return the persons that a recipe takes; None takes all."""
    return None if isinstance(participants, str) else participants


def select_persons(
    records: Sequence[R], participants: tuple[str, ...] | str | None, path: str
) -> list[R]:
    """Return the records of the persons that a recipe takes.

    Raises:
        SubjectError: If one of them is not there.
    """
    persons = requested_persons(participants)
    if persons is None:
        return list(records)
    ids = [record["id"] for record in records]
    for name in persons:
        if name not in ids:
            hint = nearest_name_hint(name, ids) or f"; there are {join_names(ids[:12])}"
            raise SubjectError(f"{path}: no subject {name!r}{hint}")
    return [record for record in records if record["id"] in persons]


def add_table(records: Sequence[R], participants: tuple[str, ...] | str | None) -> list[R]:
    """Return records with the covariates of a recipe's table of participants, if it names one.

    Raises:
        SubjectError: If the table cannot be used, or a subject has no row.
    """
    if not isinstance(participants, str):
        return list(records)
    return add_covariates(records, read_covariates(participants), participants)


class FileSource(Source):
    """A source whose section has a path, and whose records factory.storage.subjects.load loads."""

    path_keys: ClassVar[tuple[str, ...]] = ("path",)

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        """Load a subject from its files, or make it on the way between two of them."""
        return load_on_way(record, spacing_mm)

    def extents_mm(
        self, section: Section, records: Sequence[Record], to_weeks: float
    ) -> Iterable[Extent]:
        """Measure the boxes of the subjects' labels; see Source."""
        return [
            _label_extent_mm(json.dumps(end), to_weeks) for r in records for end in list_ends(r)
        ]

    def image_limits(self, section: Section, records: Sequence[Record]) -> Iterable[Limits]:
        """Measure the subjects' images; see Source."""
        return [_image_limits(json.dumps(end)) for record in records for end in list_ends(record)]

    def covariates(self, section: Any) -> tuple[str, ...]:
        """Return the columns of the section's table of participants."""
        table = getattr(section, "participants", None)
        return covariate_columns(table) if isinstance(table, str) else ()

    def describe(self, section: JsonObject, total: int) -> str:
        """Say how many subjects there are, and from which folder."""
        return f"{count_text(total, 'subject')} read from {section['path']}."


class MappedSource(FileSource):
    """A source of files whose section has a `mapping` of label values, and `others`."""

    can_interpolate: ClassVar[bool] = True

    def mapping(self, section: Any) -> str | LabelMapping | None:
        """Return the section's mapping as readers take it."""
        return full_mapping(section.mapping, section.others)

    def table(self, section: Any) -> LabelTable:
        """Return FETA's table, or that of the section's own mapping."""
        table = mapping_table(self.mapping(section))
        return FETA if table is FETA_WITH_CALLOSUM else table

    def has_own_table(self, section: Any) -> bool:
        """Return whether the mapping names more than tissues of FETA."""
        return self.table(section) is not FETA

    def tissues(self, section: Any) -> set[str]:
        """Return the names of the labels that the mapping gives; without one, those of FETA."""
        mapping = self.mapping(section)
        return set(FETA.names if mapping is None else resolve_mapping(mapping).values())

    def extra_labels(self, section: Any) -> Iterable[tuple[str, str]]:
        """Return the corpus callosum where a mapping of fetal tissues keeps it apart."""
        apart = mapping_table(self.mapping(section)) is FETA_WITH_CALLOSUM
        return [(CALLOSUM, "white_matter")] if apart else []

    def present_labels(self, section: Any, records: Sequence[Record]) -> set[str]:
        """Return the names of the labels that occur in the label maps."""
        ends = [end for record in records for end in list_ends(record)]
        return {name for end in ends for name in survey_subject(json.dumps(end)).names}

    def meanings(self, section: Any) -> dict[str, str]:
        """Return what names of a named mapping mean, where that is not plain."""
        return MEANINGS.get(section.mapping, {}) if isinstance(section.mapping, str) else {}


@functools.lru_cache(maxsize=4096)
def _image_limits(record_json: str) -> Limits:
    """Return the least and the greatest intensity of a subject's image, in the factory's unit."""
    subject = load_subject(json.loads(record_json), None)
    if subject.image is None:
        return 0.0, 0.0
    image = normalise(subject.image, subject.label)
    return float(image.min()), float(image.max())


def _label_extent_mm(record_json: str, to_weeks: float) -> Extent:
    """Return the size (z, y, x) of the box of a file's labels, the head grown to a later age.

    `to_weeks` 0 means no growth.
    """
    survey = survey_subject(record_json)
    z, y, x = survey.box_mm
    age = survey.age_weeks
    if to_weeks and age and to_weeks > age:
        # The faster of the two curves of diameters inside the skull.
        now, then = intracranial_mm(age), intracranial_mm(to_weeks)
        factor = max(b / a for a, b in zip(now, then, strict=True))
        return z * factor, y * factor, x * factor
    return z, y, x
