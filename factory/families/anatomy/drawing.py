"""Label maps of new individuals, pulled from the label maps of people.

A place of the individual is taken to the common space by the inverse of the individual's own map,
and from there to a person by the person's map. Which label is there is read from the person.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import edt
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from factory.families.anatomy.registration import Person
from factory.families.anatomy.specks import remove_specks
from factory.models.anatomy import NodeLattice, map_to_common, map_to_person

NODES_MM = 3.0
"""Places are computed on nodes of this distance, and interpolated between them."""

ROUGH_MM = 3.0
"""The spacing at which the box of an individual is measured before it is drawn."""

Maps = tuple[Tensor, Tensor]
"""The affine map's logarithm [3, 4] and the velocity [3, z, y, x] of a person or an individual."""


@dataclass(frozen=True)
class Anchor:
    """A person whose label map an individual takes its labels from.

    Attributes:
        person: The person.
        maps: The person's maps.
        weight: How much the person counts beside others.
    """

    person: Person
    maps: Maps
    weight: float = 1.0


@dataclass(frozen=True)
class Individual:
    """What makes an individual.

    Attributes:
        anchors: Whose labels it has.
        maps: Its own maps.
        scale: Its size along (z, y, x), after the affine map.
    """

    anchors: Sequence[Anchor]
    maps: Maps
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Window:
    """The voxels of an individual.

    Attributes:
        first_mm: The place of the first voxel from the individual's middle (z, y, x).
        shape: Voxels (z, y, x).
        spacing_mm: Their size.
    """

    first_mm: tuple[float, float, float]
    shape: tuple[int, int, int]
    spacing_mm: float

    @staticmethod
    def between(low: np.ndarray, high: np.ndarray, spacing_mm: float) -> "Window":
        """Return the window from one corner to another; the middle is a voxel of every window."""
        start, stop = np.floor(low / spacing_mm), np.ceil(high / spacing_mm)
        z, y, x = (stop - start + 1).astype(int).tolist()
        fz, fy, fx = (start * spacing_mm).tolist()
        return Window((fz, fy, fx), (z, y, x), spacing_mm)

    def nodes(self) -> Tensor:
        """Return points of about NODES_MM from the first voxel to the last one [z, y, x, 3]."""
        axes = []
        for first, n in zip(self.first_mm, self.shape, strict=True):
            length = (n - 1) * self.spacing_mm
            axes.append(torch.linspace(first, first + length, int(length / NODES_MM) + 2))
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def draw_labels(individual: Individual, lattice: NodeLattice, spacing_mm: float) -> np.ndarray:
    """Draw an individual's label map [z, y, x], cropped to its labels.

    Args:
        individual: The individual.
        lattice: The lattice of all velocities.
        spacing_mm: The size of a voxel.
    """
    rough = draw_window(individual, lattice, rough_window(individual, lattice), nearest=True)
    label, first = rough
    filled = np.argwhere(label > 0)
    low = np.asarray(first) + (filled.min(0) - 1) * ROUGH_MM
    high = np.asarray(first) + (filled.max(0) + 1) * ROUGH_MM
    label, _ = draw_window(individual, lattice, Window.between(low, high, spacing_mm))
    box = tuple(slice(a, b + 1) for a, b in _limits(label))
    people = [anchor.person for anchor in individual.anchors]
    return remove_specks(np.ascontiguousarray(label[box]), people)


def _limits(label: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and the last index of what is labelled along each axis."""
    planes = [np.flatnonzero((label > 0).any(axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    return [(int(p[0]), int(p[-1])) for p in planes]


def rough_window(
    individual: Individual, lattice: NodeLattice, spacing_mm: float = ROUGH_MM
) -> Window:
    """Return a window of coarse voxels that an individual certainly lies in."""
    corners = lattice.points()[[0, -1]][:, [0, -1]][:, :, [0, -1]].reshape(-1, 3)
    reached = map_to_person(corners, *individual.maps, lattice) * torch.tensor(individual.scale)
    limit = reached.abs().amax(0).numpy().astype(float)
    return Window.between(-limit, limit, spacing_mm)


@torch.inference_mode()
def draw_window(
    individual: Individual, lattice: NodeLattice, window: Window, nearest: bool = False
) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Draw the labels of a window.

    Args:
        individual: The individual.
        lattice: The lattice of all velocities.
        window: The voxels.
        nearest: Whether each voxel takes the nearest label, which is faster and rougher.

    Returns:
        The label map and the place of its first voxel.
    """
    points = window.nodes() / torch.tensor(individual.scale)
    common = map_to_common(points, *individual.maps, lattice)
    readings: list[tuple[np.ndarray, np.ndarray, float]] = []
    for anchor in individual.anchors:
        places = anchor.person.places(map_to_person(common, *anchor.maps, lattice))
        full = F.interpolate(
            places.movedim(-1, 0)[None], size=window.shape, mode="trilinear", align_corners=True
        )[0].numpy()
        label = anchor.person.label
        read = read_nearest(label, full) if nearest else vote_labels(label, full)
        depth = np.ones((), np.float32)
        if len(individual.anchors) > 1:
            depth = read_nearest(border_depth(anchor.person), full)
        readings.append((read, depth, anchor.weight))
    return blend_labels(readings), window.first_mm


def blend_labels(readings: Sequence[tuple[np.ndarray, np.ndarray, float]]) -> np.ndarray:
    """Return one label map of several: each voxel takes the label that it is deepest in.

    Args:
        readings: For each map its labels, their depths below the label's border, and its weight.
    """
    labels, depths, weights = zip(*readings, strict=True)
    best: np.ndarray = labels[0].copy()
    if len(readings) == 1:
        return best
    most = np.full(best.shape, -1, np.float32)
    for label in labels:
        score = sum(
            (other == label) * depth * np.float32(weight)
            for other, depth, weight in zip(labels, depths, weights, strict=True)
        )
        better = score > most
        best[better], most[better] = label[better], score[better]
    return best


def border_depth(person: Person) -> np.ndarray:
    """Return the distance (mm) of each voxel to the nearest voxel of another label, float32."""
    depth: np.ndarray = edt.edt(person.label + 1, anisotropy=person.spacing, black_border=False)
    return depth


def labels_at(person: Person, points: Tensor, maps: Maps, lattice: NodeLattice) -> np.ndarray:
    """Return the labels of a person nearest to points [..., 3] of the common space."""
    places = person.places(map_to_person(points, *maps, lattice)).movedim(-1, 0)
    return read_nearest(person.label, places.numpy())


def read_nearest(array: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the value nearest to each place (3, …) in voxels; 0 beyond the array."""
    flat, inside = np.zeros(places.shape[1:], np.int64), np.ones(places.shape[1:], bool)
    for place, n in zip(places, array.shape, strict=True):
        near = np.rint(place).astype(np.int64)
        inside &= (near >= 0) & (near < n)
        flat = flat * n + near.clip(0, n - 1)
    return np.where(inside, array.ravel()[flat], 0).astype(array.dtype)


def vote_labels(label: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the label with the greatest share of linear interpolation at each place (3, …).

    Beyond the array is background.
    """
    padded = np.pad(label, 1)
    shape = np.array(padded.shape)
    at = [np.clip(p + 1, 0, n - 1) for p, n in zip(places, padded.shape, strict=True)]
    below = [
        np.minimum(np.floor(a), n - 2).astype(np.int32)
        for a, n in zip(at, padded.shape, strict=True)
    ]
    strides = (int(shape[1] * shape[2]), int(shape[2]), 1)
    base = sum(b * s for b, s in zip(below, strides, strict=True)).ravel()
    offsets = [z * strides[0] + y * strides[1] + x for z in (0, 1) for y in (0, 1) for x in (0, 1)]
    values = padded.ravel()
    result = values[base]
    mixed = mixed_cells(padded).ravel()[base]
    rows = np.flatnonzero(mixed)
    parts = [
        (a.ravel()[rows] - b.ravel()[rows]).astype(np.float32)
        for a, b in zip(at, below, strict=True)
    ]
    corner = np.stack([values[base[rows] + offset] for offset in offsets])
    result[rows] = _heaviest(corner, _corner_weights(parts))
    return np.asarray(result.reshape(places.shape[1:]))


def mixed_cells(label: np.ndarray) -> np.ndarray:
    """Return whether the eight voxels from each one onwards have several labels, bool [z, y, x]."""
    low, high = label, label
    for axis in range(3):
        ahead_low, ahead_high = np.roll(low, -1, axis), np.roll(high, -1, axis)
        low, high = np.minimum(low, ahead_low), np.maximum(high, ahead_high)
    return np.asarray(low != high)


def _corner_weights(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the weights [8, n] of the corners of cells, from the places within them."""
    pz, py, px = parts
    return np.stack(
        [
            (pz if z else 1 - pz) * (py if y else 1 - py) * (px if x else 1 - px)
            for z in (0, 1)
            for y in (0, 1)
            for x in (0, 1)
        ]
    )


def _heaviest(corner: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the label of each column with the greatest sum of weights."""
    best, most = corner[0].copy(), np.full(corner.shape[1], -1, np.float32)
    for candidate in corner:
        score = ((corner == candidate) * weight).sum(0)
        better = score > most
        best[better], most[better] = candidate[better], score[better]
    return np.asarray(best)
