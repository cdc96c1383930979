"""Remove a structure."""

from typing import Any, ClassVar

import numpy as np

from factory.anatomy.edits.operator import Edited, Example
from factory.anatomy.edits.structure import StructureEdit
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


class Remove(StructureEdit):
    """The structure is taken away, and what is around it fills its place."""

    seconds_per_megavoxel: ClassVar[float] = 0.1
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "the deep grey matter", ({"structure": "deep_grey_matter"},), record="removed_volume_ml"
        ),
    )

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.remove`."""
        from factory.anatomy.edits.remove.edit import remove

        return remove(label, spacing, table, **values)


OPERATOR = Remove
