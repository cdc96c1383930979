"""Let a structure grow or shrink, and move what surrounds it."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from factory.anatomy.edits.operator import Edited, Example
from factory.anatomy.edits.structure import StructureEdit
from factory.config.parameters import Number
from factory.config.section import allowed, problem
from factory.config.types import LabelName, Share
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

SIZES = ("share", "to_ml", "mm", "width_mm")
VolumeShare = Annotated[float, Field(ge=0.2, le=5), allowed("0.2 to 5 (80 % is 0.8)")]
Volume = Annotated[float, Field(gt=0, le=5000), allowed("above 0, at most 5000 ml")]
Wall = Annotated[float, Field(ge=-20, le=30), allowed("-20 to 30 mm")]
Width = Annotated[float, Field(gt=0, le=300), allowed("above 0, at most 300 mm")]


class Displace(StructureEdit):
    """The structure grows or shrinks, and pushes or draws its neighbours by a diffeomorphic flow.

    Its size is a share of its volume, to_ml, width_mm (its largest width: the diameter of the
    largest ball in it), or mm, by which its wall moves; negative mm shrink it. The labels of
    `yields` make room, by default all alike; those of `fixed` stay, by default the background. At
    most the share loss_max of any other neighbour's volume may be lost.
    """

    seconds_per_megavoxel: ClassVar[float] = 1.0
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "the deep grey matter swells",
            tuple(
                {"structure": "deep_grey_matter", "share": share, "yields": ("external_csf",)}
                for share in (1.15, 1.3, 1.5)
            ),
            tissue="deep_grey_matter",
            record="achieved_volume_ml",
        ),
        Example(
            "the cerebellum shrinks",
            tuple(
                {"structure": "cerebellum", "share": share, "yields": ("external_csf",)}
                for share in (0.9, 0.75, 0.6)
            ),
            axis=2,
            tissue="cerebellum",
            record="achieved_volume_ml",
        ),
    )

    share: Number[VolumeShare] | None = None
    to_ml: Number[Volume] | None = None
    mm: Number[Wall] | None = None
    width_mm: Number[Width] | None = None
    yields: tuple[LabelName, ...] = ()
    fixed: tuple[LabelName, ...] = ("background",)
    loss_max: Share = 0.3

    @model_validator(mode="after")
    def _check_one_size(self) -> "Displace":
        sizes = [name for name in SIZES if getattr(self, name) is not None]
        if len(sizes) != 1:
            text = f"{', '.join(sizes)} are given" if sizes else "no size"
            raise problem(f"{text}; allowed: one of share, to_ml, mm and width_mm")
        both = sorted(set(self.yields) & set(self.fixed))
        if both:
            raise problem("value {value}; it yields; allowed: others", both[0], at=("fixed",))
        return self

    def label_names(self) -> dict[str, tuple[str, ...]]:
        """Return the labels and regions that the edit names, by parameter."""
        return {"structure": (self.structure,), "yields": self.yields, "fixed": self.fixed}

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.displace`."""
        from factory.anatomy.edits.displace.edit import displace

        return displace(label, spacing, table, **values)


OPERATOR = Displace
