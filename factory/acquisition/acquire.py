"""Scan a painted volume: one acquisition, which gives one stack of slices or several."""

from dataclasses import dataclass

import numpy as np

from factory.acquisition import bias_field
from factory.acquisition.geometry import stack_grids, volume_slices
from factory.acquisition.stack import RECORDED, PaintedVolume, scan_stack
from factory.acquisition.streams import random_stream
from factory.acquisition.tone import adjust_tone
from factory.errors import RenderError
from factory.storage.json_value import JsonObject
from factory.storage.subjects.channels import map_channels
from factory.storage.subjects.types import Grid, LabelTable

DEFAULTS: dict[str, JsonObject] = {
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
"""The values of keys and sections that are not given. They add no defect."""


@dataclass(frozen=True)
class Stack:
    """Thick slices with their own position in the world.

    Attributes:
        image: float32 [slice, row, column], or [channel, slice, row, column]. A missing slice is 0.
        label: uint8 of the same shape: the anatomy as each slice saw it, with motion applied.
            Missing slices have it too.
        affine: 4×4, from the voxel (column, row, slice, 1) to RAS+ mm, where the scanner assumed
            the slice to be, that is, without the motion.
        spacing: mm between slices, rows and columns.
        orientation: "axial", "coronal" or "sagittal".
    """

    image: np.ndarray
    label: np.ndarray
    affine: np.ndarray
    spacing: tuple[float, float, float]
    orientation: str


@dataclass(frozen=True)
class AcquiredImage:
    """The result of an acquisition.

    Attributes:
        image: float32 [z, y, x], or [channel, z, y, x], on the volume's grid.
        stacks: The stacks; empty if the volume itself was acquired.
        record: What was really applied, for the sections that were asked for. Most values are lists
            with one entry for each stack (one entry if the volume was acquired):
            motion_mean_mm, motion_max_mm, motion_mean_degrees and motion_max_degrees over the
            slices; dropped_count and dropped_slices (indices); void_count; snr, the mean magnitude
            in white matter over the root mean square of the change that the noise made there (None
            if no brain is seen; of an image of named channels a list with one value for each).
            bias_min and bias_max, the field's range in the brain, are single numbers, since all
            stacks share one field.
    """

    image: np.ndarray
    stacks: tuple[Stack, ...]
    record: dict[str, float | int | str | list]


def acquire_stacks(
    image: np.ndarray,
    label: np.ndarray,
    grid: Grid,
    table: LabelTable,
    parameters: JsonObject,
    seed: int,
) -> AcquiredImage:
    """Scan an image.

    The defects are applied in this order: motion, slice profile and sampling; bias field, voids,
    missing slices; k-space and the decay of the echo train; complex noise, magnitude; then gamma,
    contrast and histogram.

    With "stacks", the image itself gets only gamma, contrast and histogram; it and each stack
    take the statistics of their own brain for these. Without "stacks", the volume is acquired as
    one axial stack of its own slices. Its label is not changed, so motion separates the two.

    Args:
        image: float32 [z, y, x] on grid, or [channel, z, y, x].
        label: uint8 of the same shape.
        grid: The volume's grid.
        table: The names of the labels.
        parameters: The keys of `factory.acquisition.section.DEFECTS` that are asked for.
        seed: 0 ≤ seed < 2**64.

    Raises:
        RenderError: If the label map is empty or an orientation is unknown.
    """
    if not label.any():
        raise RenderError("acquisition: the label map is empty; a brain is needed")
    sections = parameters | {
        name: defaults | parameters.get(name, {}) for name, defaults in DEFAULTS.items()
    }
    record: JsonObject = {}
    field = None
    if "bias_field" in parameters:
        rng = random_stream(seed, 0, "bias_field")
        field = bias_field.draw_bias_field(
            **sections["bias_field"], brain=label > 0, spacing=grid.spacing, rng=rng
        )
        record = {"bias_min": field.least, "bias_max": field.most}
    has_stacks = "stacks" in parameters
    lattices = stack_grids(grid, sections["stacks"]) if has_stacks else [volume_slices(grid)]
    volume = PaintedVolume(image, label, grid.spacing, table)
    scans = [
        scan_stack(volume, lattice, field, sections, seed, index)
        for index, lattice in enumerate(lattices)
    ]
    for section in RECORDED.keys() & parameters.keys():
        record |= {key: [scan.record[key] for scan in scans] for key in RECORDED[section]}
    if not has_stacks:
        return AcquiredImage(scans[0].image, (), record)
    stacks = tuple(
        Stack(scan.image, scan.label, lattice.affine(grid), lattice.spacing, lattice.orientation)
        for scan, lattice in zip(scans, lattices, strict=True)
    )
    brain = label > 0
    toned = map_channels(lambda c: adjust_tone(c.astype(np.float32), brain, parameters), image)
    return AcquiredImage(toned, stacks, record)
