"""A volume as a scanner would have it: one acquisition, of one or several stacks."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from factory.acquisition import bias_field
from factory.acquisition.geometry import stack_grids, volume_slices
from factory.acquisition.stack import RECORDED, scan_stack
from factory.acquisition.streams import random_stream
from factory.acquisition.tone import adjust_tone
from factory.errors import RenderError
from factory.storage.subjects.types import Grid, LabelTable

DEFAULTS: dict[str, dict[str, Any]] = {
    "stacks": {
        "orientations": ["axial", "coronal", "sagittal"],
        "thickness_mm": 3.0,
        "gap_mm": 0.0,
        "in_plane_mm": 1.0,
        "profile": "gaussian",
    },
    "motion": {"translation_mm": 0.0, "rotation_degrees": 0.0, "jerk_share": 0.0},
    "dropped": {"share": 0.0},
    "voids": {"share": 0.0, "size_mm": 15.0},
    "kspace": {"kept": 1.0, "readout_kept": 1.0, "echo_train_ms": 0.0, "t2_ms": 200.0},
    "noise": {"snr": None},
    "bias_field": {"order": 3, "strength": 0.0},
}
"""What a section says where it is silent: without defects."""


@dataclass(frozen=True)
class Stack:
    """Thick slices with their own place in the world.

    image: float32 [z, y, x], slices first. label: uint8, the same shape: the anatomy as each
    slice saw it, motion applied; of missing slices too, whose image is 0. affine: 4×4, voxel
    (x, y, z, 1) to RAS+ mm of where the scanner took the slice to be. spacing: mm (z, y, x).
    """

    image: np.ndarray
    label: np.ndarray
    affine: np.ndarray
    spacing: tuple[float, float, float]
    orientation: str


@dataclass(frozen=True)
class AcquiredImage:
    """image: float32 [z, y, x] on the volume's grid. stacks: none where the volume was acquired.

    record: what was really applied, of the sections that were asked for. A list with one entry a
    stack (one where the volume was acquired): motion_mean_mm, motion_max_mm, motion_mean_degrees,
    motion_max_degrees over the slices; dropped_count, dropped_slices (indices); void_count; snr,
    the magnitude's mean in white matter over the root mean square of what noise changed there
    (None where no brain is seen). Plain numbers: bias_min and bias_max in the brain, as the field
    is one for all stacks.
    """

    image: np.ndarray
    stacks: tuple[Stack, ...]
    record: dict[str, float | int | str | list]


def acquire_stacks(
    image: np.ndarray,
    label: np.ndarray,
    grid: Grid,
    table: LabelTable,
    parameters: dict[str, Any],
    seed: int,
) -> AcquiredImage:
    """An image float32 and its label uint8, both [z, y, x] on grid, seen through a scanner.

    In order: motion, slice profile and sampling; bias field, voids, missing slices; k-space and
    the echo train's decay; complex noise, magnitude; then gamma, contrast and histogram.
    With "stacks", the image stays clean but for the last three, which it and each stack get from
    their own brain's values. Without, the volume is acquired as one axial stack of its own
    slices; the label it belongs to is not touched, so that motion parts the two.
    seed: 0 ≤ seed < 2**64. Raises RenderError for an empty label map or an unknown orientation.
    """
    if not label.any():
        raise RenderError("acquisition: the label map is empty; a brain is needed")
    sections = parameters | {
        name: silent | parameters.get(name, {}) for name, silent in DEFAULTS.items()
    }
    record: dict[str, Any] = {}
    field = None
    if "bias_field" in parameters:
        rng = random_stream(seed, 0, "bias_field")
        field = bias_field.draw_bias_field(
            **sections["bias_field"], brain=label > 0, spacing=grid.spacing, rng=rng
        )
        record = {"bias_min": field.least, "bias_max": field.most}
    thick = "stacks" in parameters
    taken = stack_grids(grid, sections["stacks"]) if thick else [volume_slices(grid)]
    scans = [
        scan_stack(image, label, grid.spacing, table, raster, field, sections, seed, index)
        for index, raster in enumerate(taken)
    ]
    for section in RECORDED.keys() & parameters.keys():
        record |= {key: [each[key] for *_, each in scans] for key in RECORDED[section]}
    if not thick:
        return AcquiredImage(scans[0][0], (), record)
    stacks = tuple(
        Stack(seen, its_label, raster.affine(grid), raster.spacing, raster.orientation)
        for (seen, its_label, _), raster in zip(scans, taken, strict=True)
    )
    return AcquiredImage(
        adjust_tone(image.astype(np.float32), label > 0, parameters), stacks, record
    )
