"""Atrophy of a structure."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from factory.anatomy.edits.operator import Edited, Example
from factory.anatomy.edits.structure import StructureEdit
from factory.config.parameters import Number
from factory.config.section import allowed
from factory.config.types import LabelName
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

RemainingShare = Annotated[
    float, Field(ge=0.1, le=1), allowed("0.1 to 1, the share that is left (80 % is 0.8)")
]


class Atrophy(StructureEdit):
    """The structure shrinks to a share of its volume; of a region, each of its labels does.

    The place is filled with `into`, e.g. the label of CSF, or with what is around it.
    """

    seconds_per_megavoxel: ClassVar[float] = 0.1
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "the cerebellum, with CSF in its place",
            tuple(
                {"structure": "cerebellum", "share": share, "into": "external_csf"}
                for share in (0.9, 0.8, 0.6)
            ),
            axis=2,
            tissue="cerebellum",
            record="achieved_volume_ml",
        ),
    )

    share: Number[RemainingShare]
    into: LabelName | None = None

    def label_names(self) -> dict[str, tuple[str, ...]]:
        """Return the labels and regions that the edit names, by parameter."""
        return {"structure": (self.structure,), "into": (self.into,) if self.into else ()}

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.atrophy`."""
        from factory.anatomy.edits.atrophy.edit import atrophy

        return atrophy(label, spacing, table, **values)


OPERATOR = Atrophy
