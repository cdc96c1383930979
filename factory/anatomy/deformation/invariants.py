"""Checks of an edit that moves tissue: no folds, no change of topology, a head within its array.

Arrays are [z, y, x], spacing is mm (z, y, x).
"""

from collections.abc import Collection

import numpy as np

from factory.anatomy.measures.connectivity import topology, topology_before
from factory.anatomy.measures.volumes import volumes_ml
from factory.errors import AnatomyError
from factory.imaging.boxes import crop_with_rim
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


def check_invariants(
    old: np.ndarray,
    new: np.ndarray,
    table: LabelTable,
    jacobian_min: float,
    name: str,
    free: Collection[str] = (),
    jacobian_above: float = 0.0,
) -> None:
    """Check that a map does not fold and that no tissue's components or Euler number changed.

    Args:
        old: Label map before the edit.
        new: Label map after it.
        table: What their values mean.
        jacobian_min: The smallest Jacobian determinant of the edit's map.
        name: The edit's name, for messages.
        free: Tissues whose topology may change.
        jacobian_above: What jacobian_min must exceed.

    Raises:
        AnatomyError: The map folds, or the topology changed.
    """
    if jacobian_min <= jacobian_above:
        raise AnatomyError(f"{name}: the map folds (Jacobian {jacobian_min:.2f})")
    if set(table.names) <= set(free):
        return
    old, new = (crop_with_rim(label) for label in (old, new))
    for before, after in zip(topology_before(old, table), topology(new, table), strict=True):
        changed = [n for n in before if before[n] != after[n] and n not in free]
        if changed:
            raise AnatomyError(f"{name}: the topology of {', '.join(changed)} would change")


def check_clear_of_border(old: np.ndarray, new: np.ndarray, name: str) -> None:
    """Check that the head reaches no side of the array that it was clear of before.

    Raises:
        AnatomyError: It does; the message begins with `name`, the edit's.
    """
    for axis in range(3):
        if np.take(new, [0, -1], axis).any() > np.take(old, [0, -1], axis).any():
            raise AnatomyError(f"{name}: the head would leave the array; give it a wider shape")


def volumes_before(label: np.ndarray, spacing: Spacing, table: LabelTable) -> dict[str, float]:
    """Return the volume of every tissue before an edit, ml, by the keys of the edit's record."""
    return {f"before_volume_ml_{n}": ml for n, ml in volumes_ml(label, spacing, table).items()}
