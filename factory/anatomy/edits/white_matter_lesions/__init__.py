"""Lesions of the white matter, periventricular or deep."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from factory.anatomy.brain_labels import white_matter_names
from factory.anatomy.edits.lesion import RESERVED_NAMES, Brightness, Roughness
from factory.anatomy.edits.operator import Edited, Example, Operator
from factory.config.parameters import Number, Option
from factory.config.section import allowed, one_of, problem
from factory.config.types import LabelName, Millilitres, Millimetres
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject, JsonValue
from factory.storage.subjects.types import LabelTable
from factory.text import join_names

PLACES = ("anywhere", "periventricular", "deep")
Place = Annotated[Literal["anywhere", "periventricular", "deep"], one_of(PLACES)]
LesionCount = Annotated[int, Field(ge=1, le=100), allowed("a whole number from 1 to 100")]


class WhiteMatterLesions(Operator):
    """Lesions of several sizes grow in the cerebral white matter, to volume_ml together.

    place: periventricular (within distance_mm of the lateral ventricles), deep (further away) or
    anywhere; looks_like: the label that the painter paints them as, by default white matter;
    intensity: a factor by which the painted image is multiplied there.
    """

    seconds_per_megavoxel: ClassVar[float] = 0.5
    random: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "around the ventricles",
            tuple(
                {"volume_ml": ml, "number": 6, "place": "periventricular", "intensity": 1.5}
                for ml in (0.5, 1.5, 3.0)
            ),
            tissue="white_matter_lesion",
            record="achieved_volume_ml",
        ),
    )

    name: LabelName = "white_matter_lesion"
    volume_ml: Number[Millilitres]
    number: Option[LesionCount] = 10
    place: Option[Place] = "anywhere"
    distance_mm: Millimetres = 10.0
    smoothness_mm: Number[Roughness] = 3.0
    looks_like: LabelName = "white_matter"
    intensity: Number[Brightness] = 1.0

    @model_validator(mode="after")
    def _check_name(self) -> "WhiteMatterLesions":
        if self.name in RESERVED_NAMES:
            text = "value {value}; allowed: none of {names}"
            raise problem(text, self.name, at=("name",), names=join_names(RESERVED_NAMES))
        return self

    def missing_labels(self, names: Collection[str]) -> tuple[str, ...]:
        """Return what a table with these names lacks: white matter, or the ventricles."""
        missing = () if white_matter_names(tuple(names)) else ("white_matter",)
        ventricles = {"ventricles", "left_lateral_ventricle", "right_lateral_ventricle"}
        return missing if ventricles & set(names) else (*missing, "ventricles")

    def label_names(self) -> dict[str, tuple[str, ...]]:
        """Return the label that it looks like, if the recipe names one."""
        default = type(self).model_fields["looks_like"].default
        return {"looks_like": () if self.looks_like == default else (self.looks_like,)}

    def added_label(self) -> tuple[str, str]:
        """Return the lesions' label, and the label to paint it as."""
        return self.name, self.looks_like

    @staticmethod
    def after_painting(
        image: np.ndarray,
        label: np.ndarray,
        spacing: Spacing,
        table: LabelTable,
        values: Mapping[str, JsonValue],
    ) -> np.ndarray:
        """Return the painted image with the lesions brighter or darker."""
        from factory.anatomy.edits.lesion.edit import scale_brightness

        mask = label == table.index(values["name"])
        return scale_brightness(image, mask, spacing, values["intensity"])

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.white_matter_lesions`."""
        from factory.anatomy.edits.white_matter_lesions.edit import white_matter_lesions

        return white_matter_lesions(label, spacing, table, **values)

    @classmethod
    def resolve_parameters(cls, values: JsonObject) -> JsonObject:
        """Return the parameters of a case; `looks_like` is of the painter alone."""
        return {name: value for name, value in values.items() if name != "looks_like"}


OPERATOR = WhiteMatterLesions
