"""The source `shapes`: made-up anatomies of named ellipsoids, without any file."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from factory.config.section import Section, allowed, problem
from factory.config.types import Count, LabelName
from factory.storage.json_value import JsonObject
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.label_mappings import colours_of
from factory.storage.subjects.records import Record
from factory.storage.subjects.types import LabelTable, Subject
from factory.subjects.source import Extent, Source
from factory.text import count_text, join_names

Size = Annotated[float, Field(ge=1, le=1000), allowed("1 to 1000 mm")]
Position = Annotated[float, Field(ge=-500, le=500), allowed("-500 to 500 mm")]
Variation = Annotated[float, Field(ge=0, le=2), allowed("0 to 2; individuals differ by this")]


class EllipsoidSection(Section):
    """An ellipsoid.

    Attributes:
        size_mm: Its diameters [z, y, x].
        centre_mm: Its centre [z, y, x], from the middle of the scene.
        inside: The earlier label that it lies within; None where it may reach out of all others.
    """

    size_mm: tuple[Size, Size, Size]
    centre_mm: tuple[Position, Position, Position] = (0.0, 0.0, 0.0)
    inside: LabelName | None = None


class Shapes(Section):
    """Made-up anatomies: ellipsoids by the names of their labels; later ones lie over earlier."""

    count: Count
    labels: dict[LabelName, EllipsoidSection]
    variation: Variation = 1.0

    @model_validator(mode="after")
    def _check_labels(self) -> "Shapes":
        if not 1 <= len(self.labels) <= 200:
            raise problem("allowed: 1 to 200 names, each with size_mm", at=("labels",))
        if "background" in self.labels:
            raise problem("value background; allowed: any other name", at=("labels", "background"))
        earlier: list[str] = []
        for name, shape in self.labels.items():
            if shape.inside is not None and shape.inside not in earlier:
                text = "value {value}; allowed: an earlier label{names}{hint}"
                names = f", one of {join_names(earlier)}" if earlier else ""
                hint = nearest_name_hint(shape.inside, earlier)
                at = ("labels", name, "inside")
                raise problem(text, shape.inside, at=at, names=names, hint=hint)
            earlier.append(name)
        return self


class ShapesSource(Source):
    """Made-up anatomies (factory.storage.subjects.shapes)."""

    name: ClassVar[str] = "shapes"
    Section: ClassVar[type[Section]] = Shapes
    kind: ClassVar[str] = "shapes"
    is_listed: ClassVar[bool] = False
    is_seeded: ClassVar[bool] = True

    def count(self, section: Shapes) -> int:
        """Return the section's count."""
        return section.count

    def record(self, section: Shapes, index: int, group: str, seed: int) -> Record:
        """Return the record at an index, within its group."""
        prefix = f"shapes-{group}" if group else "shapes"
        return {
            "source": self.name,
            "id": f"{prefix}-{index:04d}",
            "shapes": _plain_shapes(section),
            "variation": section.variation,
        }

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        """Draw the individual of a record; without a spacing at 1 mm."""
        from factory.storage.subjects.shapes import draw_shapes

        values: Any = record  # plain JSON, written by `record`
        return draw_shapes(
            values["shapes"], values["variation"], values["seed"], spacing_mm or 1.0, values["id"]
        )

    def table(self, section: Shapes) -> LabelTable:
        """Return the table of the section's labels, in their order."""
        names = ("background", *section.labels)
        return LabelTable(names, colours_of(names, {}))

    def has_own_table(self, section: Shapes) -> bool:
        """Return True: the labels are those of the recipe."""
        return True

    def extents_mm(
        self, section: Shapes, records: Sequence[Record], to_weeks: float
    ) -> Iterable[Extent]:
        """Return an upper bound of the size of every individual."""
        from factory.storage.subjects.shapes import largest_extent_mm

        return [largest_extent_mm(_plain_shapes(section), section.variation)]

    def lacks_images(self, section: Shapes) -> str:
        """Return "shapes": they have no images."""
        return self.name

    def describe(self, section: JsonObject, total: int) -> str:
        """Say how many anatomies there are, and of which structures."""
        return f"{count_text(total, 'made-up body plan')} of {join_names(section['labels'])}."

    def origin(self, section: JsonObject) -> str:
        """Say that no person's data is in the subjects."""
        return "procedural: ellipsoids of the recipe, no person's image or label map among them"


def _plain_shapes(section: Shapes) -> Any:
    """Return the ellipsoids in plain JSON, as factory.storage.subjects.shapes takes them."""
    return {
        name: {
            "size_mm": list(shape.size_mm),
            "centre_mm": list(shape.centre_mm),
            "inside": shape.inside,
        }
        for name, shape in section.labels.items()
    }


SOURCE = ShapesSource()
"""The source."""
