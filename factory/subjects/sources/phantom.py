"""The source `phantom`: procedural fetal brains."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, cast

from factory.config.parameters import Number, extremes
from factory.config.phrases import parameter_text
from factory.config.section import Section
from factory.config.types import Count, Weeks
from factory.storage.json_value import JsonObject
from factory.storage.subjects.records import PhantomRecord, Record
from factory.storage.subjects.types import Subject
from factory.subjects.source import Extent, Source
from factory.text import count_text

AGE = "gestational_age_weeks"


class Phantom(Section):
    """Procedural fetal brains."""

    count: Count
    gestational_age_weeks: Number[Weeks]


class PhantomSource(Source):
    """Procedural fetal brains (factory.storage.subjects.phantom)."""

    name: ClassVar[str] = "phantom"
    Section: ClassVar[type[Section]] = Phantom
    is_listed: ClassVar[bool] = False
    is_seeded: ClassVar[bool] = True

    def meanings(self, section: Phantom) -> dict[str, str]:
        """Return what two tissues of the procedural heads are."""
        return {
            "ventricles": "the lateral ventricles alone",
            "external_csf": "the fluid around the brain, and the third and fourth ventricles",
        }

    def count(self, section: Phantom) -> int:
        """Return the section's count."""
        return section.count

    def record(self, section: Phantom, index: int, group: str, seed: int) -> Record:
        """Return the record at an index.

        Indices count within a group, so that a change of another group changes no subject here.
        """
        prefix = f"phantom-{group}" if group else "phantom"
        return {"source": self.name, "id": f"{prefix}-{index:04d}"}

    def parameters(self, section: JsonObject) -> JsonObject:
        """Return the gestational age, which is drawn for each subject."""
        return {AGE: section[AGE]}

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        """Make the phantom of a record; without a spacing at 1 mm."""
        from factory.storage.subjects.load import load_phantom

        return load_phantom(cast(PhantomRecord, record), spacing_mm)

    def extents_mm(
        self, section: Phantom, records: Sequence[Record], to_weeks: float
    ) -> Iterable[Extent]:
        """Return upper bounds of the sizes of the smallest and the largest brain."""
        from factory.storage.subjects.phantom import phantom_extent_mm

        return [phantom_extent_mm(max(age, to_weeks)) for age in self.ages(section, records)]

    def ages(self, section: Phantom, records: Sequence[Record]) -> list[float]:
        """Return the least and the greatest age that the section allows."""
        values = extremes(section.model_dump()[AGE])
        return [min(values), max(values)]

    def lacks_images(self, section: Phantom) -> str:
        """Return "phantom": phantoms have no images."""
        return self.name

    def describe(self, section: JsonObject, total: int) -> str:
        """Say how many brains there are, and of which age."""
        age = parameter_text(section[AGE], "weeks")
        return f"{count_text(total, 'procedural fetal brain')}, gestational age {age}."

    def origin(self, section: JsonObject) -> str:
        """Say that no person's data is in the subjects."""
        heads = count_text(int(section.get("count", 0)), "head")
        return f"procedural: {heads}, no person's image or label map among them"


SOURCE = PhantomSource()
