"""The result of rendering one case."""

from dataclasses import dataclass

import numpy as np

from factory.acquisition.acquire import Stack
from factory.case import Case
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import Grid, LabelTable


@dataclass(frozen=True)
class Sample:
    """A rendered case.

    Attributes:
        case: The case.
        image: float32 [z, y, x], or [channel, z, y, x] if its channels have names, in units of the
            brain's 99.5th percentile (0 dark, about 1 bright), of each channel by itself.
        label: uint8 [z, y, x], after the last edit.
        grid: The grid of both.
        table: The names of the labels.
        measures: By column: "volume_ml_<tissue>", "atrial_width_mm", …, and "acquisition_<name>",
            what the scanner really did, mostly a list with one entry for each stack.
        extra: Further float32 images by name: uncertainty, original; each may have channels.
        stacks: The stacks that the scanner made, if the recipe asks for stacks.
    """

    case: Case
    image: np.ndarray
    label: np.ndarray
    grid: Grid
    table: LabelTable
    measures: JsonObject
    extra: dict[str, np.ndarray]
    stacks: tuple[Stack, ...] = ()
