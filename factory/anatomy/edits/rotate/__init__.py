"""Rotate a structure about its centre."""

from typing import Any, ClassVar, Literal

import numpy as np

from factory.anatomy.edits.operator import Edited, Example
from factory.anatomy.edits.structure import StructureEdit
from factory.config.parameters import Number
from factory.config.types import Degrees
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


class Rotate(StructureEdit):
    """The structure turns about its centre; what was around it fills the place that it leaves.

    The axis points to the patient's right, to the front or upwards, and the turn follows the
    right-hand rule.
    """

    seconds_per_megavoxel: ClassVar[float] = 0.15
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "the cerebellum",
            tuple(
                {"structure": "cerebellum", "axis": "right", "degrees": degrees}
                for degrees in (5.0, 10.0, 20.0)
            ),
            axis=2,
            tissue="cerebellum",
            record="requested_degrees",
        ),
    )

    axis: Literal["right", "anterior", "superior"]
    degrees: Number[Degrees]

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.rotate`."""
        from factory.anatomy.edits.rotate.edit import rotate

        return rotate(label, spacing, table, **values)


OPERATOR = Rotate
