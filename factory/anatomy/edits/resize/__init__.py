"""Bring a structure to a volume."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from factory.anatomy.edits.operator import Edited, Example
from factory.anatomy.edits.structure import StructureEdit
from factory.config.parameters import Number
from factory.config.section import allowed, problem
from factory.config.types import LabelName, Millilitres
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

VolumeShare = Annotated[float, Field(ge=0.05, le=5), allowed("0.05 to 5 (80 % is 0.8)")]


class Resize(StructureEdit):
    """The structure grows or shrinks to a share of its volume, or to volume_ml.

    It grows into the labels of `into`, by default into all of them. Where it shrinks, what is
    around it fills the place.
    """

    seconds_per_megavoxel: ClassVar[float] = 0.1
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "the cerebellum smaller",
            tuple({"structure": "cerebellum", "share": share} for share in (0.9, 0.75, 0.6)),
            axis=2,
            tissue="cerebellum",
            record="achieved_volume_ml",
        ),
        Example(
            "the deep grey matter larger",
            tuple(
                {"structure": "deep_grey_matter", "share": share, "into": ("white_matter",)}
                for share in (1.1, 1.3, 1.6)
            ),
            tissue="deep_grey_matter",
            record="achieved_volume_ml",
        ),
    )

    share: Number[VolumeShare] | None = None
    volume_ml: Number[Millilitres] | None = None
    into: tuple[LabelName, ...] | None = None

    @model_validator(mode="after")
    def _check_one_size(self) -> "Resize":
        if (self.share is None) == (self.volume_ml is None):
            raise problem("allowed: either share or volume_ml")
        return self

    def label_names(self) -> dict[str, tuple[str, ...]]:
        """Return the labels and regions that the edit names, by parameter."""
        return {"structure": (self.structure,), "into": self.into or ()}

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.resize`."""
        from factory.anatomy.edits.resize.edit import resize

        return resize(label, spacing, table, **values)


OPERATOR = Resize
