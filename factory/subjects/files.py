"""What sources of brains in files share: their paths, their label mappings, and their sizes."""

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import AfterValidator, Discriminator, Tag

from factory.config.document import KeyPath
from factory.config.section import Section, allowed, problem
from factory.config.types import ChannelName, LabelName, LabelValue, Text
from factory.imaging.intensities import normalise
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
    NAMED_MAPPINGS,
    OTHERS,
    LabelMapping,
    is_file_name,
    mapping_table,
    resolve_mapping,
)
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.named_label_tables import MEANINGS
from factory.storage.subjects.records import Record
from factory.storage.subjects.types import (
    CALLOSUM,
    FETA,
    FETA_WITH_CALLOSUM,
    LabelTable,
    Subject,
)
from factory.subjects.source import Extent, Limits, Source
from factory.text import count_text


def _check_mapping_name(name: str) -> str:
    """Refuse what is neither a named mapping nor looks like a file."""
    if name not in NAMED_MAPPINGS and not is_file_name(name):
        text = "value {value}; allowed: {names}, a table of labels (.tsv, .json, .txt), or "
        hint = nearest_name_hint(name, NAMED_MAPPINGS)
        names = ", ".join(NAMED_MAPPINGS)
        raise problem(text + "{{value: name, ...}}{hint}", name, names=names, hint=hint)
    return name


RecipeMapping = Annotated[
    Annotated[dict[LabelValue, LabelName], Tag("<values>")]
    | Annotated[str, AfterValidator(_check_mapping_name), Tag("<name>")],
    Discriminator(lambda value: "<values>" if isinstance(value, dict) else "<name>"),
]
"""A label mapping in a recipe: its name, a file with a table of labels, or {value: name}."""


ImageFiles = Annotated[
    Annotated[dict[ChannelName, Text], Tag("<channels>")] | Annotated[Text, Tag("<one>")],
    Discriminator(lambda value: "<channels>" if isinstance(value, dict) else "<one>"),
]
"""The pattern of the images' files in a recipe, or one for each channel by its name."""


def check_channel_names(names: Iterable[str], at: KeyPath) -> None:
    """Raise the error of a validator where there are no channels, or two have nearly one name.

    Capitals and _ do not make two names different, because not all file systems and formats tell
    them apart.

    Args:
        names: The names of the channels of one source.
        at: Where the recipe has them.
    """
    lower = [name.lower().replace("_", "") for name in names]
    if not lower:
        raise problem("no channels; allowed: one or more", at=at)
    for name in lower:
        if lower.count(name) > 1:
            raise problem("two channels are {name}; allowed: each once", at=at, name=name)


def full_mapping(
    mapping: str | LabelMapping | None, others: str | None
) -> str | LabelMapping | None:
    """Return a recipe's mapping as readers take it: with `others` as one of its keys."""
    if others is None or mapping is None:
        return mapping
    full: dict[int | str, str] = dict(resolve_mapping(mapping).items())
    full[OTHERS] = others
    return full


Participants = Annotated[
    Annotated[tuple[Text, ...], allowed("a list of persons"), Tag("<persons>")]
    | Annotated[Text, Tag("<table>")],
    Discriminator(lambda value: "<table>" if isinstance(value, str) else "<persons>"),
]
"""The persons that a recipe takes, or a table of the ages and other covariates of all."""


def requested_persons(participants: tuple[str, ...] | str | None) -> tuple[str, ...] | None:
    """Return the persons that a recipe takes; None takes all."""
    return None if isinstance(participants, str) else participants


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
        """Load a subject from its files."""
        return load_subject(record, spacing_mm)

    def extents_mm(
        self, section: Section, records: Sequence[Record], to_weeks: float
    ) -> Iterable[Extent]:
        """Measure the boxes of the subjects' labels; see Source."""
        return [_label_extent_mm(json.dumps(record), to_weeks) for record in records]

    def image_limits(self, section: Section, records: Sequence[Record]) -> Iterable[Limits]:
        """Measure the subjects' images; see Source."""
        return [_image_limits(json.dumps(record)) for record in records]

    def covariates(self, section: Any) -> tuple[str, ...]:
        """Return the columns of the section's table of participants."""
        table = getattr(section, "participants", None)
        return covariate_columns(table) if isinstance(table, str) else ()

    def describe(self, section: JsonObject, total: int) -> str:
        """Say how many subjects there are, and from which folder."""
        return f"{count_text(total, 'subject')} read from {section['path']}."


class MappedSource(FileSource):
    """A source of files whose section has a `mapping` of label values, and `others`."""

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
        return {name for record in records for name in _survey(json.dumps(record)).names}

    def meanings(self, section: Any) -> dict[str, str]:
        """Return what names of a named mapping mean, where that is not plain."""
        return MEANINGS.get(section.mapping, {}) if isinstance(section.mapping, str) else {}


@dataclass(frozen=True)
class Survey:
    """What a label map holds.

    Attributes:
        box_mm: Size (z, y, x) of the box of its labels; z is 0 of a single slice.
        names: The labels that occur.
        age_weeks: The subject's gestational age, if it is known.
    """

    box_mm: Extent
    names: tuple[str, ...]
    age_weeks: float | None


@functools.lru_cache(maxsize=4096)
def _survey(record_json: str) -> Survey:
    """Read a subject once, to know what its label map holds.

    The image is read too: a subject that cannot be used is refused before anything is rendered.
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
    survey = _survey(record_json)
    z, y, x = survey.box_mm
    age = survey.age_weeks
    if to_weeks and age and to_weeks > age:
        # The faster of the two curves of diameters inside the skull.
        now, then = intracranial_mm(age), intracranial_mm(to_weeks)
        factor = max(b / a for a, b in zip(now, then, strict=True))
        return z * factor, y * factor, x * factor
    return z, y, x
