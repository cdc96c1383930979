"""Widen or narrow the lateral ventricles until the atria have a given width."""

from collections.abc import Collection
from statistics import fmean
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from factory.anatomy.brain_labels import SIDES
from factory.anatomy.edits.graded import Graded, check_into
from factory.anatomy.edits.operator import Edited, Example, list_options
from factory.config.parameters import Number, Option
from factory.config.section import allowed, one_of, problem
from factory.config.types import Millimetres, Share, Tissue
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

EvansIndex = Annotated[float, Field(ge=0.15, le=0.6), allowed("0.15 to 0.6")]
NOT_WITH_INDEX = (
    "atrial_width_mm",
    "grade",
    "grades_mm",
    "side",
    "ratio",
    "into",
    "mantle_min_mm",
    "csf_min_share",
    "head_growth",
)
Mode = Annotated[Literal["dilate", "displace"], one_of(("dilate", "displace"))]
Side = Annotated[Literal["both", "left", "right"], one_of(("both", "left", "right"))]


class Ventriculomegaly(Graded):
    """The lateral ventricles become wider or narrower until the atrium measures atrial_width_mm.

    A width of 0 leaves them as they are, and so does a grade that grades_mm translates to 0. In the
    mode dilate they grow into the tissues of `into`. In the mode displace their wall pushes the
    brain outwards, within the limits mantle_min_mm, csf_min_share and parenchyma_loss_max; the
    skull makes room for the share head_growth of what they gain. Below the present width this mode
    lets them shrink, and the brain follows inwards with its volume: external CSF fills what they
    lose, and with head_growth: 1 the head becomes smaller instead.

    In adult heads, whose two lateral ventricles have labels of their own, evans_index says the size
    instead. The ventricles then grow or shrink in a fixed skull and move the brain, which loses at
    most the share parenchyma_loss_max.
    """

    seconds_per_megavoxel: ClassVar[float] = 0.15
    needs: ClassVar[tuple[str, ...]] = ("ventricles",)
    displace_seconds_per_megavoxel: ClassVar[float] = 0.3
    size: ClassVar[str] = "atrial_width_mm"
    mode_of_parameter: ClassVar[dict[str, str]] = {
        "into": "dilate",
        "mantle_min_mm": "displace",
        "csf_min_share": "displace",
        "parenchyma_loss_max": "displace",
        "head_growth": "displace",
    }
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "dilate",
            tuple({"mode": "dilate", "atrial_width_mm": mm} for mm in (16, 18, 20)),
            tissue="ventricles",
            record="achieved_atrial_width_mm",
            on_phantom=tuple({"mode": "dilate", "atrial_width_mm": mm} for mm in (10, 13, 16)),
        ),
        Example(
            "displace",
            tuple({"mode": "displace", "atrial_width_mm": mm} for mm in (16, 18, 20)),
            tissue="ventricles",
            record="achieved_atrial_width_mm",
            on_phantom=tuple({"mode": "displace", "atrial_width_mm": mm} for mm in (10, 13, 16)),
        ),
    )

    atrial_width_mm: Number[Millimetres] | None = None
    evans_index: Number[EvansIndex] | None = None
    mode: Option[Mode] = "dilate"
    side: Option[Side] = "both"
    ratio: Number[Share] | None = None
    into: tuple[Tissue, ...] | None = None
    mantle_min_mm: Millimetres | None = None
    csf_min_share: Share | None = None
    parenchyma_loss_max: Share | None = None
    head_growth: Number[Share] | None = None

    @classmethod
    def seconds(cls, values: JsonObject, megavoxels: float) -> float:
        """Estimate the time of one core; the modes differ."""
        rates = {
            "dilate": cls.seconds_per_megavoxel,
            "displace": cls.displace_seconds_per_megavoxel,
        }
        return megavoxels * fmean(rates[mode] for _, mode in list_options(values["mode"]))

    def has_another_size(self) -> bool:
        """Return whether Evans' index says the size."""
        return self.evans_index is not None

    @model_validator(mode="after")
    def _check_mode(self) -> "Ventriculomegaly":
        if self.evans_index is not None:
            for name in NOT_WITH_INDEX:
                if getattr(self, name) not in (None, "both"):
                    text = "value {value} beside evans_index; allowed: parenchyma_loss_max"
                    raise problem(text, getattr(self, name), at=(name,))
            return self
        for name, mode in self.mode_of_parameter.items():
            others = [other for _, other in list_options(self.mode) if other != mode]
            if getattr(self, name) is not None and others:
                raise problem(f"mode {others[0]} has no {name}; allowed: mode {mode}", at=(name,))
        if self.ratio is not None and "both" in [side for _, side in list_options(self.side)]:
            raise problem("ratio with side both; allowed: side left or right", at=("ratio",))
        if self.into is not None:
            check_into(self.into)
        return self

    def missing_labels(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the labels that the edit needs and that a table with these names lacks."""
        if self.evans_index is not None:
            sided = [f"{side}_lateral_ventricle" for side in SIDES]
            return tuple(name for name in (*sided, "csf") if name not in names)
        return tuple(name for name in (*self.needs, *(self.into or ())) if name not in names)

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply`, `edit.ventriculomegaly` and `evans`."""
        if values.get("evans_index") is not None:
            from factory.anatomy.edits.ventriculomegaly.evans import reach_evans_index

            names = ("evans_index", "parenchyma_loss_max", "image")
            index_values = {name: values[name] for name in names if name in values}
            return reach_evans_index(label, spacing, table, **index_values)
        from factory.anatomy.edits.ventriculomegaly.edit import ventriculomegaly

        return ventriculomegaly(label, spacing, table, **values)


OPERATOR = Ventriculomegaly
