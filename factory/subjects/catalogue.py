"""The catalogue: the subjects of a recipe, listed once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from factory.errors import RecipeError
from factory.storage.subjects.records import Record
from factory.storage.subjects.types import FETA
from factory.subjects.registry import PooledSource
from factory.subjects.source import Source
from factory.subjects.sources.interpolated import SOURCE as INTERPOLATED
from factory.subjects.sources.interpolated import (
    Interpolate,
    list_interpolated_records,
    list_way_records,
)
from factory.text import join_names


@dataclass(frozen=True)
class SourceSubjects:
    """The subjects of one source.

    Attributes:
        source: Where they come from.
        section: The source's section of the recipe.
        count: How many there are.
        records: Those of a source that is listed; () of one that is not.
        pool: Whose they are: "" those of the recipe, else those of the group of this name.
    """

    source: Source
    section: Any
    count: int
    records: tuple[Record, ...] = ()
    pool: str = ""

    @property
    def place(self) -> str:
        """Where the recipe names them, with dots."""
        return PooledSource(self.pool, self.source, self.section).place


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
        lists: list[SourceSubjects] = []
        for pool, source, section in recipe.pooled_sources:
            if source is INTERPOLATED:
                continue
            if source.is_listed:
                records = tuple(source.records(section))
                lists.append(SourceSubjects(source, section, len(records), records, pool))
            else:
                lists.append(SourceSubjects(source, section, source.count(section), (), pool))
        if (section := recipe.interpolate) is not None:
            ends = [
                record for subjects in lists if not subjects.pool for record in subjects.records
            ]
            spacing = recipe.output.spacing_mm
            groups = [subjects for subjects in lists if subjects.pool]
            if section.model is None:
                lists = [*_subjects_on_ways(section, lists, recipe.seed), *groups]
            else:
                records = tuple(list_interpolated_records(section, ends, recipe.seed, spacing))
                lists = [SourceSubjects(INTERPOLATED, section, len(records), records), *groups]
        _check_unique_ids(lists)
        return SubjectCatalogue(tuple(lists))

    @property
    def records(self) -> list[Record]:
        """The records of the subjects that are listed, each once."""
        records = (record for subjects in self.by_source for record in subjects.records)
        return list({record["id"]: record for record in records}.values())

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels that occur in the subjects, in the order of the sources' tables.

        The background is the first. The label maps are read.

        Raises:
            SubjectError: Where one cannot be read.
        """
        names = [FETA.names[0]]
        for subjects in self.by_source:
            present = subjects.source.present_labels(subjects.section, subjects.records)
            table = subjects.source.table(subjects.section)
            names += [name for name in table.names if name in present]
        return tuple(dict.fromkeys(names))

    @property
    def ages(self) -> list[float]:
        """Gestational ages (weeks) of the subjects, or the extremes they are drawn from."""
        return [
            age
            for subjects in self.by_source
            for age in subjects.source.ages(subjects.section, subjects.records)
        ]

    def of_pool(self, pool: str) -> list[SourceSubjects]:
        """Return the subjects of the recipe (""), or those of the group with a name."""
        return [subjects for subjects in self.by_source if subjects.pool == pool]

    def of_source(self, name: str, pool: str) -> SourceSubjects:
        """Return the subjects of the source with a name in a pool."""
        return next(subjects for subjects in self.of_pool(pool) if subjects.source.name == name)


def _subjects_on_ways(
    section: Interpolate, lists: Sequence[SourceSubjects], seed: int
) -> list[SourceSubjects]:
    """Return the subjects on the ways between those of a recipe's only source.

    Raises:
        RecipeError: There are several sources, or a subject is unknown.
    """
    ends = [subjects for subjects in lists if not subjects.pool]
    if len(ends) != 1:
        names = join_names(subjects.place for subjects in ends)
        raise RecipeError(f"interpolate: without a model, between {names}; allowed: one source")
    records = tuple(list_way_records(section, ends[0].records, seed))
    return [replace(ends[0], count=len(records), records=records)]


def _check_unique_ids(lists: Sequence[SourceSubjects]) -> None:
    """Raise RecipeError where two subjects have one id, naming the sources that have it.

    Two groups may have the same subject.
    """
    first: dict[str, tuple[SourceSubjects, Record]] = {}
    for subjects in lists:
        for record in subjects.records:
            id = record["id"]
            other, earlier = first.setdefault(id, (subjects, record))
            if earlier is record:
                continue
            name, other_name = subjects.source.name, other.source.name
            if other.pool == subjects.pool:
                twice = other_name == name
                where = f"in {name} twice" if twice else f"in {other_name} and in {name}"
                raise RecipeError(f"subjects: {id} is {where}; allowed: every id once")
            if earlier.get("label", earlier) != record.get("label", record):
                raise RecipeError(
                    f"subjects: {id} is in {other.place} and in {subjects.place}, from other "
                    "files; allowed: every id once, or the same files"
                )
