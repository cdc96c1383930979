"""The registry of the sources of subjects, by name."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from factory.discovery import discover
from factory.errors import FactoryError
from factory.storage.json_value import JsonObject
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.records import Record
from factory.subjects.source import Source
from factory.text import join_names

_sources: Mapping[str, Source] = discover("factory.subjects.sources", "SOURCE", folders=False)
SOURCES: Mapping[str, Source] = dict(
    sorted(_sources.items(), key=lambda item: (item[1].is_listed, item[0]))
)
"""Sources that make their subjects come before sources that list them from files, both by name. The
order of a dataset's samples follows this order."""


def source_of(record: Record) -> Source:
    """Return the source of a subject. Raises FactoryError where it is unknown here."""
    name = record["source"]
    if name not in SOURCES:
        raise FactoryError(
            f"subject {record.get('id')}: no source {name!r}; there are {join_names(SOURCES)}"
            f"{nearest_name_hint(name, SOURCES)}"
        )
    return SOURCES[name]


class PooledSource(NamedTuple):
    """A source that a recipe names.

    Attributes:
        pool: Whose subjects they are: "" those of the recipe, else those of the group of this name.
        source: The source.
        section: Its section of the recipe.
    """

    pool: str
    source: Source
    section: Any

    @property
    def path(self) -> tuple[str, ...]:
        """Where its section stands in the recipe."""
        path = tuple(self.source.place.split("."))
        return ("groups", self.pool, *path) if self.pool else path

    @property
    def place(self) -> str:
        """Where its section stands in the recipe, with dots."""
        return ".".join(self.path)


def pooled_sources(recipe: Any) -> list[PooledSource]:
    """Return the sources of a recipe (factory.schema.sections.RecipeSections), in their order.

    Of one source the subjects of the recipe come first, then those of the groups by name.
    """
    groups = sorted((recipe.groups or {}).items())
    subjects = {name: group.subjects for name, group in groups if group.subjects is not None}
    pools = {"": recipe.subjects, **subjects}
    sources = [
        PooledSource(pool, source, getattr(holder, source.key or source.name))
        for source in SOURCES.values()
        for pool, holder in ({"": recipe} if source.key else pools).items()
    ]
    return [
        pooled
        for pooled in sources
        if pooled.section is not None and pooled.source.is_used(pooled.section)
    ]


def subject_sections(recipe: JsonObject) -> list[tuple[str, JsonObject]]:
    """Return the sections of subjects of a recipe in plain JSON, each with its source's name.

    Those of groups follow those of the recipe; sources with a key of their own are left out.
    """
    groups = [group for _, group in sorted((recipe.get("groups") or {}).items())]
    parents = [parent.get("subjects") or {} for parent in (recipe, *groups)]
    return [pair for parent in parents for pair in parent.items() if pair[1]]
