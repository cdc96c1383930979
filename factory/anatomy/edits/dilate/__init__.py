"""Grow a structure by a distance."""

from typing import Any, ClassVar

import numpy as np

from factory.anatomy.edits.operator import Edited, Example
from factory.anatomy.edits.structure import StructureEdit
from factory.config.parameters import Number, extremes
from factory.config.types import LabelName, Millimetres
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable


class Dilate(StructureEdit):
    """The structure grows by mm on all sides, into the labels of `into`; by default into all."""

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
    into: tuple[LabelName, ...] | None = None

    def label_names(self) -> dict[str, tuple[str, ...]]:
        """Return the labels and regions that the edit names, by parameter."""
        return {"structure": (self.structure,), "into": self.into or ()}

    @classmethod
    def head_growth_mm(cls, values: JsonObject) -> float:
        """Return the largest distance, by which the labels may reach further on each side."""
        return max(extremes(values["mm"]))

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.dilate`."""
        from factory.anatomy.edits.dilate.edit import dilate

        return dilate(label, spacing, table, **values)


OPERATOR = Dilate
