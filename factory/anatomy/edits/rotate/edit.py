"""Rotate a structure about its centre."""

import numpy as np

from factory.anatomy.deformation.repaint import repaint_changed
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.edits.rigid import move_structure
from factory.anatomy.edits.structure import structure_mask, volume_ml
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


def rotate(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    structure: str,
    axis: str,
    degrees: float,
    image: np.ndarray | None = None,
) -> EditResult:
    """Turn a structure about an axis through its centre.

    Args:
        label: [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        structure: A label or region.
        axis: "right", "anterior" or "superior".
        degrees: By the right-hand rule about that axis.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label, image (float32, or None) and a record: the degrees and the volume, ml.

    Raises:
        AnatomyError: The label map has no voxel of the structure, or it would leave the array.
    """
    mask = structure_mask(label, table, structure)
    new = label.copy()
    if degrees:
        rotation = rotation_zyx(axis, degrees)
        new = move_structure(label, mask, spacing, rotation, np.zeros(3))
    record = {"requested_degrees": float(degrees), "before_volume_ml": volume_ml(mask, spacing)}
    return new, repaint_changed(image, label, new, spacing), record


def rotation_zyx(axis: str, degrees: float) -> np.ndarray:
    """Return the rotation 3×3 that acts on (z, y, x), by the right-hand rule about an axis."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    x, y, z = (np.eye(3)[index] for index in range(3))
    unit = {"right": x, "anterior": y, "superior": z}[axis]
    cross = np.cross(np.eye(3), unit)
    xyz: np.ndarray = cosine * np.eye(3) + sine * cross + (1 - cosine) * np.outer(unit, unit)
    zyx: np.ndarray = xyz[::-1, ::-1]
    return zyx
