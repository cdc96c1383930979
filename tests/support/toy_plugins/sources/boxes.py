"""A toy source: boxes of white matter around a box of ventricle."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from factory.config.parameters import Number
from factory.config.section import Section
from factory.config.types import Count, Millimetres
from factory.storage.subjects.types import FETA, Grid, Subject
from factory.subjects.source import Extent, Record, Source

SIDE_MM = 40.0


class Boxes(Section):
    """Boxes of white matter, SIDE_MM wide, around a box of ventricle inner_mm wide."""

    count: Count
    inner_mm: Number[Millimetres]


class BoxesSource(Source):
    name: ClassVar[str] = "boxes"
    Section: ClassVar[type[Section]] = Boxes
    is_listed: ClassVar[bool] = False
    is_seeded: ClassVar[bool] = True

    def count(self, section: Boxes) -> int:
        return section.count

    def record(self, section: Boxes, index: int, group: str, seed: int) -> Record:
        return {"source": self.name, "id": f"box-{group}{index}"}

    def parameters(self, section: dict[str, Any]) -> dict[str, Any]:
        return {"inner_mm": section["inner_mm"]}

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        spacing = spacing_mm or 1.0
        side, inner = round(SIDE_MM / spacing), round(record["inner_mm"] / spacing)
        label = np.full((side,) * 3, FETA.index("white_matter"), np.uint8)
        start = (side - inner) // 2
        label[(slice(start, start + inner),) * 3] = FETA.index("ventricles")
        label = np.pad(label, 2)
        return Subject(record["id"], label, Grid.centred(label.shape, (spacing,) * 3), FETA, None)

    def extents_mm(
        self, section: Any, records: Sequence[Record], to_weeks: float
    ) -> Iterable[Extent]:
        return [(SIDE_MM,) * 3]

    def lacks_images(self, section: Any) -> str:
        return self.name


SOURCE = BoxesSource()
