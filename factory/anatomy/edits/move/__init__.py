"""Move a structure."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from factory.anatomy.edits.operator import Edited, Example
from factory.anatomy.edits.structure import StructureEdit
from factory.config.parameters import Number
from factory.config.section import allowed
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

Shift = Annotated[float, Field(ge=-60, le=60), allowed("-60 to 60 mm")]


class Move(StructureEdit):
    """The structure is shifted in mm; what was around it fills the place that it leaves."""

    seconds_per_megavoxel: ClassVar[float] = 0.1
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "the brainstem forwards",
            tuple({"structure": "brainstem", "anterior_mm": mm} for mm in (2.0, 4.0, 6.0)),
            axis=2,
            tissue="brainstem",
            record="achieved_mm",
        ),
    )

    right_mm: Number[Shift] = 0.0
    anterior_mm: Number[Shift] = 0.0
    superior_mm: Number[Shift] = 0.0

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.move`."""
        from factory.anatomy.edits.move.edit import move

        return move(label, spacing, table, **values)


OPERATOR = Move
