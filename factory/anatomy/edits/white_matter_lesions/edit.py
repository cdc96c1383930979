"""Lesions of the white matter, as in small vessel disease or multiple sclerosis.

Periventricular are those within 10 mm of the ventricles, deep the others: the rule of DeCarli et
al., Stroke 36 (2005), which Griffanti et al., NeuroImage 170 (2018), recommend among four. Arrays
are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import edt
import numpy as np

from factory.anatomy.brain_labels import (
    SIDES,
    lateral_ventricle_names,
    white_matter_names,
)
from factory.anatomy.edits.lesion.blobs import GrowthField, add_neighbours, grow_blobs
from factory.anatomy.edits.lesion.edit import scale_brightness
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.regions import tissue_mask
from factory.errors import AnatomyError
from factory.imaging.boxes import bounding_box
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

NAME = "white_matter_lesions"
SIZE_SPREAD = 0.7
"""Standard deviation of the logarithm of the lesions' volumes."""


def white_matter_lesions(  # noqa: PLR0913
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    seed: int,
    volume_ml: float,
    number: int = 10,
    place: str = "anywhere",
    distance_mm: float = 10.0,
    smoothness_mm: float = 3.0,
    name: str = "white_matter_lesion",
    intensity: float = 1.0,
    image: np.ndarray | None = None,
) -> EditResult:
    """Grow lesions of several sizes in the white matter, with a given total volume.

    It has many parameters because those after `table` are the recipe's. Their sizes are drawn from
    a lognormal distribution. Each is one 26-connected component, and none touches another.

    Args:
        label: [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        seed: Seed of the Philox generator.
        volume_ml: Volume of all lesions together, exact to half a voxel; 0 changes nothing.
        number: How many lesions; of one voxel at least, so few voxels are fewer lesions.
        place: "periventricular" (within distance_mm of the lateral ventricles), "deep" or
            "anywhere".
        distance_mm: How far from the ventricles deep white matter begins.
        smoothness_mm: Standard deviation of the Gaussian of the noise that shapes them.
        name: The lesions' label.
        intensity: Factor for the image inside them.
        image: [z, y, x] or None; not changed.

    Returns:
        New label, image (float32, or None) and a record: the volume and the number requested and
        achieved.

    Raises:
        AnatomyError: The label map has no white matter or no ventricle, or there is not so much
            room (the message has the volume that there is).
    """
    free = _place(label, spacing, table, place, distance_mm)
    box = bounding_box(free) if free.any() else (slice(0, 1),) * 3
    inside = free[box] & ~add_neighbours(label[box] == table.index(name))
    voxel_ml = float(np.prod(spacing)) / 1000
    sizes = _sizes(round(volume_ml / voxel_ml), number, seed)
    field = GrowthField.sample(seed, max(number, 1), smoothness_mm, spacing)
    masks = grow_blobs(inside, field, sizes)
    if masks is None:
        room_ml = float(inside.sum() * voxel_ml)
        where = "the white matter" if place == "anywhere" else f"the {place} white matter"
        raise AnatomyError(
            f"{NAME}: {volume_ml:g} ml in {number} requested; {where} has {room_ml:.3g} ml, and "
            "lesions that do not touch need more than their volume"
        )
    new = label.copy()
    for mask in masks:
        new[box][mask] = table.index(name)
    lesions = new != label
    record: JsonObject = {
        "requested_volume_ml": float(volume_ml),
        "achieved_volume_ml": float(lesions.sum() * voxel_ml),
        "requested_number": int(number),
        "achieved_number": len(masks),
        "place": place,
        "intensity": float(intensity),
    }
    painted = None if image is None else scale_brightness(image, lesions, spacing, intensity)
    return new, painted, record


def _place(
    label: np.ndarray, spacing: Spacing, table: LabelTable, place: str, distance_mm: float
) -> np.ndarray:
    """Return the white matter where lesions may be, bool [z, y, x]."""
    white = tissue_mask(label, table, white_matter_names(table.names))
    if not white.any():
        raise AnatomyError(f"{NAME}: the label map has no white matter")
    if place == "anywhere":
        return white
    sided = [name for side in SIDES for name in lateral_ventricle_names(table.names, side)]
    ventricles = tissue_mask(label, table, ["ventricles", *sided])
    if not ventricles.any():
        raise AnatomyError(f"{NAME}: the label map has no ventricle")
    box = bounding_box(white | ventricles)
    near = edt.edt(~ventricles[box], anisotropy=spacing, black_border=False) <= distance_mm
    white[box] &= near if place == "periventricular" else ~near
    return white


def _sizes(voxels: int, number: int, seed: int) -> list[int]:
    """Return the voxels of each lesion, the largest first; their sum is `voxels`."""
    number = min(number, voxels)
    if not number:
        return []
    draw = np.random.Generator(np.random.Philox(key=[seed, 1]))
    weights = np.sort(np.exp(SIZE_SPREAD * draw.standard_normal(number)))[::-1]
    ends = np.round(np.cumsum(weights / weights.sum()) * (voxels - number)).astype(int)
    return [int(size) + 1 for size in np.diff(ends, prepend=0)]
