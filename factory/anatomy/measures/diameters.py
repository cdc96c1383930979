"""Diameters of the head and the cerebellum in axial slices, in mm.

They follow a head that is turned about z: the directions "across" and "along" are the principal
axes of everything labelled at the level of the thalami. In a straight head they count voxels; in
a turned head they are up to a voxel wider. A head that is tilted (about y or x) is still measured
in the array's axial slices: 10° about both axes change the diameters of an ellipsoid head, and of
its cerebellum, by about 1 mm. Labels end at the inside of the skull, while sonographers measure to
its outside: factory.storage.subjects.growth_curves.skull_mm is the difference.
"""

import numpy as np

from factory.anatomy.regions import CEREBRUM, tissue_mask
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


def biparietal_mm(label: np.ndarray, spacing: Spacing, table: LabelTable) -> float | None:
    """Measure the widest left-to-right extent of the head in axial slices of the thalami.

    The head is everything that is labelled. Returns mm, or None for a map without a cerebrum.
    """
    level = _thalamic_level(label, table)
    return (
        _widest_extent_mm(level, spacing, _left_to_right(level, spacing)) if level.any() else None
    )


def occipito_frontal_mm(label: np.ndarray, spacing: Spacing, table: LabelTable) -> float | None:
    """Measure the longest front-to-back extent of the head in axial slices of the thalami.

    The head is everything that is labelled. Returns mm, or None for a map without a cerebrum.
    """
    level = _thalamic_level(label, table)
    if not level.any():
        return None
    y, x = _left_to_right(level, spacing)
    return _widest_extent_mm(level, spacing, (x, -y))


def transcerebellar_mm(label: np.ndarray, spacing: Spacing, table: LabelTable) -> float | None:
    """Measure the widest left-to-right extent of the cerebellum in an axial slice.

    Returns mm, or None if there is no cerebellum.
    """
    cerebellum = tissue_mask(label, table, ["cerebellum"])
    if not cerebellum.any():
        return None
    level = _thalamic_level(label, table)
    return _widest_extent_mm(
        cerebellum, spacing, _left_to_right(level if level.any() else label > 0, spacing)
    )


def _thalamic_level(label: np.ndarray, table: LabelTable) -> np.ndarray:
    """Return the head in the slices of the deep grey matter, bool [z, y, x].

    If there is no deep grey matter, all slices are returned; if there is no cerebrum, none.
    """
    if not tissue_mask(label, table, CEREBRUM).any():
        return np.zeros((0, 0, 0), bool)
    slices = tissue_mask(label, table, ["deep_grey_matter"]).any((1, 2))
    return label[slices if slices.any() else slice(None)] > 0


def _left_to_right(mask: np.ndarray, spacing: Spacing) -> tuple[float, float]:
    """Return the unit vector (y, x) from left to right, a principal axis of the mask.

    It is the axis nearer to x, so that a head wider than long is not taken for a turned one.
    """
    weight = mask.sum(0, dtype=np.int64)
    at = np.nonzero(weight)
    y, x = (np.asarray(a) * s for a, s in zip(at, spacing[1:], strict=True))
    covariance = np.atleast_2d(np.cov(y, x, fweights=weight[at], bias=True))
    axes = np.linalg.eigh(covariance)[1].T
    y_part, x_part = max(axes, key=lambda axis: abs(axis[1]))
    side = 1.0 if x_part > 0 else -1.0
    return side * float(y_part), side * float(x_part)


def _widest_extent_mm(mask: np.ndarray, spacing: Spacing, direction: tuple[float, float]) -> float:
    """Return the greatest extent along a direction (y, x) within one axial slice, mm.

    It is measured between the outermost voxels' centres, plus one voxel for their outer halves.
    """
    dy, dx = direction[0] * spacing[1], direction[1] * spacing[2]
    rows = mask.any(2)
    first, last = mask.argmax(2), mask.shape[2] - 1 - mask[:, :, ::-1].argmax(2)
    y = np.arange(mask.shape[1]) * dy
    ends = np.stack([y + first * dx, y + last * dx])
    highest = ends.max(0, initial=-np.inf, where=rows).max(1)
    lowest = ends.min(0, initial=np.inf, where=rows).min(1)
    return float((highest - lowest).max() + np.hypot(dy, dx))
