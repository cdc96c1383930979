"""Make the cortex thinner."""

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from factory.anatomy.brain_labels import cortex_names, fluid_name, white_matter_names
from factory.anatomy.edits.operator import Edited, Example, Operator
from factory.config.parameters import Number
from factory.config.section import allowed, one_of, problem
from factory.config.types import Share
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

GAINS = ("external_csf", "white_matter")
Thickness = Annotated[float, Field(ge=0.3, le=6), allowed("0.3 to 6 mm")]


class CorticalThinning(Operator):
    """The cortical grey matter becomes thinner by a share of its volume, or to a mean thickness.

    gains: what it becomes, external_csf (from outside) or white_matter (from inside). In a table
    of FreeSurfer the cortex is that of both sides, and csf is the fluid outside.
    """

    seconds_per_megavoxel: ClassVar[float] = 0.15
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "from outside",
            tuple({"share": share} for share in (0.15, 0.3, 0.5)),
            record="achieved_share",
        ),
        Example(
            "from inside",
            tuple({"share": share, "gains": "white_matter"} for share in (0.15, 0.3, 0.5)),
            record="achieved_share",
        ),
    )

    share: Number[Share] | None = None
    thickness_mm: Number[Thickness] | None = None
    gains: Annotated[Literal["external_csf", "white_matter"], one_of(GAINS)] = "external_csf"

    @model_validator(mode="after")
    def _check_exactly_one(self) -> "CorticalThinning":
        if (self.share is None) == (self.thickness_mm is None):
            both = self.share is not None
            text = "both share and thickness_mm are given" if both else "no share, no thickness_mm"
            raise problem(f"{text}; allowed: share, or thickness_mm")
        return self

    def missing_labels(self, names: Collection[str]) -> tuple[str, ...]:
        """Return what a table with these names lacks: cortex, white matter, or what gains."""
        labels = tuple(names)
        fluid = fluid_name(labels) != labels[0]
        present = {
            "grey_matter": bool(cortex_names(labels)),
            "white_matter": bool(white_matter_names(labels)),
            "external_csf": fluid or self.gains == "white_matter",
        }
        return tuple(name for name, is_present in present.items() if not is_present)

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.cortical_thinning`."""
        from factory.anatomy.edits.cortical_thinning.edit import cortical_thinning

        return cortical_thinning(label, spacing, table, **values)


OPERATOR = CorticalThinning
