"""Dilate the lateral ventricles by a radius."""

from collections.abc import Collection
from typing import Any, ClassVar

import numpy as np
from pydantic import model_validator

from factory.anatomy.edits.graded import Graded, check_into
from factory.anatomy.edits.operator import Edited, Example
from factory.config.parameters import Number
from factory.config.types import Millimetres, Tissue
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


class DilateVentricles(Graded):
    """The lateral ventricles are dilated by radius_mm, or by a grade that grades_mm translates."""

    seconds_per_megavoxel: ClassVar[float] = 0.05
    needs: ClassVar[tuple[str, ...]] = ("ventricles",)
    size: ClassVar[str] = "radius_mm"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "by a radius",
            tuple(
                {"radius_mm": mm, "into": ("white_matter", "deep_grey_matter")}
                for mm in (1.5, 3.0, 5.0)
            ),
            tissue="ventricles",
        ),
    )

    radius_mm: Number[Millimetres] | None = None
    into: tuple[Tissue, ...]

    @model_validator(mode="after")
    def _check_into(self) -> "DilateVentricles":
        check_into(self.into)
        return self

    def missing_labels(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the labels that the edit needs and that a table with these names lacks."""
        return tuple(name for name in (*self.needs, *self.into) if name not in names)

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.dilate_ventricles`."""
        from factory.anatomy.edits.dilate_ventricles.edit import dilate_ventricles

        return dilate_ventricles(label, spacing, table, **values)


OPERATOR = DilateVentricles
