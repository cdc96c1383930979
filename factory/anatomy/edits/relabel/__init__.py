"""Give a structure another label."""

from typing import Any, ClassVar

import numpy as np

from factory.anatomy.edits.operator import Edited, Example
from factory.anatomy.edits.structure import StructureEdit
from factory.config.types import LabelName
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


class Relabel(StructureEdit):
    """The structure becomes a part of another label of the dataset."""

    seconds_per_megavoxel: ClassVar[float] = 0.05
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "deep grey matter becomes white matter",
            ({"structure": "deep_grey_matter", "to": "white_matter"},),
            record="relabelled_volume_ml",
        ),
    )

    to: LabelName

    def label_names(self) -> dict[str, tuple[str, ...]]:
        """Return the labels and regions that the edit names, by parameter."""
        return {"structure": (self.structure,), "to": (self.to,)}

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.relabel`."""
        from factory.anatomy.edits.relabel.edit import relabel

        return relabel(label, spacing, table, **values)


OPERATOR = Relabel
