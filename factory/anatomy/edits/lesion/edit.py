"""Lesions: blobs of a label of their own, grown inside named tissues to a volume in ml.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

from collections.abc import Sequence
from typing import Any

import edt
import numpy as np

from factory.anatomy.edits.lesion.blobs import Field, blobs, with_neighbours
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

NAME = "lesion"
EDGE_MM = 1.5
"""Depth at which a lesion has its full intensity."""


def lesion(
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
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """`number` blobs of the label `name`, of volume_ml together, grown inside some tissues.

    Each starts at a place drawn evenly from what the tissues hold, and spreads through them (never
    across another) at a speed that varies smoothly from place to place: exp of Gaussian noise of
    standard deviation smoothness_mm, drawn on a lattice in mm, so that voxels do not shape it. The
    voxels reached first, as many as the volume asks for, are the lesion: each blob is one component
    (26-connected), blobs touch neither each other nor the label where the map has it already, and
    the volume is exact to half a voxel. Blobs are of one size.

    seed: of the Philox generator. looks_like: kept on record (see factory.schema.label_table).
    intensity: of an image, the lesion's brightness over what was there, see `shaded`.

    Invariants: only voxels of `inside` change; volume 0 changes nothing. Returns new label
    (uint8), image (float32, or None) and a record. Inputs stay as they are. Raises AnatomyError
    for tissues or a name that the table does not have, a parameter out of range, and a volume that
    the tissues cannot hold, with the largest found that they can.
    """
    _check(table, inside, name)
    value = table.index(name)
    voxel_ml = float(np.prod(spacing)) / 1000
    sizes = _sizes(round(volume_ml / voxel_ml), number)
    new = label.copy()
    box = box_with_margin(label > 0, (0, 0, 0))
    free = np.isin(label[box], table.indices(list(inside)), kind="table")
    free &= ~with_neighbours(label[box] == value)
    field = Field.drawn(seed, number, smoothness_mm, spacing)
    found = blobs(free, field, sizes)
    if found is None:
        most = _most(free, field, number)
        raise AnatomyError(
            f"{NAME}: {volume_ml:g} ml in {number} asked for; the largest that "
            f"{', '.join(inside)} can hold is {most * number * voxel_ml:.2f} ml"
        )
    for blob in found:
        new[box][blob] = value
    record = {
        "requested_volume_ml": float(volume_ml),
        "achieved_volume_ml": sum(sizes) * voxel_ml,
        "number": len(sizes),
        "looks_like": looks_like or inside[0],
        "intensity": float(intensity),
    }
    painted = None if image is None else shaded(image, new != label, spacing, intensity)
    return new, painted, record


def shaded(image: np.ndarray, mask: np.ndarray, spacing: Spacing, factor: float) -> np.ndarray:
    """The image times `factor` inside a mask, from 1 at its surface to all of it EDGE_MM deep.

    float32 [z, y, x]; a new array.
    """
    painted = image.astype(np.float32)
    if factor == 1 or not mask.any():
        return painted
    box = box_with_margin(mask, (1, 1, 1))
    depth = edt.edt(mask[box], anisotropy=spacing, black_border=False)
    share = np.clip((depth - min(spacing) / 2) / EDGE_MM, 0, 1)  # depths run between centres
    painted[box] *= 1 + (factor - 1) * share
    return painted


def _check(table: LabelTable, inside: Sequence[str], name: str) -> None:
    for tissue in (*inside, name):
        if tissue not in table.names:
            raise AnatomyError(f"{NAME}: no {tissue} in the labels: {', '.join(table.names)}")
    if not inside or name in inside or "background" in (*inside, name):
        raise AnatomyError(f"{NAME}: {name} inside {list(inside)}; allowed are other tissues")


def _sizes(voxels: int, number: int) -> list[int]:
    """Voxels of each blob, equal to one; none of 0."""
    sizes = [voxels // number + (blob < voxels % number) for blob in range(number)]
    return [size for size in sizes if size]


def _most(free: np.ndarray, field: Field, number: int) -> int:
    """The largest equal size (voxels) of which `number` blobs find room, by bisection."""
    fits, too_large = 0, int(free.sum()) // number + 1
    while too_large - fits > 1:
        size = (fits + too_large) // 2
        if blobs(free, field, [size] * number) is None:
            too_large = size
        else:
            fits = size
    return fits
