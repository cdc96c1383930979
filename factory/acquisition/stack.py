"""The simulation of one stack, in the order of the physics."""

from dataclasses import dataclass

import numpy as np

from factory.acquisition import dropouts, kspace, motion
from factory.acquisition.bias_field import BiasField
from factory.acquisition.geometry import StackGrid
from factory.acquisition.sampling import sample_slices
from factory.acquisition.streams import random_stream
from factory.acquisition.tone import adjust_tone
from factory.storage.json_value import JsonObject
from factory.storage.subjects.channels import list_channels
from factory.storage.subjects.types import LabelTable

RECORDED = {
    "motion": ("motion_mean_mm", "motion_max_mm", "motion_mean_degrees", "motion_max_degrees"),
    "dropped": ("dropped_count", "dropped_slices"),
    "voids": ("void_count",),
    "noise": ("snr",),
}
"""The keys that each section adds to the record."""


@dataclass(frozen=True)
class PaintedVolume:
    """The volume that is scanned.

    Attributes:
        image: float32 [z, y, x] or [channel, z, y, x].
        label: [z, y, x].
        spacing: mm (z, y, x).
        table: The names of the labels.
    """

    image: np.ndarray
    label: np.ndarray
    spacing: tuple[float, float, float]
    table: LabelTable


@dataclass(frozen=True)
class ScannedStack:
    """One stack after the scan.

    Attributes:
        image: float32 [slice, row, column] or [channel, slice, row, column].
        label: [slice, row, column]: the anatomy as each slice saw it, with motion applied.
        record: What was really applied, by the keys of RECORDED. The signal-to-noise ratio of an
            image of named channels is a list with one value for each.
    """

    image: np.ndarray
    label: np.ndarray
    record: JsonObject


def scan_stack(
    volume: PaintedVolume,
    stack_grid: StackGrid,
    field: BiasField | None,
    sections: JsonObject,
    seed: int,
    stack: int,
) -> ScannedStack:
    """Scan one stack of a volume, in all its channels.

    All channels have the same motion, bias field, voids and missing slices, so that they go with
    one label map. Their noise differs.

    Args:
        volume: The volume.
        stack_grid: The positions of the slices.
        field: The coils' sensitivity; None for an even one.
        sections: The sections of DEFAULTS, complete; and gamma, contrast and histogram if given.
        seed: The seed of the acquisition.
        stack: The number of the stack, from 0, which selects its random streams.
    """
    head = motion.draw_motion(sections["motion"], stack_grid.shape[0], seed, stack)
    record: JsonObject = head.summary()
    if stack_grid.thickness == 0 and head.is_still:
        image, label = volume.image.astype(np.float32), volume.label
    else:
        profile = sections["stacks"]["profile"]
        image, label = sample_slices(
            volume.image, volume.label, volume.spacing, stack_grid, head, profile
        )
    dropped = dropouts.draw_dropped_slices(
        **sections["dropped"], slices=len(label), rng=random_stream(seed, stack, "dropped")
    )
    record |= {"dropped_count": len(dropped), "dropped_slices": dropped}
    brain = label > 0
    brain[dropped] = False
    white = _white_matter(label, brain, volume.table)
    scanned, snr = [], []
    for number, channel in enumerate(list_channels(image)):
        if field:
            channel = _apply_field(channel, field, stack_grid)
        channel, record["void_count"] = dropouts.add_signal_voids(
            channel,
            label,
            **sections["voids"],
            in_plane_mm=stack_grid.spacing[1:],
            rng=random_stream(seed, stack, "voids"),
        )
        noise = random_stream(seed, stack, "noise", number)
        channel, reached = _encode(channel, white, sections, noise)
        channel = adjust_tone(channel, brain, sections)
        channel[dropped] = 0
        scanned.append(channel)
        snr.append(reached)
    has_channels = image.ndim > 3
    record["snr"] = snr if has_channels else snr[0]
    return ScannedStack(np.stack(scanned) if has_channels else scanned[0], label, record)


def _apply_field(image: np.ndarray, field: BiasField, stack_grid: StackGrid) -> np.ndarray:
    """Multiply a stack [slice, row, column] by the field at its sample points."""
    lines = dict(zip(stack_grid.order, stack_grid.lines, strict=True))
    gain = field.at([lines[axis] for axis in range(3)]).transpose(stack_grid.order)
    shaded: np.ndarray = (image * gain).astype(np.float32)
    return shaded


def _encode(
    image: np.ndarray, white: np.ndarray, sections: JsonObject, rng: np.random.Generator
) -> tuple[np.ndarray, float | None]:
    """Sample k-space, add noise and take the magnitude.

    Where no brain is seen there is no signal that the noise could be scaled by; then none is added.

    Args:
        image: float32 [slice, row, column].
        white: bool of the same shape, where the signal is measured.
        sections: See `scan_stack`.
        rng: The random stream of the noise.

    Returns:
        The image, and the signal-to-noise ratio that was reached; None without noise.
    """
    shares = sections["kspace"]["kept"], sections["kspace"]["readout_kept"]
    decay = sections["kspace"]["echo_train_ms"] / sections["kspace"]["t2_ms"]
    clean = kspace.encode_in_kspace(image, *shares, decay)
    snr = sections["noise"]["snr"]
    if snr and clean[white].any():
        sigma = float(np.abs(clean[white]).mean()) / snr
        noisy = kspace.add_rician_noise(clean, sigma, *shares, rng)
        noise = np.sqrt(np.mean((noisy - clean)[white] ** 2))
        return noisy, float(noisy[white].mean() / noise)
    if decay or min(shares) < 1:
        return np.abs(clean), None
    return clean, None


def _white_matter(label: np.ndarray, brain: np.ndarray, table: LabelTable) -> np.ndarray:
    """Return where the cerebral white matter is; all labels if the table or slices have none."""
    values = [
        value
        for value, name in enumerate(table.names)
        if name == "white_matter" or name.endswith("cerebral_white_matter")
    ]
    white: np.ndarray = brain & np.isin(label, values)
    return white if white.any() else brain
