"""Make one hemisphere, or its lateral ventricle, larger or smaller."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from factory.anatomy.edits.operator import Edited, Example, Operator
from factory.config.parameters import Number, Option
from factory.config.section import allowed, one_of, problem
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

HemisphereShare = Annotated[float, Field(ge=-0.4, le=0.2), allowed("a share from -0.4 to 0.2")]
VentricleShare = Annotated[float, Field(ge=-0.6, le=1.5), allowed("a share from -0.6 to 1.5")]
Side = Annotated[Literal["left", "right"], one_of(("left", "right"))]


class Asymmetry(Operator):
    """One hemisphere, or its lateral ventricle, grows or shrinks by a share of its volume."""

    seconds_per_megavoxel: ClassVar[float] = 1.7
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "a smaller hemisphere",
            tuple({"side": "left", "hemisphere_share": share} for share in (-0.1, -0.2, -0.3)),
            tissue="ventricles",
            record="achieved_hemisphere_share",
        ),
        Example(
            "a larger ventricle",
            tuple({"side": "right", "ventricle_share": share} for share in (-0.4, 0.5, 1.0)),
            tissue="ventricles",
            record="achieved_ventricle_share",
        ),
    )

    side: Option[Side]
    hemisphere_share: Number[HemisphereShare] | None = None
    ventricle_share: Number[VentricleShare] | None = None

    @model_validator(mode="after")
    def _check_any(self) -> "Asymmetry":
        if self.hemisphere_share is None and self.ventricle_share is None:
            raise problem("no share; allowed: hemisphere_share, ventricle_share, or both")
        return self

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.asymmetry`."""
        from factory.anatomy.edits.asymmetry.edit import asymmetry

        return asymmetry(label, spacing, table, **values)


OPERATOR = Asymmetry
