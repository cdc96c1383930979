"""The source `short_axis`: hearts as short-axis stacks."""

from collections.abc import Sequence
from typing import Any, ClassVar

from factory.config.section import Section, problem
from factory.config.types import Text
from factory.imaging.types import Shape
from factory.storage.subjects.records import Record
from factory.storage.subjects.short_axis import HEART, SIDE, list_short_axis_subjects
from factory.storage.subjects.types import LabelTable
from factory.subjects.files import FileSource, Participants, add_table, requested_persons


class ShortAxis(Section):
    """Hearts as short-axis stacks in the layout of the M&Ms challenge.

    See factory.storage.subjects.short_axis.
    """

    path: Text
    participants: Participants | None = None


class ShortAxisSource(FileSource):
    """Hearts in short-axis stacks (factory.storage.subjects.short_axis)."""

    name: ClassVar[str] = "short_axis"
    Section: ClassVar[type[Section]] = ShortAxis
    kind: ClassVar[str] = "hearts"
    is_stack: ClassVar[bool] = True
    can_interpolate: ClassVar[bool] = True

    def records(self, section: ShortAxis) -> Sequence[Record]:
        """List the subjects of the section's folder."""
        persons = requested_persons(section.participants)
        records = list_short_axis_subjects(section.path, persons)
        return add_table(records, section.participants)

    def table(self, section: ShortAxis) -> LabelTable:
        """Return HEART."""
        return HEART

    def shape(self, section: ShortAxis, records: Sequence[Record], spacing_mm: float) -> Shape:
        """Return as many slices as the longest stack has, each a square around the heart."""
        return max(len(self.load(r, spacing_mm).label) for r in records), SIDE, SIDE

    def check(self, recipe: Any) -> None:
        """Refuse uncertainty maps, which need paintings in several directions."""
        if recipe.output.uncertainty:
            text = "value true; hearts are painted in one direction only; allowed: false"
            raise problem(text, at=("output", "uncertainty"))


SOURCE = ShortAxisSource()
