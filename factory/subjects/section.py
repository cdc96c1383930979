"""The recipe's section `subjects`: a section for each source."""

from typing import Any

from pydantic import create_model, model_validator

from factory.config.section import Section, problem
from factory.subjects.registry import SOURCES
from factory.text import join_names

NAMES = tuple(name for name, source in SOURCES.items() if not source.key)
"""The keys of the section, without those sources that have a key of their own in a recipe."""


class SubjectsBase(Section):
    """Whose anatomy: one source or more, of one kind of subjects."""

    @model_validator(mode="after")
    def _check_sources(self) -> "SubjectsBase":
        sources = [SOURCES[name] for name in NAMES if getattr(self, name) is not None]
        if not sources:
            raise problem(f"no subjects; allowed: {join_names(NAMES)}")
        first = sources[0]
        for source in sources[1:]:
            if source.kind != first.kind:
                text = f"{source.kind} beside {first.kind}; allowed: {source.name} alone"
                raise problem(text, at=(source.name,))
        return self


_fields: Any = {name: (SOURCES[name].Section | None, None) for name in NAMES}
Subjects: type[SubjectsBase] = create_model(
    "Subjects", __base__=SubjectsBase, __doc__=SubjectsBase.__doc__, **_fields
)
