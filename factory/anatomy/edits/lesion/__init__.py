"""Grow blobs of a new label inside some tissues."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from factory.anatomy.edits.operator import Edited, Example, Operator
from factory.config.parameters import Number, Option
from factory.config.section import allowed, problem
from factory.config.types import LabelName as TableLabel
from factory.config.types import Millilitres
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject, JsonValue
from factory.storage.subjects.types import CALLOSUM, FETA, LabelTable
from factory.text import join_names

RESERVED_NAMES = (*FETA.names, CALLOSUM, "lateral_ventricles", "requested")
"""Names that no lesion may have: they would clash with columns such as volume_ml_<name>."""

Number20 = Annotated[int, Field(ge=1, le=20), allowed("a whole number from 1 to 20")]
Roughness = Annotated[float, Field(ge=1, le=20), allowed("1 to 20 mm")]
Brightness = Annotated[float, Field(ge=0, le=3), allowed("0 to 3")]
LabelName = Annotated[
    str,
    Field(pattern="^[a-z][a-z0-9_]{0,39}$"),
    allowed("a name of small letters, digits and _"),
]


class Lesion(Operator):
    """Blobs of a label of their own grow inside some tissues, to volume_ml together.

    looks_like: the tissue that the painter paints them as, by default the first of `inside`;
    intensity: a factor by which the painted image is multiplied there.
    """

    seconds_per_megavoxel: ClassVar[float] = 0.1
    random: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "one bright lesion",
            tuple(
                {"volume_ml": ml, "inside": ("white_matter",), "intensity": 1.5}
                for ml in (0.5, 2.0, 8.0)
            ),
            tissue="lesion",
            record="achieved_volume_ml",
        ),
    )

    name: LabelName = "lesion"
    inside: tuple[TableLabel, ...]
    volume_ml: Number[Millilitres]
    number: Option[Number20] = 1
    smoothness_mm: Number[Roughness] = 4.0
    looks_like: TableLabel | None = None
    intensity: Number[Brightness] = 1.0

    @model_validator(mode="after")
    def _check_names(self) -> "Lesion":
        if not self.inside or len(set(self.inside)) < len(self.inside):
            text = "value {value}; allowed: a list, without repeats, of labels and regions"
            raise problem(text, self.inside, at=("inside",))
        if self.name in RESERVED_NAMES:
            text = "value {value}; allowed: none of {names}"
            raise problem(text, self.name, at=("name",), names=join_names(RESERVED_NAMES))
        return self

    @property
    def painted_as(self) -> str:
        """The tissue that the painter paints the lesion as."""
        return self.looks_like or self.inside[0]

    @classmethod
    def resolve_parameters(cls, values: JsonObject) -> JsonObject:
        """Return the parameters of a case with `looks_like` filled in."""
        return {**values, "looks_like": values.get("looks_like", values["inside"][0])}

    def label_names(self) -> dict[str, tuple[str, ...]]:
        """Return the labels and regions that the edit names, by parameter."""
        looks = (self.looks_like,) if self.looks_like else ()
        return {"inside": self.inside, "looks_like": looks}

    def added_label(self) -> tuple[str, str]:
        """Return the lesion's label, and the tissue to paint it as."""
        return self.name, self.painted_as

    @staticmethod
    def after_painting(
        image: np.ndarray,
        label: np.ndarray,
        spacing: Spacing,
        table: LabelTable,
        values: Mapping[str, JsonValue],
    ) -> np.ndarray:
        """Return the painted image with the lesion brighter or darker."""
        from factory.anatomy.edits.lesion.edit import scale_brightness

        mask = label == table.index(values["name"])
        return scale_brightness(image, mask, spacing, values["intensity"])

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.lesion`."""
        from factory.anatomy.edits.lesion.edit import lesion

        return lesion(label, spacing, table, **values)


OPERATOR = Lesion
