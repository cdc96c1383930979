"""A toy edit: the inside of a tissue becomes another one."""

from typing import Any, ClassVar

import numpy as np

from factory.anatomy.edits.operator import Edited, Example, Operator
from factory.config.parameters import Number
from factory.config.types import Millimetres, Tissue
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


class Hollow(Operator):
    """What lies wall_mm or more inside a tissue becomes ventricle."""

    seconds_per_megavoxel: ClassVar[float] = 0.1
    examples: ClassVar[tuple[Example, ...]] = (
        Example("a hollow brainstem", ({"wall_mm": 4.0, "tissue": "brainstem"},)),
    )

    wall_mm: Number[Millimetres]
    tissue: Tissue = "brainstem"

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        from factory.anatomy.edits.hollow.edit import hollow

        return hollow(label, spacing, table, **values)


OPERATOR = Hollow
