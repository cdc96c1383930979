"""One stack's way through the scanner, in the order that physics has it."""

from typing import Any

import numpy as np

from factory.acquisition import dropouts as losses
from factory.acquisition import kspace, motion
from factory.acquisition.bias_field import BiasField
from factory.acquisition.geometry import StackGrid
from factory.acquisition.sampling import sample_slices
from factory.acquisition.streams import random_stream
from factory.acquisition.tone import adjust_tone
from factory.storage.subjects.types import LabelTable

RECORDED = {
    "motion": ("motion_mean_mm", "motion_max_mm", "motion_mean_degrees", "motion_max_degrees"),
    "dropped": ("dropped_count", "dropped_slices"),
    "voids": ("void_count",),
    "noise": ("snr",),
}
"""What each section leaves in the record, an entry a stack."""


def scan_stack(
    image: np.ndarray,
    label: np.ndarray,
    spacing: tuple[float, float, float],
    table: LabelTable,
    raster: StackGrid,
    field: BiasField | None,
    sections: dict[str, Any],
    seed: int,
    stack: int,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Image, label [slice, row, column] and record of one stack of a volume [z, y, x].

    sections: complete ones, beside gamma, contrast and histogram where given. stack: its number,
    which picks its random streams. The label follows the anatomy. Where no brain is seen there is
    nothing that noise could be measured by, and none is added: snr is None.
    """
    moved = motion.draw_motion(sections["motion"], raster.shape[0], seed, stack)
    record: dict[str, Any] = moved.summary()
    if raster.thickness == 0 and moved.still:
        image = image.astype(np.float32)
    else:
        profile = sections["stacks"]["profile"]
        image, label = sample_slices(image, label, spacing, raster, moved, profile)

    if field:
        lines = dict(zip(raster.order, raster.lines, strict=True))
        gain = field.at([lines[axis] for axis in range(3)]).transpose(raster.order)
        image = (image * gain).astype(np.float32)
    image, record["void_count"] = losses.add_signal_voids(
        image,
        label,
        **sections["voids"],
        in_plane=raster.spacing[1:],
        rng=random_stream(seed, stack, "voids"),
    )
    lost = losses.draw_dropped_slices(
        **sections["dropped"], slices=len(image), rng=random_stream(seed, stack, "dropped")
    )
    record |= {"dropped_count": len(lost), "dropped_slices": lost}
    present = label > 0
    present[lost] = False

    lines_kept = sections["kspace"]["kept"], sections["kspace"]["readout_kept"]
    decay = sections["kspace"]["echo_train_ms"] / sections["kspace"]["t2_ms"]
    image = kspace.encode_in_kspace(image, *lines_kept, decay)
    clean, record["snr"] = image, None
    snr = sections["noise"]["snr"]
    white = _white_matter(label, present, table)
    if snr and clean[white].any():
        sigma = float(np.abs(clean[white]).mean()) / snr
        image = kspace.add_rician_noise(
            clean, sigma, *lines_kept, random_stream(seed, stack, "noise")
        )
        noise = np.sqrt(np.mean((image - clean)[white] ** 2))
        record["snr"] = float(image[white].mean() / noise)
    elif decay or min(lines_kept) < 1:
        image = np.abs(image)

    image = adjust_tone(image, present, sections)
    image[lost] = 0
    return image, label, record


def _white_matter(label: np.ndarray, present: np.ndarray, table: LabelTable) -> np.ndarray:
    """White matter that is present; the whole brain where the table or the slices have none."""
    if "white_matter" in table.names:
        white = present & (label == table.index("white_matter"))
        if white.any():
            return white
    return present
