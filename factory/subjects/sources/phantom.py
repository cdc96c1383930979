"""Procedural fetal brains."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from factory.config.parameters import Number, extremes
from factory.config.phrases import parameter_text
from factory.config.section import Section
from factory.config.types import Count, Weeks
from factory.storage.subjects.types import Subject
from factory.subjects.source import Extent, Record, Source
from factory.text import count_text

AGE = "gestational_age_weeks"


class Phantom(Section):
    """Procedural fetal brains."""

    count: Count
    gestational_age_weeks: Number[Weeks]


class PhantomSource(Source):
    name: ClassVar[str] = "phantom"
    Section: ClassVar[type[Section]] = Phantom
    is_listed: ClassVar[bool] = False
    is_seeded: ClassVar[bool] = True

    def count(self, section: Phantom) -> int:
        return section.count

    def record(self, section: Phantom, index: int, group: str, seed: int) -> Record:
        """Counted within its group, so that it stays what it is when another group changes."""
        prefix = f"phantom-{group}" if group else "phantom"
        return {"source": self.name, "id": f"{prefix}-{index:04d}"}

    def parameters(self, section: dict[str, Any]) -> dict[str, Any]:
        return {AGE: section[AGE]}

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        from factory.storage.subjects.phantom import phantom

        return phantom(record[AGE], record["seed"], spacing_mm or 1.0, record["id"])

    def extents_mm(
        self, section: Phantom, records: Sequence[Record], to_weeks: float
    ) -> Iterable[Extent]:
        from factory.storage.subjects.phantom import phantom_extent_mm

        return [phantom_extent_mm(max(age, to_weeks)) for age in self.ages(section, records)]

    def ages(self, section: Phantom, records: Sequence[Record]) -> list[float]:
        values = extremes(section.model_dump()[AGE])
        return [min(values), max(values)]

    def lacks_images(self, section: Phantom) -> str:
        return self.name

    def describe(self, section: dict[str, Any], total: int) -> str:
        age = parameter_text(section[AGE], "weeks")
        return f"{count_text(total, 'procedural fetal brain')}, gestational age {age}."

    def origin(self, section: dict[str, Any]) -> str:
        heads = count_text(int(section.get("count", 0)), "head")
        return f"procedural: {heads}, no person's image or label map among them"


SOURCE = PhantomSource()
