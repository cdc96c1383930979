"""The section of a recipe that states how well an image must match its label map."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, create_model, model_validator

from factory.config.section import Section, allowed, problem, unknown_key
from factory.config.types import Text
from factory.storage.subjects.short_axis import HEART
from factory.storage.subjects.types import FETA
from factory.text import join_names

TISSUES = tuple(dict.fromkeys((*FETA.names[1:], *HEART.names[1:])))

Overlap = Annotated[float, Field(gt=0, le=1), allowed("a Dice above 0, at most 1")]
VolumeError = Annotated[float, Field(gt=0, le=10), allowed("a share above 0 (30 % is 0.3)")]
Distance = Annotated[float, Field(gt=0, le=50), allowed("a distance above 0, at most 50 mm")]
Tries = Annotated[int, Field(ge=1, le=20), allowed("a whole number from 1 to 20")]


class GateLimits(Section):
    """The limits of one structure: its segmentation in the image is compared with its label.

    dice: the minimum Dice overlap. volume_error: the maximum error of the volume, as a share of the
    label's volume. surface_mm: the maximum mean distance of the two surfaces.
    """

    dice: Overlap | None = None
    volume_error: VolumeError | None = None
    surface_mm: Distance | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> "GateLimits":
        if not self.by_measure:
            raise problem(f"allowed: at least one of {join_names(GateLimits.model_fields)}")
        return self

    @property
    def by_measure(self) -> dict[str, float]:
        """The limits that are set, by the name of the measure."""
        return self.model_dump(exclude_none=True)


class GateBase(Section):
    """A test of every image: it is segmented, and the result is compared with the label map.

    An image that misses a limit is painted again in another style. Beside the keys below, every
    label and region of the dataset may have limits.

    Attributes:
        model: A segmenter, by its name or folder.
        tries: How often an image is painted, at most.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, GateLimits]

    model: Text = "fetal-segmenter"
    tries: Tries = 3

    @model_validator(mode="before")
    @classmethod
    def _check_other_keys(cls, data: Any) -> Any:
        """Refuse a key that is neither one of the gate's own nor has limits, as a label has."""
        for key, value in data.items() if isinstance(data, dict) else ():
            if key not in cls.model_fields and not isinstance(value, dict):
                raise unknown_key(key, tuple(cls.model_fields))
        return data

    @model_validator(mode="after")
    def _not_empty(self) -> "GateBase":
        if not self.structures:
            raise problem(f"allowed: at least one of {join_names(TISSUES)}, with its limits")
        return self

    @property
    def structures(self) -> dict[str, dict[str, float]]:
        """The limits by structure and measure: those of tissues and hearts first."""
        limits: dict[str, GateLimits | None] = {name: getattr(self, name) for name in TISSUES}
        limits |= self.__pydantic_extra__
        return {name: limit.by_measure for name, limit in limits.items() if limit is not None}


if TYPE_CHECKING:
    Gate = GateBase
else:
    Gate = create_model(
        "Gate",
        __base__=GateBase,
        __doc__=GateBase.__doc__,
        **dict.fromkeys(TISSUES, (GateLimits | None, None)),
    )


def gate_text(gate: GateBase) -> str:
    """Return a gate in words: "ventricles dice at least 0.85; brainstem dice at least 0.8"."""
    return "; ".join(
        f"{name} " + ", ".join(f"{k} at {'least' if k == 'dice' else 'most'} {v:g}"
                               for k, v in limits.items())
        for name, limits in gate.structures.items()
    )  # fmt: skip
