"""Bring a structure to a volume: atrophy and hypertrophy of any label, to the voxel."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from factory.anatomy.deformation.repaint import repaint_changed
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.edits.structure import (
    fill_from_around,
    grow_mask,
    label_values,
    mask_of,
    shrink_mask,
    structure_mask,
)
from factory.errors import AnatomyError
from factory.imaging.boxes import bounding_box
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

NAME = "resize"
TOLERANCE = 0.02
"""Share of the requested volume by which the achieved one may be off."""


def resize(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    structure: str,
    share: float | None = None,
    volume_ml: float | None = None,
    into: Sequence[str] | None = None,
    image: np.ndarray | None = None,
) -> EditResult:
    """Grow a structure by its nearest voxels, or shrink it by those at its surface.

    Of a region with several labels, each new voxel gets the nearest of them.

    Args:
        label: [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        structure: A label or region.
        share: The requested volume over that of now; or
        volume_ml: The requested volume, ml.
        into: Labels and regions that it may grow into, "background" for what has no label; None
            allows all.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label, image (float32, or None) and a record of ml.

    Raises:
        AnatomyError: The label map has no voxel of the structure, a label is unknown, or the volume
            cannot be reached.
    """
    mask = structure_mask(label, table, structure)
    voxel_ml = float(np.prod(spacing) / 1000)
    before_ml = float(np.count_nonzero(mask) * voxel_ml)
    requested_ml = before_ml * share if share is not None else float(volume_ml or 0)
    change = round(requested_ml / voxel_ml) - int(np.count_nonzero(mask))
    if requested_ml < voxel_ml / 2:
        raise AnatomyError(f"{NAME}: {requested_ml:.3g} ml is less than a voxel of {structure}")
    new = label.copy()
    if change < 0:
        hole = mask & ~shrink_mask(mask, spacing, -change)
        new[hole] = fill_from_around(label, mask, spacing)[hole]
    elif change > 0:
        grown = grow_mask(mask, _where_allowed(label, table, into), spacing, change)
        _give_nearest_label(new, label, mask, grown, spacing)
    achieved = mask_of(new, label_values(table, structure))
    achieved_ml = float(np.count_nonzero(achieved) * voxel_ml)
    if abs(achieved_ml - requested_ml) > max(TOLERANCE * requested_ml, 2 * voxel_ml):
        raise AnatomyError(
            f"{NAME}: {requested_ml:.3g} ml of {structure} requested; {achieved_ml:.3g} ml can be "
            "reached here"
        )
    record = {
        "requested_volume_ml": requested_ml,
        "before_volume_ml": before_ml,
        "achieved_volume_ml": achieved_ml,
    }
    return new, repaint_changed(image, label, new, spacing), record


def _where_allowed(label: np.ndarray, table: LabelTable, into: Sequence[str] | None) -> np.ndarray:
    """Return where a structure may grow, bool [z, y, x]: never to the edges of the array."""
    allowed = np.ones(label.shape, bool)
    if into is not None:
        allowed = mask_of(label, [value for name in into for value in label_values(table, name)])
    inner = tuple(slice(1, -1) if length > 2 else slice(None) for length in label.shape)
    room = np.zeros(label.shape, bool)
    room[inner] = True
    return allowed & room


def _give_nearest_label(
    new: np.ndarray, label: np.ndarray, mask: np.ndarray, grown: np.ndarray, spacing: Spacing
) -> None:
    """Write the nearest label of a structure where it has grown."""
    box = bounding_box(grown)
    nearest = ndimage.distance_transform_edt(
        ~mask[box], sampling=spacing, return_distances=False, return_indices=True
    )
    gained = (grown & ~mask)[box]
    new[box][gained] = label[box][tuple(axis[gained] for axis in nearest)]
