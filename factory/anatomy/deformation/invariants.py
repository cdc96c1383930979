"""What an edit that moves tissue vouches for: no folds, no torn tissue, a head in its array.

Arrays are [z, y, x], spacing is mm (z, y, x).
"""

from collections.abc import Collection
from typing import Any

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
    record: dict[str, Any],
    name: str,
    free: Collection[str] = (),
    least: float = 0.0,
) -> None:
    """Raises AnatomyError where the map folds, or a tissue's components or Euler number changed.

    record: the edit's, with its jacobian_min, which must be above `least`. name: the edit's. free:
    tissues whose topology may change.
    """
    if record["jacobian_min"] <= least:
        raise AnatomyError(f"{name}: the map folds (Jacobian {record['jacobian_min']:.2f})")
    old, new = (crop_with_rim(a) for a in (old, new))
    for before, after in zip(topology_before(old, table), topology(new, table), strict=True):
        changed = [n for n in before if before[n] != after[n] and n not in free]
        if changed:
            raise AnatomyError(f"{name}: the topology of {', '.join(changed)} would change")


def check_clear_of_border(old: np.ndarray, new: np.ndarray, name: str) -> None:
    """Raises AnatomyError where the head has come to a side of the array that it kept clear of."""
    for axis in range(3):
        if np.take(new, [0, -1], axis).any() > np.take(old, [0, -1], axis).any():
            raise AnatomyError(f"{name}: the head would leave the array; give it a wider shape")


def volumes_before(label: np.ndarray, spacing: Spacing, table: LabelTable) -> dict[str, float]:
    """Every tissue's millilitres before an edit, as its record has them."""
    return {f"before_volume_ml_{n}": ml for n, ml in volumes_ml(label, spacing, table).items()}
