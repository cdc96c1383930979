"""Make a sheet of tissue thinner."""

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

Thinness = Annotated[float, Field(gt=0, le=100), allowed("above 0, at most 100 mm")]


class Thin(StructureEdit):
    """A sheet (a cortex, a muscle, a myocardium) loses a share, or is thinned to thickness_mm.

    It loses the same share of its depth everywhere, on the side of `into`, a label or region that
    it touches and that fills the place. One voxel of depth stays.
    """

    seconds_per_megavoxel: ClassVar[float] = 0.2
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "the cortex, from outside",
            tuple(
                {"structure": "grey_matter", "share": share, "into": "external_csf"}
                for share in (0.15, 0.3, 0.5)
            ),
            record="achieved_share",
        ),
    )

    share: Number[Share] | None = None
    thickness_mm: Number[Thinness] | None = None
    into: LabelName

    @model_validator(mode="after")
    def _check_exactly_one(self) -> "Thin":
        if (self.share is None) == (self.thickness_mm is None):
            both = self.share is not None
            text = "both share and thickness_mm are given" if both else "no share, no thickness_mm"
            raise problem(f"{text}; allowed: share, or thickness_mm")
        return self

    def label_names(self) -> dict[str, tuple[str, ...]]:
        """Return the labels and regions that the edit names, by parameter."""
        return {"structure": (self.structure,), "into": (self.into,)}

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.thin`."""
        from factory.anatomy.edits.thin.edit import thin

        return thin(label, spacing, table, **values)


OPERATOR = Thin
