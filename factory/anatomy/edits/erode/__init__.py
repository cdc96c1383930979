"""Shrink a structure by a distance."""

from typing import Any, ClassVar

import numpy as np

from factory.anatomy.edits.operator import Edited, Example
from factory.anatomy.edits.structure import StructureEdit
from factory.config.parameters import Number
from factory.config.types import Millimetres
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


class Erode(StructureEdit):
    """The structure loses mm on all sides, and what is around it fills the place."""

    seconds_per_megavoxel: ClassVar[float] = 0.1
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "the brainstem",
            tuple({"structure": "brainstem", "mm": mm} for mm in (1.0, 2.0, 3.0)),
            axis=2,
            tissue="brainstem",
            record="achieved_volume_ml",
        ),
    )

    mm: Number[Millimetres]

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.erode`."""
        from factory.anatomy.edits.erode.edit import erode

        return erode(label, spacing, table, **values)


OPERATOR = Erode
