"""The subjects of a recipe, listed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from factory.errors import RecipeError
from factory.subjects.registry import SOURCES, section_of
from factory.subjects.source import Record, Source
from factory.subjects.sources.interpolated import SOURCE as INTERPOLATED
from factory.subjects.sources.interpolated import list_interpolated_records


@dataclass(frozen=True)
class SourceSubjects:
    """The subjects of one source.

    Attributes:
        source: Where they come from.
        section: What the recipe says of it.
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

        Raises SubjectError where they cannot be read, RecipeError where an id comes twice.
        """
        found = []
        for source in SOURCES.values():
            section = section_of(source, recipe)
            if section is None or source is INTERPOLATED:
                continue
            if source.is_listed:
                records = tuple(source.records(section))
                found.append(SourceSubjects(source, section, len(records), records))
            else:
                found.append(SourceSubjects(source, section, source.count(section)))
        if (section := section_of(INTERPOLATED, recipe)) is not None:
            ends = [record for one in found for record in one.records]
            spacing = recipe.output.spacing_mm
            records = tuple(list_interpolated_records(section, ends, recipe.seed, spacing))
            found = [SourceSubjects(INTERPOLATED, section, len(records), records)]
        _refuse_repeated(found)
        return SubjectCatalogue(tuple(found))

    @property
    def records(self) -> list[Record]:
        """Records of the subjects that are listed."""
        return [record for one in self.by_source for record in one.records]

    @property
    def ages(self) -> list[float]:
        """Gestational ages (weeks) that subjects have, or the extremes they are drawn from."""
        return [a for one in self.by_source for a in one.source.ages(one.section, one.records)]

    def of_source(self, name: str) -> SourceSubjects:
        """The subjects of one source."""
        return next(one for one in self.by_source if one.source.name == name)


def _refuse_repeated(found: Sequence[SourceSubjects]) -> None:
    """Raise RecipeError where two subjects have one id, naming the sources that have it."""
    seen: dict[str, str] = {}
    for one in found:
        for record in one.records:
            id, name = record["id"], one.source.name
            if id in seen:
                where = f"in {seen[id]} and in {name}" if seen[id] != name else f"in {name} twice"
                raise RecipeError(f"subjects: {id} is {where}; allowed: every id once")
            seen[id] = name
