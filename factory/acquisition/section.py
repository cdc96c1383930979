"""What a recipe may say of the scanner: its stacks and its defects, in the order physics has them.

Each key of a section is a parameter of factory.acquisition.acquire; a section that is left out is
not done. Columns of the dataset are named after the keys, see `column`.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from factory.case import CaseAcquisition
from factory.config.parameters import Number, Option
from factory.config.section import Section, allowed, one_of, problem
from factory.config.types import (
    EchoTrain,
    Gap,
    HalfShare,
    HeadShift,
    HeadTurn,
    InPlane,
    KeptShare,
    Order,
    Relaxation,
    Share,
    Snr,
    Text,
    Thickness,
    Tone,
    VoidSize,
)
from factory.text import join_names

PLANES = ("axial", "coronal", "sagittal")
MOST_STACKS = 6


def _nothing_required(schema: dict[str, Any]) -> None:
    schema.pop("required", None)


class ScannerSection(Section):
    """A section that a scanner may complete: what its file gives, no editor knows."""

    model_config = ConfigDict(json_schema_extra=_nothing_required)


class Stacks(ScannerSection):
    """Thick slices in one to six stacks, each on a grid of its own.

    Every second stack of an orientation lies half a slice further on.
    """

    orientations: tuple[Annotated[str, one_of(PLANES)], ...] = PLANES
    thickness_mm: Number[Thickness]
    gap_mm: Number[Gap] = 0.0
    in_plane_mm: Number[InPlane]
    profile: Annotated[Literal["gaussian", "box"], one_of(("gaussian", "box"))] = "gaussian"

    @model_validator(mode="after")
    def _one_to_six(self) -> "Stacks":
        if not 1 <= len(self.orientations) <= MOST_STACKS:
            words = f"a list of 1 to {MOST_STACKS} of {join_names(PLANES)}"
            text = "value {value}; allowed: {words}"
            raise problem(text, self.orientations, at=("orientations",), words=words)
        return self


class Motion(ScannerSection):
    """Standard deviations of the head's drift, and the share of slices thrown off besides."""

    translation_mm: Number[HeadShift] = 0.0
    rotation_degrees: Number[HeadTurn] = 0.0
    jerk_share: Number[Share] = 0.0


class Dropped(ScannerSection):
    """The share of slices that are missing."""

    share: Number[HalfShare]


class Voids(ScannerSection):
    """The share of slices with a patch that lost its signal, and the patch's width."""

    share: Number[Share]
    size_mm: Number[VoidSize] = 15.0


class KSpace(ScannerSection):
    """Lines kept along phase encoding and readout; the echo train's length, and its decay."""

    kept: Number[KeptShare] = 1.0
    readout_kept: Number[KeptShare] = 1.0
    echo_train_ms: Number[EchoTrain] = 0.0
    t2_ms: Number[Relaxation] = 200.0


class Noise(ScannerSection):
    """Rician noise: mean white matter over the standard deviation."""

    snr: Number[Snr]


class BiasField(ScannerSection):
    """A smooth field, the exponential of a polynomial: its order, and its range in the brain."""

    order: Option[Order] = 3
    strength: Number[Share]


class Histogram(ScannerSection):
    """Brightness matched to that of a reference's brain: where its labels are not 0."""

    reference: Text
    labels: Text


class ScannerName(Section):
    """A scanner whose keys are all said beside it: what becomes of a name when it is read."""

    name: Text


class Acquisition(Section):
    """A scan of the painted volume; `scanner` gives every key that is not said beside it."""

    scanner: (
        Annotated[
            Annotated[ScannerName, Tag("<scanner>")]
            | Annotated[str, Field(min_length=1), allowed("a scanner's name"), Tag("<name>")],
            Discriminator(lambda value: "<scanner>" if _is_resolved(value) else "<name>"),
        ]
        | None
    ) = None
    labels: Annotated[Literal["volume", "stack"], one_of(("volume", "stack"))] = "volume"
    stacks: Stacks | None = None
    motion: Motion | None = None
    dropped: Dropped | None = None
    voids: Voids | None = None
    kspace: KSpace | None = None
    noise: Noise | None = None
    bias_field: BiasField | None = None
    gamma: Number[Tone] | None = None
    contrast: Number[Tone] | None = None
    histogram: Histogram | None = None

    @model_validator(mode="after")
    def _some(self) -> "Acquisition":
        if all(getattr(self, name) is None for name in DEFECTS):
            words = join_names(("scanner", *DEFECTS))
            raise problem(f"nothing is asked of the scanner; allowed: some of {words}")
        if self.labels == "stack" and self.stacks is None:
            text = "value stack; without stacks no label can follow them; allowed: volume"
            raise problem(text, at=("labels",))
        return self


def _is_resolved(scanner: Any) -> bool:
    return isinstance(scanner, Section) or (isinstance(scanner, dict) and "name" in scanner)


DEFECTS = tuple(name for name in Acquisition.model_fields if name not in ("scanner", "labels"))
"""The keys that acquire takes."""

_SHARED_WORDS = (
    "translation_mm", "rotation_degrees", "share", "size_mm", "kept", "order", "strength",
)  # fmt: skip


def column_of_parameter(name: str) -> str:
    """The column of a parameter by its full name: "acquisition.noise.snr" -> "snr".

    Words that say nothing alone keep their section: "acquisition.dropped.share" ->
    "dropped_share".
    """
    *_, section, last = name.split(".")
    return f"{section}_{last}" if last in _SHARED_WORDS else last


def filled_numbers(section: dict[str, Any]) -> dict[str, Any]:
    """Every number of a plain section that has been filled, by its full name."""
    flat = {f"{key}.{k}": v for key in DEFECTS for k, v in _items(section.get(key))}
    flat |= {key: section[key] for key in ("gamma", "contrast") if key in section}
    return {
        f"acquisition.{name}": value
        for name, value in flat.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def acquisition_columns(acquisition: CaseAcquisition | None) -> set[str]:
    """The columns of the numbers of a case's acquisition."""
    return {
        column_of_parameter(name)
        for name in filled_numbers(acquisition.parameters if acquisition else {})
    }


def _items(value: Any) -> Any:
    return value.items() if isinstance(value, dict) else ()
