"""Scale a head along its axes and keep its topology.

Enlarging repeats slices, rows and columns, which changes no topology. Making smaller drops some,
which may tear thin sheets, so the labels are then changed step by step (see topology). Arrays are
[z, y, x].
"""

import itertools
import math

import numpy as np
from scipy import ndimage

from factory.anatomy.deformation.topology import change_keeping_topology
from factory.imaging.boxes import box_with_margin
from factory.storage.subjects.channels import map_channels

Scale = tuple[float, float, float]
"""Factors along (z, y, x)."""

OFF_CENTRE = 0.25
"""Voxels by which the scaled head is moved: exactly about its centre, both ends would move in step
and every second width in voxels would be missed."""


class Scaling:
    """A map that scales a head along its axes.

    Attributes:
        scale: Factors along (z, y, x).
        places: For each axis, where each slice of the result comes from, in voxels.
    """

    def __init__(self, label: np.ndarray, scale: Scale) -> None:
        """Keep the head centred where it was, or as near to that as the array allows."""
        self.scale = scale
        self.places: list[np.ndarray] = []
        for axis, (k, box) in enumerate(
            zip(scale, box_with_margin(label > 0, (0, 0, 0)), strict=True)
        ):
            n, size = label.shape[axis], box.stop - box.start
            middle = (box.start + box.stop - 1) / 2
            room = max((n - 1) / 2 - (size * k / 2 + 0.5), 0)
            new_middle = np.clip(middle, (n - 1) / 2 - room, (n - 1) / 2 + room)
            off = OFF_CENTRE if k < 1 else 0.0
            self.places.append(middle + (np.arange(n) - new_middle - off) / k)

    def scale_label(self, label: np.ndarray) -> np.ndarray:
        """Return the scaled label map by the nearest label; background beyond the array."""
        nearest = [np.floor(p + 0.5).astype(int) for p in self.places]
        inside = [(i >= 0) & (i < n) for i, n in zip(nearest, label.shape, strict=True)]
        scaled = np.zeros_like(label)
        scaled[np.ix_(*inside)] = label[
            np.ix_(*(i[within] for i, within in zip(nearest, inside, strict=True)))
        ]
        return scaled

    def scale_image(self, image: np.ndarray) -> np.ndarray:
        """Return the scaled image, all channels, by linear interpolation; 0 beyond the array."""
        return map_channels(self._scale_channel, image)

    def _scale_channel(self, image: np.ndarray) -> np.ndarray:
        """Return the scaled image [z, y, x], float32."""
        first = [float(p[0]) for p in self.places]
        step = [1 / k for k in self.scale]
        scaled: np.ndarray = ndimage.affine_transform(
            image.astype(np.float32, copy=False), step, first, order=1, mode="constant"
        )
        return scaled


def shrink_keeping_topology(label: np.ndarray, scale: Scale) -> tuple[np.ndarray, int]:
    """Make a head smaller and keep every tissue's topology.

    A smaller head has fewer slices, rows and columns. The surplus ones are removed one at a time on
    either side of the middle, and the labels are changed after each (see topology), so that a thin
    strand that must stay moves along with the rest.

    Args:
        label: Label map [z, y, x].
        scale: Factors along (z, y, x), at most 1.

    Returns:
        The new label map, and the number of voxels that differ from `Scaling.scale_label` for the
        sake of topology.
    """
    scaling = Scaling(label, scale)
    axes = [_SliceRemoval(p, n) for p, n in zip(scaling.places, label.shape, strict=True)]
    current, steps = label, max(max(axis.steps for axis in axes), 1)
    for step, (number, axis) in itertools.product(range(steps), enumerate(axes)):
        before, after = axis.positions(step / steps), axis.positions((step + 1) / steps)
        if not np.array_equal(before, after):
            remaining = np.flatnonzero(after >= 0)
            target = np.zeros_like(np.moveaxis(current, number, 0))
            target[after[remaining]] = np.moveaxis(current, number, 0)[before[remaining]]
            current = change_keeping_topology(current, np.moveaxis(target, 0, number))
    return current, int((current != scaling.scale_label(label)).sum())


class _SliceRemoval:
    """Where the slices along one axis lie while some of them are removed."""

    def __init__(self, places: np.ndarray, length: int) -> None:
        nearest = np.floor(places + 0.5).astype(int)
        self.length = length
        inside = np.flatnonzero((nearest >= 0) & (nearest < length))
        remaining = nearest[inside]
        middle = int(np.argmin(np.abs(inside - places[inside])))
        self.middle, self.final_middle = int(remaining[middle]), int(inside[middle])
        surplus = np.setdiff1d(np.arange(length), remaining)
        self.below = surplus[surplus < self.middle][::-1]
        self.above = surplus[surplus > self.middle]
        self.steps = max(len(self.below), len(self.above))

    def positions(self, share: float) -> np.ndarray:
        """Return where each slice lies once a share of the surplus ones is removed; -1 for none."""
        removed = [side[: math.ceil(share * len(side))] for side in (self.below, self.above)]
        remaining = np.setdiff1d(np.arange(self.length), np.concatenate(removed))
        middle = self.final_middle if share == 1 else self.middle
        places = np.full(self.length, -1)
        places[remaining] = (
            np.arange(len(remaining)) - np.searchsorted(remaining, self.middle) + middle
        )
        return np.where(places < self.length, places, -1)
