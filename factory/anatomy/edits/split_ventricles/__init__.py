"""Let the ventricles' label mean the lateral ventricles only."""

from collections.abc import Collection
from typing import Any, ClassVar

import numpy as np

from factory.anatomy.edits.operator import Edited, Example, Operator
from factory.config.types import LabelName
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


class SplitVentricles(Operator):
    """The third and the fourth ventricle get other labels, so that ventricles are lateral ones.

    Some atlases have one label for all fluid inside the brain, while procedural brains call the
    third and the fourth ventricle external CSF. After this edit both mean the same by ventricles.
    """

    seconds_per_megavoxel: ClassVar[float] = 0.3
    needs: ClassVar[tuple[str, ...]] = ("ventricles",)
    examples: ClassVar[tuple[Example, ...]] = (
        Example("the third and fourth ventricle become CSF", ({},), record="third_volume_ml"),
    )

    third: LabelName = "external_csf"
    fourth: LabelName = "external_csf"

    def missing_labels(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the labels that the edit needs and that a table with these names lacks."""
        needed = dict.fromkeys((*self.needs, self.third, self.fourth))
        return tuple(name for name in needed if name not in names)

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.split_ventricles`."""
        from factory.anatomy.edits.split_ventricles.edit import split_ventricles

        return split_ventricles(label, spacing, table, **values)


OPERATOR = SplitVentricles
