"""Checks of cardiac label maps: is their anatomy plausible? And the volumes of their ventricles.

Labels are those of factory.storage.subjects.short_axis.HEART: 1 LV blood pool, 2 LV myocardium, 3
RV blood pool.
"""

from collections.abc import Callable

import cc3d
import numpy as np
from scipy import ndimage

from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

LV, MYOCARDIUM, RV = 1, 2, 3
STRUCTURES = {"lv_pool": LV, "myocardium": MYOCARDIUM, "rv": RV}
EDGE_NEIGHBOURS = ndimage.generate_binary_structure(2, 1)
"""Neighbours of a pixel that share an edge with it."""


def count_components(mask: np.ndarray) -> int:
    """Count the connected components; voxels that share a corner are connected."""
    label = np.ascontiguousarray(mask.astype(np.uint8))
    return int(cc3d.connected_components(label, connectivity=26 if mask.ndim == 3 else 8).max())


def is_lv_pool_enclosed(plane: np.ndarray) -> bool:
    """Return whether the myocardium encloses every voxel of the LV pool in a slice [y, x]."""
    ring = ndimage.binary_fill_holes(plane == MYOCARDIUM, EDGE_NEIGHBOURS)
    return bool(ring[plane == LV].all())


def do_ventricles_touch(plane: np.ndarray) -> bool:
    """Return whether a voxel of the LV pool lies beside one of the RV in a slice [y, x]."""
    return bool((ndimage.binary_dilation(plane == LV, EDGE_NEIGHBOURS) & (plane == RV)).any())


def are_cavities_filled(plane: np.ndarray) -> bool:
    """Return whether neither the LV pool nor the RV has a hole in a slice [y, x].

    Real maps have holes between RV and myocardium, so these do not count.
    """
    masks = (plane == LV, plane == RV)
    return all((ndimage.binary_fill_holes(m, EDGE_NEIGHBOURS) == m).all() for m in masks)


def _one_piece_check(value: int) -> Callable[[np.ndarray], bool]:
    """Return the check that a label is in one piece, or absent."""
    return lambda label: count_components(label == value) <= 1


CHECKS: dict[str, Callable[[np.ndarray], bool]] = {
    "is there": lambda plane: bool((plane == MYOCARDIUM).any()),
    **{f"{name} in one piece": _one_piece_check(value) for name, value in STRUCTURES.items()},
    "myocardium closed around the LV pool": is_lv_pool_enclosed,
    "LV pool and RV apart": lambda plane: not do_ventricles_touch(plane),
    "no hole in a cavity": are_cavities_filled,
}
"""Checks of a slice [y, x] by name.

Real slices fail some of them, above all at the base, where the myocardium opens to the aorta. So
compare a pass rate with that of real maps."""


def check_slice(plane: np.ndarray) -> dict[str, bool]:
    """Apply every check to a slice [y, x]; return the results by name, and `all`."""
    passed = {name: check(plane) for name, check in CHECKS.items()}
    return {**passed, "all": all(passed.values())}


def check_stack(label: np.ndarray) -> dict[str, bool]:
    """Apply every check to a stack [z, y, x]; return the results by name, and `all`.

    That a structure is in one piece is checked in three dimensions; the other checks must hold in
    every slice that has tissue.
    """
    slices = label[label.any(axis=(1, 2))]
    in_3d = [name for name in CHECKS if "piece" in name]
    passed = {
        name: check(label) if name in in_3d else all(check(plane) for plane in slices)
        for name, check in CHECKS.items()
    }
    return {**passed, "all": all(passed.values())}


def heart_checks(label: np.ndarray, table: LabelTable) -> dict[str, bool]:
    """Apply `check_stack` to a label map whose table has the three structures by these names.

    The checks read the values of the heart's own table, so a map of another table is mapped by
    name; its further labels count as background.
    """
    lookup = np.zeros(len(table.names), np.uint8)
    for name, value in STRUCTURES.items():
        lookup[table.index(name)] = value
    return check_stack(lookup[label])


def volumes_ml(label: np.ndarray, spacing: Spacing) -> dict[str, float]:
    """Return the volume of each structure of a stack [z, y, x], ml."""
    voxel_ml = float(np.prod(spacing)) / 1000
    return {name: float((label == value).sum()) * voxel_ml for name, value in STRUCTURES.items()}


def path_reversal(values: np.ndarray) -> float:
    """Return how far a path of values [n] turns back, 0 (monotone) to 1.

    It is the largest move against the path's direction over the distance between its ends, at
    most 1. If the ends are equal, it is 1 unless the path is constant.
    """
    change = values[-1] - values[0]
    rising = values * np.sign(change)
    against = np.maximum.accumulate(rising) - rising
    return float(min(1.0, against.max() / abs(change))) if change else float(np.ptp(values) > 0)
