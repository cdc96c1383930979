"""Hearts as short-axis stacks."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from factory.config.section import Section, allowed, problem
from factory.config.types import Text
from factory.imaging.types import Shape
from factory.storage.subjects.short_axis import HEART, SIDE, list_short_axis_subjects
from factory.storage.subjects.types import LabelTable
from factory.subjects.files import FileSource
from factory.subjects.source import Record


class ShortAxis(Section):
    """Hearts as short-axis stacks in the layout of the M&Ms challenge: see
    factory.storage.subjects.short_axis.
    """

    path: Text
    participants: Annotated[tuple[Text, ...], allowed("a list of persons")] | None = None


class ShortAxisSource(FileSource):
    name: ClassVar[str] = "short_axis"
    Section: ClassVar[type[Section]] = ShortAxis
    kind: ClassVar[str] = "hearts"
    is_stack: ClassVar[bool] = True
    can_interpolate: ClassVar[bool] = True

    def records(self, section: ShortAxis) -> list[Record]:
        wanted = None if section.participants is None else list(section.participants)
        return list_short_axis_subjects(section.path, wanted)

    def table(self, section: Any) -> LabelTable:
        return HEART

    def shape(self, section: Any, records: Sequence[Record], spacing_mm: float) -> Shape:
        """As many slices as the longest stack has, each a square about the heart."""
        return max(len(self.load(r, spacing_mm).label) for r in records), SIDE, SIDE

    def check(self, recipe: Any) -> None:
        if recipe.output.uncertainty:
            text = "value true; hearts are painted in one direction alone; allowed: false"
            raise problem(text, at=("output", "uncertainty"))


SOURCE = ShortAxisSource()
