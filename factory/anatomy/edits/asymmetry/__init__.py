"""Make one hemisphere, or its lateral ventricle, larger or smaller."""

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from factory.anatomy.brain_labels import lateral_ventricle_names
from factory.anatomy.edits.operator import Edited, Example, Operator, list_options
from factory.config.parameters import Number, Option
from factory.config.section import allowed, one_of, problem
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

HemisphereShare = Annotated[float, Field(ge=-0.4, le=0.2), allowed("a share from -0.4 to 0.2")]
VentricleShare = Annotated[float, Field(ge=-0.6, le=1.5), allowed("a share from -0.6 to 1.5")]
Side = Annotated[Literal["left", "right"], one_of(("left", "right"))]


class Asymmetry(Operator):
    """One hemisphere, or its lateral ventricle, grows or shrinks by a share of its volume.

    In a table without a cerebrum, a hemisphere is the half of everything that has a label.
    """

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

    def missing_labels(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the ventricles if one is to change and a table with these names has none."""
        if self.ventricle_share is None or "ventricles" in names:
            return ()
        sides = list_options(self.side)
        return tuple(
            f"{side}_lateral_ventricle"
            for _, side in sides
            if not lateral_ventricle_names(names, side)
        )

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.asymmetry`."""
        from factory.anatomy.edits.asymmetry.edit import asymmetry

        return asymmetry(label, spacing, table, **values)


OPERATOR = Asymmetry
