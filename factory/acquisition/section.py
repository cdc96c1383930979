"""The recipe's section `acquisition`: the scanner's stacks and defects, in physical order.

Each key of a section is a parameter of `factory.acquisition.acquire`. The defect of a section that
is not given is not simulated. Columns of the dataset are named after the keys; see
`column_of_parameter`.
"""

from collections.abc import ItemsView
from typing import Annotated, Literal

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
from factory.storage.json_value import JsonObject, JsonValue
from factory.text import join_names

PLANES = ("axial", "coronal", "sagittal")
MOST_STACKS = 6


def _require_nothing(schema: JsonObject) -> None:
    schema.pop("required", None)


class ScannerSection(Section):
    """A section that a scanner's file may complete, so an editor must not ask for its keys."""

    model_config = ConfigDict(json_schema_extra=_require_nothing)


class Stacks(ScannerSection):
    """Thick slices in one to six stacks, each on its own grid.

    If an orientation is repeated, every second stack of it is shifted by half a slice.
    """

    orientations: tuple[Annotated[str, one_of(PLANES)], ...] = PLANES
    thickness_mm: Number[Thickness]
    gap_mm: Number[Gap] = 0.0
    in_plane_mm: Number[InPlane]
    profile: Annotated[Literal["gaussian", "box"], one_of(("gaussian", "box"))] = "gaussian"

    @model_validator(mode="after")
    def _check_count(self) -> "Stacks":
        if not 1 <= len(self.orientations) <= MOST_STACKS:
            words = f"a list of 1 to {MOST_STACKS} of {join_names(PLANES)}"
            text = "value {value}; allowed: {words}"
            raise problem(text, self.orientations, at=("orientations",), words=words)
        return self


class Motion(ScannerSection):
    """Standard deviations of the head's drift, and the share of slices that a jerk displaces."""

    translation_mm: Number[HeadShift] = 0.0
    rotation_degrees: Number[HeadTurn] = 0.0
    jerk_share: Number[Share] = 0.0


class Dropped(ScannerSection):
    """The share of slices that are missing."""

    share: Number[HalfShare]


class Voids(ScannerSection):
    """The share of slices with a patch that lost its signal, and the size of the patch."""

    share: Number[Share]
    size_mm: Number[VoidSize] = 15.0


class KSpace(ScannerSection):
    """Shares acquired along phase encoding and readout; length and decay of the echo train."""

    kept: Number[KeptShare] = 1.0
    readout_kept: Number[KeptShare] = 1.0
    echo_train_ms: Number[EchoTrain] = 0.0
    t2_ms: Number[Relaxation] = 200.0


class Noise(ScannerSection):
    """Rician noise: the mean signal of white matter over the noise's standard deviation."""

    snr: Number[Snr]


class BiasField(ScannerSection):
    """A smooth field, the exponential of a polynomial: its order and its range in the brain."""

    order: Option[Order] = 3
    strength: Number[Share]


class Histogram(ScannerSection):
    """Brightness matched to the brain of a reference, which is where its labels are not 0."""

    reference: Text
    labels: Text


class ScannerName(Section):
    """A scanner whose keys have been copied into the section; a name becomes this when read."""

    name: Text


class Acquisition(Section):
    """A scan of the painted volume; `scanner` gives every key that the section does not give."""

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
    def _check_defects(self) -> "Acquisition":
        if all(getattr(self, name) is None for name in DEFECTS):
            words = join_names(("scanner", *DEFECTS))
            raise problem(f"no defect is given; allowed: some of {words}")
        if self.labels == "stack" and self.stacks is None:
            text = "value stack; without stacks, labels cannot follow them; allowed: volume"
            raise problem(text, at=("labels",))
        return self


def _is_resolved(scanner: JsonValue | Section) -> bool:
    return isinstance(scanner, Section) or (isinstance(scanner, dict) and "name" in scanner)


DEFECTS = tuple(name for name in Acquisition.model_fields if name not in ("scanner", "labels"))
"""The keys that `factory.acquisition.acquire.acquire_stacks` takes as parameters."""

_AMBIGUOUS_WORDS = (
    "translation_mm", "rotation_degrees", "share", "size_mm", "kept", "order", "strength",
)  # fmt: skip


def column_of_parameter(name: str) -> str:
    """Return the column of a parameter: "acquisition.noise.snr" -> "snr".

    Words that are ambiguous alone keep their section: "acquisition.dropped.share" ->
    "dropped_share".
    """
    *_, section, last = name.split(".")
    return f"{section}_{last}" if last in _AMBIGUOUS_WORDS else last


def filled_numbers(section: JsonObject) -> dict[str, float]:
    """Return every number of a section in plain JSON, by its full name."""
    flat = {f"{key}.{k}": v for key in DEFECTS for k, v in _items(section.get(key))}
    flat |= {key: section[key] for key in ("gamma", "contrast") if key in section}
    return {
        f"acquisition.{name}": value
        for name, value in flat.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def acquisition_columns(acquisition: CaseAcquisition | None) -> set[str]:
    """Return the columns of the numbers of a case's acquisition."""
    return {
        column_of_parameter(name)
        for name in filled_numbers(acquisition.parameters if acquisition else {})
    }


def _items(value: JsonValue) -> ItemsView[str, JsonValue]:
    return (value if isinstance(value, dict) else {}).items()
