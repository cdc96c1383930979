"""The source `ultrasound`: fetal heads in ultrasound."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from factory.config.section import Section, allowed, problem
from factory.config.types import Text
from factory.imaging.types import Shape
from factory.storage.subjects.head_frame import SIDE
from factory.storage.subjects.head_ultrasound import HEAD, list_head_ultrasounds
from factory.storage.subjects.records import Record
from factory.storage.subjects.types import LabelTable
from factory.subjects.files import FileSource

Circumference = Annotated[float, Field(ge=0, le=1000), allowed("0 to 1000 mm")]


class Ultrasound(Section):
    """Fetal heads in ultrasound in the layout of the HC18 challenge.

    `circumference_mm` is the smallest and the largest head to use. See
    factory.storage.subjects.head_ultrasound.
    """

    path: Text
    circumference_mm: Annotated[
        tuple[Circumference, Circumference], allowed("[smallest, largest] in mm")
    ] = (150.0, 400.0)


class UltrasoundSource(FileSource):
    """Fetal heads in ultrasound (factory.storage.subjects.head_ultrasound)."""

    name: ClassVar[str] = "ultrasound"
    Section: ClassVar[type[Section]] = Ultrasound
    kind: ClassVar[str] = "heads in ultrasound"
    is_stack: ClassVar[bool] = True
    voxel_text: ClassVar[str | None] = "as large as each head has them"
    painted_from: ClassVar[str | None] = "the ultrasound"

    def records(self, section: Ultrasound) -> Sequence[Record]:
        """List the subjects of the section's folder."""
        return list_head_ultrasounds(section.path, section.circumference_mm)

    def table(self, section: Ultrasound) -> LabelTable:
        """Return HEAD."""
        return HEAD

    def shape(self, section: Ultrasound, records: Sequence[Record], spacing_mm: float) -> Shape:
        """Return one plane of the head's frame."""
        return 1, SIDE, SIDE

    def check(self, recipe: Any) -> None:
        """Refuse sections that need tissues or a volume."""
        for key in ("anatomy", "groups", "acquisition"):
            if getattr(recipe, key):
                text = "a head in ultrasound is one plane without tissues; allowed: without"
                raise problem(text, at=(key,))
        if recipe.output.uncertainty:
            text = "value true; ultrasound gives one image only; allowed: false"
            raise problem(text, at=("output", "uncertainty"))


SOURCE = UltrasoundSource()
