"""What one case becomes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from factory.acquisition.acquire import Stack
from factory.case import Case
from factory.storage.subjects.types import Grid, LabelTable


@dataclass(frozen=True)
class Sample:
    """What one case became.

    image: float32 [z, y, x] in units of the brain's 99.5th percentile (0 dark, about 1 bright).
    label: uint8 [z, y, x], after the last edit. extra: further float32 images by name
    (uncertainty, original). measures: {"volume_ml_<tissue>": ml, "atrial_width_mm": mm, ...,
    "acquisition_<name>": what the scanner really did, a list with one entry a stack}.
    stacks: what was scanned of it, where stacks were asked for.
    """

    case: Case
    image: np.ndarray
    label: np.ndarray
    grid: Grid
    table: LabelTable
    measures: dict[str, Any]
    extra: dict[str, np.ndarray]
    stacks: tuple[Stack, ...] = ()
