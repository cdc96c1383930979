"""A head scaled along its axes, its topology kept.

Enlarging repeats slices, rows and columns, which changes no topology. Making smaller drops some,
which may tear thin sheets, so there the labels are led (see topology). Arrays are [z, y, x].
"""

import itertools
import math

import numpy as np
from scipy import ndimage

from factory.anatomy.deformation.topology import change_keeping_topology
from factory.imaging.boxes import box_with_margin

Scale = tuple[float, float, float]

OFF_CENTRE = 0.25
"""Voxels by which the scaled head is moved: about its very middle both ends would move in step,
and every second width in voxels would be missed."""


class Scaling:
    """The places (voxels) that each slice, row and column of a scaled head is pulled from."""

    def __init__(self, label: np.ndarray, scale: Scale) -> None:
        """The head stays centred where it was, or as near to it as leaves it in the array."""
        self.scale = scale
        self.places = []
        for axis, (k, box) in enumerate(
            zip(scale, box_with_margin(label > 0, (0, 0, 0)), strict=True)
        ):
            n, size = label.shape[axis], box.stop - box.start
            middle = (box.start + box.stop - 1) / 2
            room = max((n - 1) / 2 - (size * k / 2 + 0.5), 0)
            now = np.clip(middle, (n - 1) / 2 - room, (n - 1) / 2 + room)
            off = OFF_CENTRE if k < 1 else 0.0
            self.places.append(middle + (np.arange(n) - now - off) / k)

    @property
    def jacobian(self) -> float:
        """The volume that a voxel's tissue had before over the volume it has now."""
        return 1 / math.prod(self.scale)

    def label(self, label: np.ndarray) -> np.ndarray:
        """By the nearest label; background beyond the array."""
        nearest = [np.floor(p + 0.5).astype(int) for p in self.places]
        inside = [(i >= 0) & (i < n) for i, n in zip(nearest, label.shape, strict=True)]
        scaled = np.zeros_like(label)
        scaled[np.ix_(*inside)] = label[
            np.ix_(*(i[within] for i, within in zip(nearest, inside, strict=True)))
        ]
        return scaled

    def image(self, image: np.ndarray) -> np.ndarray:
        """Linearly, float32; 0 beyond the array."""
        first = [float(p[0]) for p in self.places]
        step = [1 / k for k in self.scale]
        return ndimage.affine_transform(
            image.astype(np.float32, copy=False), step, first, order=1, mode="constant"
        )


def led_smaller(label: np.ndarray, scale: Scale) -> tuple[np.ndarray, int]:
    """A head made smaller with every tissue's topology kept, and the voxels that differ by this.

    scale: at most 1 along each axis. Where a scaled head is pulled from fewer slices, rows and
    columns, the others are taken out one at a time on either side of the middle, and the labels
    led after each: a thin strand that must stay moves along with the rest.
    """
    scaling = Scaling(label, scale)
    axes = [_Thinning(p, n) for p, n in zip(scaling.places, label.shape, strict=True)]
    led, steps = label, max(max(axis.steps for axis in axes), 1)
    for step, (which, axis) in itertools.product(range(steps), enumerate(axes)):
        was, now = axis.at(step / steps), axis.at((step + 1) / steps)
        if not np.array_equal(was, now):
            left = np.flatnonzero(now >= 0)
            target = np.zeros_like(np.moveaxis(led, which, 0))
            target[now[left]] = np.moveaxis(led, which, 0)[was[left]]
            led = change_keeping_topology(led, np.moveaxis(target, 0, which))
    return led, int((led != scaling.label(label)).sum())


class _Thinning:
    """Where the slices along one axis lie as some of them are taken out."""

    def __init__(self, places: np.ndarray, length: int) -> None:
        nearest = np.floor(places + 0.5).astype(int)
        self.length = length
        inside = np.flatnonzero((nearest >= 0) & (nearest < length))
        kept = nearest[inside]
        middle = int(np.argmin(np.abs(inside - places[inside])))
        self.middle, self.now = int(kept[middle]), int(inside[middle])
        out = np.setdiff1d(np.arange(length), kept)
        self.below, self.above = out[out < self.middle][::-1], out[out > self.middle]
        self.steps = max(len(self.below), len(self.above))

    def at(self, share: float) -> np.ndarray:
        """Where each slice lies once a share of those to go is out; -1 for those."""
        gone = [side[: math.ceil(share * len(side))] for side in (self.below, self.above)]
        kept = np.setdiff1d(np.arange(self.length), np.concatenate(gone))
        middle = self.now if share == 1 else self.middle
        places = np.full(self.length, -1)
        places[kept] = np.arange(len(kept)) - np.searchsorted(kept, self.middle) + middle
        return np.where(places < self.length, places, -1)
