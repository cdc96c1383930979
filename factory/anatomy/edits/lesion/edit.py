"""Grow lesions: blobs of their own label inside named tissues, with a volume in ml.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

from collections.abc import Sequence

import edt
import numpy as np

from factory.anatomy.edits.lesion.blobs import GrowthField, add_neighbours, grow_blobs
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.edits.structure import label_values, mask_of
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

NAME = "lesion"
EDGE_MM = 1.5
"""Depth at which a lesion has its full intensity."""


def lesion(  # noqa: PLR0913
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    seed: int,
    volume_ml: float,
    inside: Sequence[str],
    number: int = 1,
    smoothness_mm: float = 4.0,
    name: str = NAME,
    looks_like: str | None = None,
    intensity: float = 1.0,
    image: np.ndarray | None = None,
) -> EditResult:
    """Grow `number` blobs of the label `name` inside some tissues, with a given total volume.

    It has many parameters, and so many lines, because those after `table` are the recipe's. Blobs
    have equal sizes, and the volume is exact to half a voxel. Each is one 26-connected component
    (see `grow_blobs`); they touch neither each other nor voxels that already have the label.

    Args:
        label: uint8 [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        seed: Seed of the Philox generator.
        volume_ml: Volume of all blobs together.
        inside: Names of the tissues that blobs may occupy.
        number: How many blobs.
        smoothness_mm: Standard deviation of the noise's Gaussian.
        name: The lesion's label.
        looks_like: The tissue it is painted as; only recorded (see factory.schema.label_table).
        intensity: Factor for the image, see `scale_brightness`.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label (uint8), image (float32, or None) and a record.

    Raises:
        AnatomyError: The table lacks a tissue or the name, or the tissues cannot hold the volume
            (the message has the largest that they can).
    """
    _check_tissues(table, inside, name)
    voxel_ml = float(np.prod(spacing)) / 1000
    sizes = _blob_sizes(round(volume_ml / voxel_ml), number)
    box = box_with_margin(label > 0, (0, 0, 0))
    free = mask_of(label[box], [value for place in inside for value in label_values(table, place)])
    free &= ~add_neighbours(label[box] == table.index(name))
    field = GrowthField.sample(seed, number, smoothness_mm, spacing)
    masks = grow_blobs(free, field, sizes)
    if masks is None:
        most_ml = _largest_size(free, field, number) * number * voxel_ml
        text = f"the largest that {', '.join(inside)} can hold is {most_ml:.2f} ml"
        raise AnatomyError(f"{NAME}: {volume_ml:g} ml in {number} requested; {text}")
    new = label.copy()
    for mask in masks:
        new[box][mask] = table.index(name)
    record: JsonObject = {
        "requested_volume_ml": float(volume_ml),
        "achieved_volume_ml": sum(sizes) * voxel_ml,
        "number": len(sizes),
        "looks_like": looks_like or inside[0],
        "intensity": float(intensity),
    }
    painted = None if image is None else scale_brightness(image, new != label, spacing, intensity)
    return new, painted, record


def scale_brightness(
    image: np.ndarray, mask: np.ndarray, spacing: Spacing, factor: float
) -> np.ndarray:
    """Multiply an image inside a mask; the factor rises from 1 at its surface to full at EDGE_MM.

    Returns:
        A new image, float32, of the same shape.
    """
    painted = image.astype(np.float32)
    if factor == 1 or not mask.any():
        return painted
    box = box_with_margin(mask, (1, 1, 1))
    depth_mm = edt.edt(mask[box], anisotropy=spacing, black_border=False)
    share = np.clip((depth_mm - min(spacing) / 2) / EDGE_MM, 0, 1)  # depth runs between centres
    painted[..., *box] *= 1 + (factor - 1) * share
    return painted


def _check_tissues(table: LabelTable, inside: Sequence[str], name: str) -> None:
    """Raise AnatomyError if a tissue is missing, or cannot hold a lesion."""
    regions = [region for region, _ in table.regions]
    for tissue in (*inside, name):
        if tissue not in (*table.names, *regions):
            raise AnatomyError(f"{NAME}: no {tissue} in the labels: {', '.join(table.names)}")
    if not inside or name in inside or "background" in (*inside, name):
        raise AnatomyError(f"{NAME}: {name} inside {list(inside)}; allowed are other tissues")


def _blob_sizes(voxels: int, number: int) -> list[int]:
    """Return the voxels of each blob, equal to within one; blobs of 0 voxels are left out."""
    sizes = [voxels // number + (blob < voxels % number) for blob in range(number)]
    return [size for size in sizes if size]


def _largest_size(free: np.ndarray, field: GrowthField, number: int) -> int:
    """Return the largest size (voxels) for which `number` equal blobs find room, by bisection."""
    fits, too_large = 0, int(free.sum()) // number + 1
    while too_large - fits > 1:
        size = (fits + too_large) // 2
        if grow_blobs(free, field, [size] * number) is None:
            too_large = size
        else:
            fits = size
    return fits
