"""Diameters of the head and the cerebellum in axial slices, in mm.

They follow a head that is turned about z: across and along are the principal axes of what is
labelled at the level of the thalami, which is where the symmetry of left and right puts them.
Straight, they count voxels; turned, they come out up to a voxel wider. A head that is tilted
(about y or x) is measured in the array's axial slices all the same: 10° of both change the
diameters of an ellipsoid head, and of its cerebellum, by about 1 mm. Labels end at the inside of
the skull, while sonographers measure to its outside:
factory.storage.subjects.growth_curves.skull_mm is what lies between.
"""

import numpy as np

from factory.anatomy.regions import CEREBRUM, where
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


def biparietal_mm(label: np.ndarray, spacing: Spacing, table: LabelTable) -> float | None:
    """The widest left-to-right extent of everything labelled, in axial slices of the thalami.

    None for a map without a cerebrum.
    """
    level = _thalamic_level(label, table)
    return _widest(level, spacing, _across(level, spacing)) if level.any() else None


def occipito_frontal_mm(label: np.ndarray, spacing: Spacing, table: LabelTable) -> float | None:
    """The longest front-to-back extent of everything labelled, in axial slices of the thalami.

    None for a map without a cerebrum.
    """
    level = _thalamic_level(label, table)
    if not level.any():
        return None
    y, x = _across(level, spacing)
    return _widest(level, spacing, (x, -y))


def transcerebellar_mm(label: np.ndarray, spacing: Spacing, table: LabelTable) -> float | None:
    """The widest left-to-right extent of the cerebellum in an axial slice, or None."""
    cerebellum = where(label, table, ["cerebellum"])
    if not cerebellum.any():
        return None
    level = _thalamic_level(label, table)
    return _widest(cerebellum, spacing, _across(level if level.any() else label > 0, spacing))


def _thalamic_level(label: np.ndarray, table: LabelTable) -> np.ndarray:
    """Everything labelled in the slices of the deep grey matter; in all, where there is none;
    nothing where there is no cerebrum."""
    if not where(label, table, CEREBRUM).any():
        return np.zeros((0, 0, 0), bool)
    slices = where(label, table, ["deep_grey_matter"]).any((1, 2))
    return label[slices if slices.any() else slice(None)] > 0


def _across(mask: np.ndarray, spacing: Spacing) -> tuple[float, float]:
    """The unit vector (y, x) from left to right: the minor axis of an ellipse like the mask.

    Of the two axes it is the one nearer to x, so that a head wider than long is not turned.
    """
    weight = mask.sum(0, dtype=np.int64)
    at = np.nonzero(weight)
    y, x = (np.asarray(a) * s for a, s in zip(at, spacing[1:], strict=True))
    covariance = np.atleast_2d(np.cov(y, x, fweights=weight[at], bias=True))
    axes = np.linalg.eigh(covariance)[1].T
    y_part, x_part = max(axes, key=lambda axis: abs(axis[1]))
    side = 1.0 if x_part > 0 else -1.0
    return side * float(y_part), side * float(x_part)


def _widest(mask: np.ndarray, spacing: Spacing, direction: tuple[float, float]) -> float:
    """Greatest extent along a direction (y, x) within one axial slice, in mm.

    From the outermost voxels' middles, and one voxel for the halves that lie beyond them.
    """
    dy, dx = direction[0] * spacing[1], direction[1] * spacing[2]
    rows = mask.any(2)
    first, last = mask.argmax(2), mask.shape[2] - 1 - mask[:, :, ::-1].argmax(2)
    y = np.arange(mask.shape[1]) * dy
    ends = np.stack([y + first * dx, y + last * dx])
    highest = ends.max(0, initial=-np.inf, where=rows).max(1)
    lowest = ends.min(0, initial=np.inf, where=rows).min(1)
    return float((highest - lowest).max() + np.hypot(dy, dx))
