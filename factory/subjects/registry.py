"""The registry of the sources of subjects, by name."""

from collections.abc import Mapping
from typing import Any

from factory.discovery import discover
from factory.errors import FactoryError
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


def section_of(source: Source, recipe: Any) -> Any:
    """Return a source's section of a recipe (factory.schema.sections.RecipeSections), or None."""
    return getattr(recipe, source.key) if source.key else getattr(recipe.subjects, source.name)
