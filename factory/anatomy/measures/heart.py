"""Whether heart labels can be a heart's, and how much blood its ventricles hold.

Labels are those of factory.storage.subjects.short_axis.HEART: 1 LV blood pool, 2 LV myocardium, 3
RV blood pool.
"""

from collections.abc import Callable

import cc3d
import numpy as np
from scipy import ndimage

LV, MYOCARDIUM, RV = 1, 2, 3
STRUCTURES = {"lv_pool": LV, "myocardium": MYOCARDIUM, "rv": RV}
BESIDE = ndimage.generate_binary_structure(2, 1)
"""Neighbours in a plane: those that share an edge."""


def pieces(mask: np.ndarray) -> int:
    """Connected components; voxels that share a corner are connected."""
    label = np.ascontiguousarray(mask.astype(np.uint8))
    return int(cc3d.connected_components(label, connectivity=26 if mask.ndim == 3 else 8).max())


def closed(plane: np.ndarray) -> bool:
    """The myocardium [y, x] encloses every voxel of the LV pool."""
    ring = ndimage.binary_fill_holes(plane == MYOCARDIUM, BESIDE)
    return bool(ring[plane == LV].all())


def touching(plane: np.ndarray) -> bool:
    """Some voxel of the LV pool [y, x] lies beside one of the RV."""
    return bool((ndimage.binary_dilation(plane == LV, BESIDE) & (plane == RV)).any())


def solid(plane: np.ndarray) -> bool:
    """No hole within the LV pool nor the RV [y, x]. (Between RV and myocardium real maps have
    some.)"""
    masks = (plane == LV, plane == RV)
    return all((ndimage.binary_fill_holes(m, BESIDE) == m).all() for m in masks)


def _one_piece(value: int) -> Callable[[np.ndarray], bool]:
    return lambda label: pieces(label == value) <= 1


CHECKS: dict[str, Callable[[np.ndarray], bool]] = {
    "is there": lambda plane: bool((plane == MYOCARDIUM).any()),
    **{f"{name} in one piece": _one_piece(value) for name, value in STRUCTURES.items()},
    "myocardium closed around the LV pool": closed,
    "LV pool and RV apart": lambda plane: not touching(plane),
    "no hole in a cavity": solid,
}
"""What is asked of a slice [y, x]. Real slices fail some, at the base above all, where the
myocardium opens to the aorta: hold a rate against that of real maps."""


def checked(plane: np.ndarray) -> dict[str, bool]:
    """Each check of a slice by name, and `all`."""
    found = {name: check(plane) for name, check in CHECKS.items()}
    return {**found, "all": all(found.values())}


def checked_stack(label: np.ndarray) -> dict[str, bool]:
    """Each structure of a stack [z, y, x] in one piece, the slice checks in every slice that holds
    tissue but the pieces, which are counted in three dimensions; and `all`."""
    slices = label[label.any(axis=(1, 2))]
    pieced = [name for name in CHECKS if "piece" in name]
    found = {
        name: check(label) if name in pieced else all(check(plane) for plane in slices)
        for name, check in CHECKS.items()
    }
    return {**found, "all": all(found.values())}


def volumes_ml(label: np.ndarray, spacing: tuple[float, float, float]) -> dict[str, float]:
    """Volume (ml) of each structure of a stack; spacing (z, y, x) in mm."""
    voxel = float(np.prod(spacing)) / 1000
    return {name: float((label == value).sum()) * voxel for name, value in STRUCTURES.items()}


def reversal(values: np.ndarray) -> float:
    """How far a path of values turns back: the largest way against its direction, over the
    distance between its ends; 0 for a monotone path, at most 1 reported where the ends meet."""
    way = values[-1] - values[0]
    against = np.maximum.accumulate(values * np.sign(way)) - values * np.sign(way)
    return float(min(1.0, against.max() / abs(way))) if way else float(np.ptp(values) > 0)
