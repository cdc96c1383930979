"""Label maps with smooth surfaces between tissues, so that motion below a voxel counts.

The nearest label moves by whole voxels: a cortex pushed out by a fifth of a voxel stays where it
is. So every tissue's one-hot map is smoothed, but only so far that each voxel's own tissue keeps
the largest share (anti-aliasing by constrained smoothing; Whitaker, 2000). The surfaces then run
between the voxels' centres, and a shift by a fifth of a voxel moves a fifth of the border voxels'
centres across them. Nothing changes where nothing moves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from factory.anatomy.deformation.warp import nearest_voxels

SIGMA_VOXELS = 0.7
OWN_WEIGHT = 0.1
"""Weight of a voxel in its own smoothed share: the value of the Gaussian at its centre."""
LEAD = 0.1
"""Lead of a voxel's own tissue over all others. More preserves thin sheets, less is smoother."""
REACH_VOXELS = 4
"""Margin of a tissue's box: how far its smoothed share reaches."""
BIAS_MAX = 0.3
"""How far a tissue's share may be raised to correct its volume: its surface moves 0.15 voxels."""
BIAS_ROUNDS = 3
FAR = -1.0
"""The share of a tissue that is not near."""
SAMPLE = 100_000
"""About as many border points are used to find the corrections of volumes."""


@dataclass(frozen=True)
class _Tissue:
    value: int
    box: tuple[slice, ...]
    share: np.ndarray


@dataclass(frozen=True)
class _NearPoints:
    """The points that a tissue is near to, as indices, and its share at each of them."""

    points: np.ndarray
    share: np.ndarray


class Surfaces:
    """A label map with smooth surfaces that can be pulled along a displacement."""

    def __init__(self, label: np.ndarray, values: list[int]) -> None:
        """Smooth the surfaces of some tissues.

        Args:
            label: uint8 [z, y, x].
            values: The labels of the tissues that move, at most 64.
        """
        self.label = label
        self.tissues = _smooth_tissues(label, values)
        # Bit i: tissue i is among a voxel's 27 neighbours.
        self.bits = np.min_scalar_type((1 << len(self.tissues)) - 1).type
        self.near = np.zeros(label.shape, self.bits)
        for bit, tissue in enumerate(self.tissues):
            beside = ndimage.maximum_filter(label[tissue.box] == tissue.value, 3)
            self.near[tissue.box] |= beside.astype(self.bits) << self.bits(bit)
        self.border = (self.near & (self.near - self.bits(1))) != 0

    def pull(
        self, places: np.ndarray, within: np.ndarray, volumes: Mapping[int, float]
    ) -> np.ndarray:
        """Return the label map in which each voxel has the tissue found at its place.

        Args:
            places: Where the tissue of each voxel comes from, voxels [3, z, y, x].
            within: Voxels that may change, bool [z, y, x]. The others keep their label, and so
                does a voxel whose place belongs to none of the moving tissues.
            volumes: label -> number of voxels that the tissue must have in the end. For this its
                surface is moved outwards or inwards by the same small part of a voxel everywhere.
        """
        index = nearest_voxels(places, self.label.shape)
        nearest = self.label.ravel()[index]
        moving = within & np.isin(nearest, [t.value for t in self.tissues], kind="table")
        new = np.where(moving, nearest, self.label)
        at = np.flatnonzero(within & self.border.ravel()[index])
        shares = self._shares(places.reshape(3, -1)[:, at], self.near.ravel()[index.ravel()[at]])
        values = np.array([t.value for t in self.tissues], self.label.dtype)
        new.ravel()[at] = values[_largest_row(shares, len(at))]
        counts = np.bincount(new.ravel(), minlength=256)
        missing = {row: volumes[v] - counts[v] for row, v in enumerate(values) if v in volumes}
        if missing:
            raised = _raise_shares(shares, len(at), missing)
            new.ravel()[at] = values[_largest_row(shares, len(at), raised)]
        return new

    def _shares(self, points: np.ndarray, near: np.ndarray) -> list[_NearPoints]:
        """Return each tissue's share at the points that it is near to."""
        shares = []
        for bit, tissue in enumerate(self.tissues):
            here = np.flatnonzero(near & self.bits(1 << bit))
            start = np.array([s.start for s in tissue.box], np.float32)[:, None]
            share = ndimage.map_coordinates(
                tissue.share, points[:, here] - start, np.float32, order=1, mode="nearest"
            )
            shares.append(_NearPoints(here, share))
        return shares


def _largest_row(
    shares: list[_NearPoints], count: int, raised: np.ndarray | None = None
) -> np.ndarray:
    """Return at each of the points the first tissue with the largest share, uint8 [points].

    raised: What is added to each tissue's shares, float32 [tissues].
    """
    largest, row_of = np.full(count, FAR, np.float32), np.zeros(count, np.uint8)
    for row, near in enumerate(shares):
        share = near.share if raised is None else near.share + raised[row]
        better = share > largest[near.points]
        points = near.points[better]
        row_of[points] = row
        largest[points] = share[better]
    return row_of


def _smooth_tissues(label: np.ndarray, values: list[int]) -> list[_Tissue]:
    """Smooth the one-hot map of each tissue; every voxel's own tissue keeps its lead."""
    boxes = {v: _tissue_box(label, v) for v in values if (label == v).any()}
    best_other = np.zeros(label.shape, np.float32)
    own_share = np.zeros(label.shape, np.float32)
    shares = {}
    for value, box in boxes.items():
        here = label[box] == value
        share = ndimage.gaussian_filter(
            here.astype(np.float32), SIGMA_VOXELS, mode="nearest", truncate=2.0
        )
        # A voxel does not count in its own share, or the surface would avoid its centre.
        share -= np.float32(OWN_WEIGHT) * here
        own_share[box][here] = share[here]
        np.maximum(best_other[box], share, out=best_other[box], where=~here)
        shares[value] = share
    middle = (own_share + best_other) / 2
    for value, box in boxes.items():
        share, half = shares[value], middle[box]
        here = label[box] == value
        np.maximum(share, half + LEAD / 2, out=share, where=here)
        np.minimum(share, half - LEAD / 2, out=share, where=~here)
    return [_Tissue(v, boxes[v], shares[v]) for v in boxes]


def _tissue_box(label: np.ndarray, value: int) -> tuple[slice, ...]:
    """Return the box of a tissue with a margin, within the array."""
    (tight,) = ndimage.find_objects((label == value).astype(np.uint8))
    return tuple(
        slice(max(0, s.start - REACH_VOXELS), min(n, s.stop + REACH_VOXELS))
        for s, n in zip(tight, label.shape, strict=True)
    )


def _raise_shares(
    shares: list[_NearPoints], points: int, missing: Mapping[int, float]
) -> np.ndarray:
    """Return what to add to each tissue's shares so that it wins the points it is missing.

    It is found on a sample of the points.

    Args:
        shares: The shares of each tissue.
        points: The number of points.
        missing: tissue -> number of further points at which it must be the largest; may be
            negative.

    Returns:
        float32 [tissues].
    """
    stride = max(1, points // SAMPLE)
    sample = np.full((len(shares), len(range(0, points, stride))), FAR, np.float32)
    for row, near in enumerate(shares):
        sampled = near.points % stride == 0
        sample[row, near.points[sampled] // stride] = near.share[sampled]
    counts = np.bincount(sample.argmax(0), minlength=len(sample))
    raised = np.zeros(len(sample), np.float32)
    for _ in range(BIAS_ROUNDS):
        for row, more in missing.items():
            near_points = np.flatnonzero(sample[row] > -0.5)
            if len(near_points) < 3:
                continue
            share = sample[row, near_points]
            sample[row, near_points] = 2 * FAR
            behind = sample[:, near_points].max(0) - share
            count = int(np.clip(counts[row] + round(more / stride), 1, len(behind) - 1))
            need = np.partition(behind, (count - 1, count))[count - 1 : count + 1].mean()
            step = np.clip(raised[row] + need, -BIAS_MAX, BIAS_MAX) - raised[row]
            raised[row] += step
            sample[row, near_points] = share + np.float32(step)
    return raised
