"""The catalogue: the subjects of a recipe, listed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from factory.errors import RecipeError
from factory.storage.subjects.records import Record
from factory.storage.subjects.types import FETA
from factory.subjects.registry import SOURCES, section_of
from factory.subjects.source import Source
from factory.subjects.sources.interpolated import SOURCE as INTERPOLATED
from factory.subjects.sources.interpolated import list_interpolated_records


@dataclass(frozen=True)
class SourceSubjects:
    """The subjects of one source.

    Attributes:
        source: Where they come from.
        section: The source's section of the recipe.
        count: How many there are.
        records: Those of a source that is listed; () of one that is not.
    """

    source: Source
    section: Any
    count: int
    records: tuple[Record, ...] = ()


@dataclass(frozen=True)
class SubjectCatalogue:
    """The subjects of a recipe by source, in the order of its cases."""

    by_source: tuple[SourceSubjects, ...]

    @staticmethod
    def of(recipe: Any) -> "SubjectCatalogue":
        """List the subjects of a recipe (factory.schema.sections.RecipeSections).

        Raises:
            SubjectError: Where they cannot be read.
            RecipeError: Where two subjects have one id.
        """
        groups: list[SourceSubjects] = []
        for source in SOURCES.values():
            section = section_of(source, recipe)
            if section is None or source is INTERPOLATED:
                continue
            if source.is_listed:
                records = tuple(source.records(section))
                groups.append(SourceSubjects(source, section, len(records), records))
            else:
                groups.append(SourceSubjects(source, section, source.count(section)))
        if (section := section_of(INTERPOLATED, recipe)) is not None:
            ends = [record for group in groups for record in group.records]
            spacing = recipe.output.spacing_mm
            records = tuple(list_interpolated_records(section, ends, recipe.seed, spacing))
            groups = [SourceSubjects(INTERPOLATED, section, len(records), records)]
        _check_unique_ids(groups)
        return SubjectCatalogue(tuple(groups))

    @property
    def records(self) -> list[Record]:
        """The records of the subjects that are listed."""
        return [record for group in self.by_source for record in group.records]

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels that occur in the subjects, in the order of the sources' tables.

        The background is the first. The label maps are read.

        Raises:
            SubjectError: Where one cannot be read.
        """
        names = [FETA.names[0]]
        for group in self.by_source:
            present = group.source.present_labels(group.section, group.records)
            table = group.source.table(group.section)
            names += [name for name in table.names if name in present]
        return tuple(dict.fromkeys(names))

    @property
    def ages(self) -> list[float]:
        """Gestational ages (weeks) of the subjects, or the extremes they are drawn from."""
        return [
            age
            for group in self.by_source
            for age in group.source.ages(group.section, group.records)
        ]

    def of_source(self, name: str) -> SourceSubjects:
        """Return the subjects of the source with a name."""
        return next(group for group in self.by_source if group.source.name == name)


def _check_unique_ids(groups: Sequence[SourceSubjects]) -> None:
    """Raise RecipeError where two subjects have one id, naming the sources that have it."""
    source_by_id: dict[str, str] = {}
    for group in groups:
        name = group.source.name
        for record in group.records:
            id = record["id"]
            if id in source_by_id:
                other = source_by_id[id]
                where = f"in {other} and in {name}" if other != name else f"in {name} twice"
                raise RecipeError(f"subjects: {id} is {where}; allowed: every id once")
            source_by_id[id] = name
