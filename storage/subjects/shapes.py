"""Made-up anatomies: wobbly ellipsoids, one over the other, each with a name."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np

from factory.storage.subjects.label_mappings import colours_of
from factory.storage.subjects.types import Grid, LabelTable, Subject

Triple = tuple[float, float, float]

WAVES = 6
"""The number of sine waves that make a surface uneven."""

SIZE_SPREAD, SHIFT_SPREAD, UNEVENNESS = 0.08, 0.04, 0.08
"""Standard deviations between individuals, as shares of a structure's size: of its size along each
axis, of its centre, and of its surface about the ellipsoid."""

LIMIT = 2.0
"""No deviation is larger than so many standard deviations."""


class Shape(TypedDict):
    """An ellipsoid: its diameters and its centre (z, y, x) in mm, from the middle of the scene.

    `inside` is the label that it lies within, None for a shape that is cut by no other.
    """

    size_mm: Sequence[float]
    centre_mm: Sequence[float]
    inside: str | None


def largest_extent_mm(shapes: Mapping[str, Shape], variation: float) -> Triple:
    """Return the size (z, y, x) of a box that holds every individual's shapes, in mm."""
    growth = 1 + variation * LIMIT * (SIZE_SPREAD + UNEVENNESS)
    shift = variation * LIMIT * SHIFT_SPREAD
    z, y, x = (
        2
        * max(
            abs(s["centre_mm"][i]) + s["size_mm"][i] * (growth / 2 + shift) for s in shapes.values()
        )
        for i in range(3)
    )
    return z, y, x


def draw_shapes(
    shapes: Mapping[str, Shape], variation: float, seed: int, spacing_mm: float, subject_id: str
) -> Subject:
    """Draw an individual: every later shape lies over the earlier ones.

    Args:
        shapes: The shapes by the names of their labels.
        variation: How much individuals differ; 0 gives the same ellipsoids every time.
        seed: The individual.
        spacing_mm: Isotropic voxel size.
        subject_id: Its name.

    Returns:
        A subject without an image, whose table has the background and a label for each shape.
    """
    z, y, x = (math.ceil(mm / spacing_mm) + 2 for mm in largest_extent_mm(shapes, variation))
    grid = Grid.centred((z, y, x), (spacing_mm,) * 3)
    points = [(np.arange(n, dtype=np.float32) - (n - 1) / 2) * spacing_mm for n in (z, y, x)]
    label = np.zeros((z, y, x), np.uint8)
    holders: dict[str, np.ndarray] = {}
    for value, (name, shape) in enumerate(shapes.items(), start=1):
        generator = np.random.Generator(np.random.Philox(key=_key(seed, name)))
        box, inside = _uneven_ellipsoid(points, shape, variation, generator)
        if shape["inside"] is not None:
            inside &= holders[shape["inside"]][box]
        label[box][inside] = value
        holders[name] = np.zeros(label.shape, bool)
        holders[name][box] = inside
    names = ("background", *shapes)
    return Subject(subject_id, label, grid, LabelTable(names, colours_of(names, {})))


def _key(seed: int, name: str) -> int:
    """Return the random key of a shape, so that one more shape changes no other."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:16], "little")


def _uneven_ellipsoid(
    points: Sequence[np.ndarray], shape: Shape, variation: float, generator: np.random.Generator
) -> tuple[tuple[slice, ...], np.ndarray]:
    """Return a box of the grid and which of its voxels an individual's shape fills."""

    def deviations(count: int) -> np.ndarray:
        return variation * np.clip(generator.standard_normal(count), -LIMIT, LIMIT)

    size = np.array(shape["size_mm"]) * (1 + SIZE_SPREAD * deviations(3))
    centre = np.array(shape["centre_mm"]) + SHIFT_SPREAD * np.array(shape["size_mm"]) * deviations(
        3
    )
    directions = generator.normal(0, 2.0, (WAVES, 3))
    phases = generator.uniform(0, 2 * np.pi, WAVES)
    amplitude = UNEVENNESS * variation / math.sqrt(WAVES / 2)
    reach = size / 2 * (1 + LIMIT * UNEVENNESS * variation)
    box, relative = [], []
    for axis, line in enumerate(points):
        near = np.flatnonzero(np.abs(line - centre[axis]) <= reach[axis])
        side = slice(int(near[0]), int(near[-1]) + 1) if near.size else slice(0, 0)
        box.append(side)
        relative.append(((line[side] - centre[axis]) / (size[axis] / 2)).astype(np.float32))
    u, v, w = np.meshgrid(*relative, indexing="ij", sparse=True)
    surface = np.float32(1.0) + np.zeros(np.broadcast_shapes(u.shape, v.shape, w.shape), np.float32)
    for (a, b, c), phase in zip(directions, phases, strict=True):
        surface += np.float32(amplitude) * np.sin(a * u + b * v + c * w + phase, dtype=np.float32)
    low, high = 1 - LIMIT * UNEVENNESS * variation, 1 + LIMIT * UNEVENNESS * variation
    return tuple(box), u**2 + v**2 + w**2 <= np.clip(surface, low, high) ** 2
