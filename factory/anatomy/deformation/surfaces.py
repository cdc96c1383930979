"""Label maps whose tissues meet in smooth surfaces, so that less than a voxel's motion counts.

The nearest label moves by whole voxels: a cortex pushed out by a fifth of a voxel stays where it
is. So every tissue's one-hot map is smoothed, but no further than that each voxel's own tissue
keeps the largest share (anti-aliasing by constrained smoothing; Whitaker, 2000). The surfaces then
run between the voxels' middles, and a shift by a fifth of a voxel carries a fifth of the border
voxels' middles across: smooth where the surface is, and nothing changes where nothing moves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from factory.anatomy.deformation.warp import nearest_voxels

SIGMA_VOXELS = 0.7
OWN = 0.1
"""Weight of a voxel in its own smoothed share: that of the Gaussian's middle."""
LEAD = 0.1
"""What a voxel's own tissue keeps ahead of all others; more preserves thin sheets, less is
smoother."""
REACH = 4
BIAS_MAX = 0.3
"""How far a tissue's share may be raised for its volume: some 0.15 voxels of its surface."""
BIAS_ROUNDS = 3
SAMPLE = 100_000


@dataclass(frozen=True)
class _Tissue:
    value: int
    box: tuple[slice, ...]
    share: np.ndarray


class Surfaces:
    """A label map [z, y, x] to be pulled; `values` are the tissues that take part, 64 at most."""

    def __init__(self, label: np.ndarray, values: list[int]) -> None:
        self.label = label
        self.tissues = _smoothed(label, values)
        # Bit i: tissue i is among a voxel's 27 neighbours.
        self.bits = np.min_scalar_type((1 << len(self.tissues)) - 1).type
        self.near = np.zeros(label.shape, self.bits)
        for bit, tissue in enumerate(self.tissues):
            beside = ndimage.maximum_filter(label[tissue.box] == tissue.value, 3)
            self.near[tissue.box] |= beside.astype(self.bits) << self.bits(bit)
        self.border = (self.near & (self.near - self.bits(1))) != 0

    def pulled(
        self, places: np.ndarray, within: np.ndarray, volumes: Mapping[int, float]
    ) -> np.ndarray:
        """The tissue at each place (voxels, [3, z, y, x]) of `within`; elsewhere, and where no
        tissue of ours is, the old label stays.

        volumes: value -> voxels that a tissue is to have in the end. Its surface is moved for it
        outwards or inwards everywhere alike, by a small part of a voxel.
        """
        index = nearest_voxels(places, self.label.shape)
        nearest = self.label.ravel()[index]
        ours = within & np.isin(nearest, [t.value for t in self.tissues], kind="table")
        new = np.where(ours, nearest, self.label)
        at = np.flatnonzero(within & self.border.ravel()[index])
        shares = self._shares(places.reshape(3, -1)[:, at], self.near.ravel()[index.ravel()[at]])
        values = np.array([t.value for t in self.tissues], np.uint8)
        new.ravel()[at] = values[_largest(shares)]
        counts = np.bincount(new.ravel(), minlength=256)
        more = {row: volumes[v] - counts[v] for row, v in enumerate(values) if v in volumes}
        shares += _raised(shares, more)[:, None]
        new.ravel()[at] = values[_largest(shares)]
        return new

    def _shares(self, points: np.ndarray, near: np.ndarray) -> np.ndarray:
        """float32 [tissues, points]; -1 where a tissue is not near."""
        shares = np.full((len(self.tissues), points.shape[1]), -1, np.float32)
        for bit, tissue in enumerate(self.tissues):
            here = np.flatnonzero(near & self.bits(1 << bit))
            start = np.array([s.start for s in tissue.box], np.float32)[:, None]
            shares[bit, here] = ndimage.map_coordinates(
                tissue.share, points[:, here] - start, np.float32, order=1, mode="nearest"
            )
        return shares


def _largest(shares: np.ndarray) -> np.ndarray:
    """shares.argmax(0), uint8 [points], a row at a time and so several times as fast."""
    largest, row_of = shares[0].copy(), np.zeros(shares.shape[1], np.uint8)
    for row, share in enumerate(shares[1:], 1):
        np.putmask(row_of, share > largest, np.uint8(row))
        np.maximum(largest, share, out=largest)
    return row_of


def _smoothed(label: np.ndarray, values: list[int]) -> list[_Tissue]:
    found = {v: _box(label, v) for v in values if (label == v).any()}
    first, own = np.zeros(label.shape, np.float32), np.zeros(label.shape, np.float32)
    shares = {}
    for value, box in found.items():
        here = label[box] == value
        share = ndimage.gaussian_filter(
            here.astype(np.float32), SIGMA_VOXELS, mode="nearest", truncate=2.0
        )
        # A voxel has no say in its own share, or the surface would keep away from its middle.
        share -= np.float32(OWN) * here
        own[box][here] = share[here]
        np.maximum(first[box], share, out=first[box], where=~here)
        shares[value] = share
    middle = (own + first) / 2
    for value, box in found.items():
        share, half = shares[value], middle[box]
        here = label[box] == value
        np.maximum(share, half + LEAD / 2, out=share, where=here)
        np.minimum(share, half - LEAD / 2, out=share, where=~here)
    return [_Tissue(v, found[v], shares[v]) for v in found]


def _box(label: np.ndarray, value: int) -> tuple[slice, ...]:
    (tight,) = ndimage.find_objects((label == value).astype(np.uint8))
    return tuple(
        slice(max(0, s.start - REACH), min(n, s.stop + REACH))
        for s, n in zip(tight, label.shape, strict=True)
    )


def _raised(shares: np.ndarray, more: Mapping[int, float]) -> np.ndarray:
    """What to add to each row of shares [tissues, points], float32, so that each of `more` (row ->
    points) is the largest at so many points more. Worked out on a part of the points."""
    stride = max(1, shares.shape[1] // SAMPLE)
    part = shares[:, ::stride].copy()
    counts = np.bincount(_largest(part), minlength=len(part))
    raised = np.zeros(len(part), np.float32)
    for _ in range(BIAS_ROUNDS):
        for row, points in more.items():
            near = np.flatnonzero(part[row] > -0.5)
            if len(near) < 3:
                continue
            own, part[row] = part[row].copy(), -2
            behind = part.max(0)[near] - own[near]
            count = int(np.clip(counts[row] + round(points / stride), 1, len(near) - 1))
            need = np.partition(behind, (count - 1, count))[count - 1 : count + 1].mean()
            step = np.clip(raised[row] + need, -BIAS_MAX, BIAS_MAX) - raised[row]
            raised[row] += step
            own[near] += step
            part[row] = own
    return raised
