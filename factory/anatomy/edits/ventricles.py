"""Parameters of the edits that enlarge the ventricles."""

from statistics import fmean
from typing import Annotated, Any, ClassVar, Literal

from pydantic import model_validator

from factory.anatomy.edits.operator import Operator, options_of
from factory.config.parameters import Number, Option
from factory.config.section import one_of, problem
from factory.config.types import TISSUES, Grade, Millimetres, Share, Tissue
from factory.text import listed

Mode = Annotated[Literal["dilate", "displace"], one_of(("dilate", "displace"))]
Side = Annotated[Literal["both", "left", "right"], one_of(("both", "left", "right"))]


class Graded(Operator):
    """An edit whose size in mm is given, or a grade that grades_mm translates."""

    size: ClassVar[str]

    grade: Option[Grade] | None = None
    grades_mm: dict[Grade, Millimetres] | None = None

    @model_validator(mode="after")
    def _sized(self) -> "Graded":
        if (getattr(self, self.size) is None) == (self.grade is None):
            both = self.grade is not None
            text = (
                f"both {self.size} and grade are given" if both else f"no {self.size} and no grade"
            )
            raise problem(f"{text}; allowed: {self.size}, or grade with grades_mm")
        if self.grade is not None and not self.grades_mm:
            raise problem("grade needs grades_mm; allowed: e.g. {0: 0, 1: 1.5}", at=("grade",))
        if self.grade is None and self.grades_mm is not None:
            raise problem("grades_mm without grade", at=("grades_mm",))
        for at, grade in options_of(self.grade):
            if grade not in (self.grades_mm or {}):
                words = f"{listed(sorted(self.grades_mm or {}))} (the keys of grades_mm)"
                text = "value {value}; allowed: {words}"
                raise problem(text, grade, at=("grade", *at), words=words)
        return self

    @classmethod
    def carried_out(cls, values: dict[str, Any]) -> dict[str, Any]:
        if "grade" not in values:
            return values
        others = {k: v for k, v in values.items() if k not in ("grade", "grades_mm")}
        return {cls.size: values["grades_mm"][values["grade"]], **others}


def check_into(into: tuple[str, ...]) -> None:
    """Raises the error of a validator where ventricles cannot grow into some tissues."""
    if not into or "ventricles" in into or len(set(into)) < len(into):
        others = listed(t for t in TISSUES if t != "ventricles")
        text = "value {value}; allowed: a list, without repeats, of {others}"
        raise problem(text, into, at=("into",), others=others)


class DilateVentricles(Graded):
    """The lateral ventricles dilated by radius_mm, or by a grade that grades_mm translates."""

    function: ClassVar[str] = "factory.anatomy.edits.dilate_ventricles.edit:dilate_ventricles"
    seconds_per_megavoxel: ClassVar[float] = 0.05
    size: ClassVar[str] = "radius_mm"

    radius_mm: Number[Millimetres] | None = None
    into: tuple[Tissue, ...]

    @model_validator(mode="after")
    def _into(self) -> "DilateVentricles":
        check_into(self.into)
        return self


class Ventriculomegaly(Graded):
    """The lateral ventricles widened until the atrium measures atrial_width_mm; 0 leaves them as
    they are, and so does a grade that grades_mm translates to 0.

    mode dilate: grown into the tissues of `into`. mode displace: the wall pushes the brain
    outwards, within mantle_min_mm, csf_min_share and parenchyma_loss_max; of what they gain, the
    skull gives way by the share head_growth.
    """

    function: ClassVar[str] = "factory.anatomy.edits.ventriculomegaly.edit:ventriculomegaly"
    seconds_per_megavoxel: ClassVar[float] = 0.15
    displacing: ClassVar[float] = 0.3  # seconds per megavoxel
    size: ClassVar[str] = "atrial_width_mm"
    of_one_mode: ClassVar[dict[str, str]] = {
        "into": "dilate",
        "mantle_min_mm": "displace",
        "csf_min_share": "displace",
        "parenchyma_loss_max": "displace",
        "head_growth": "displace",
    }

    atrial_width_mm: Number[Millimetres] | None = None
    mode: Option[Mode] = "dilate"
    side: Option[Side] = "both"
    ratio: Number[Share] | None = None
    into: tuple[Tissue, ...] | None = None
    mantle_min_mm: Millimetres | None = None
    csf_min_share: Share | None = None
    parenchyma_loss_max: Share | None = None
    head_growth: Number[Share] | None = None

    @classmethod
    def seconds(cls, values: dict[str, Any], megavoxels: float) -> float:
        rates = {"dilate": cls.seconds_per_megavoxel, "displace": cls.displacing}
        return megavoxels * fmean(rates[mode] for _, mode in options_of(values["mode"]))

    @model_validator(mode="after")
    def _of_its_mode(self) -> "Ventriculomegaly":
        for name, mode in self.of_one_mode.items():
            others = [given for _, given in options_of(self.mode) if given != mode]
            if getattr(self, name) is not None and others:
                raise problem(f"mode {others[0]} has no {name}; allowed: mode {mode}", at=(name,))
        if self.ratio is not None and "both" in [side for _, side in options_of(self.side)]:
            raise problem("ratio with side both; allowed: side left or right", at=("ratio",))
        if self.into is not None:
            check_into(self.into)
        return self
