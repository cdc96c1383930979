"""Made-up anatomies: wobbly ellipsoids, one over the other, each with a name."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    growth = (1 + variation * LIMIT * SIZE_SPREAD) * (1 + variation * LIMIT * UNEVENNESS)
    shift = variation * LIMIT * SHIFT_SPREAD
    outermost = [shape for shape in shapes.values() if shape["inside"] is None]
    z, y, x = (
        2 * max(abs(s["centre_mm"][i]) + s["size_mm"][i] * (growth / 2 + shift) for s in outermost)
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
    individuals: dict[str, DrawnShape] = {}
    for value, (name, shape) in enumerate(shapes.items(), start=1):
        generator = np.random.Generator(np.random.Philox(key=_key(seed, name)))
        holder = shape["inside"]
        individual = _draw_shape(shape, variation, individuals.get(holder or ""), generator)
        box, inside = _fill_shape(points, individual, variation)
        if holder is not None:
            inside &= holders[holder][box]
        label[box][inside] = value
        individuals[name] = individual
        holders[name] = np.zeros(label.shape, bool)
        holders[name][box] = inside
    names = ("background", *shapes)
    return Subject(subject_id, label, grid, LabelTable(names, colours_of(names, {})))


def _key(seed: int, name: str) -> int:
    """Return the random key of a shape, so that one more shape changes no other."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:16], "little")


@dataclass(frozen=True)
class DrawnShape:
    """An individual's shape.

    Attributes:
        size: Its diameters (z, y, x) in mm.
        centre: Its centre (z, y, x) in mm.
        shift: How far the centre lies from where the recipe has it, with that of its holder, mm.
        scale: Its size over the recipe's, with that of its holder.
        waves: [wave, 5]: an amplitude, a direction (z, y, x) and a phase of each sine wave.
    """

    size: np.ndarray
    centre: np.ndarray
    shift: np.ndarray
    scale: np.ndarray
    waves: np.ndarray


def _draw_shape(
    shape: Shape, variation: float, holder: DrawnShape | None, generator: np.random.Generator
) -> DrawnShape:
    """Draw an individual's shape; within a holder it follows the holder's deviations.

    A shell within a shell thus keeps its thickness: it has half of the holder's waves, and deviates
    half as much by itself.
    """

    def deviations(count: int) -> np.ndarray:
        return variation * np.clip(generator.standard_normal(count), -LIMIT, LIMIT)

    share = 1.0 if holder is None else 0.5
    size, centre = np.array(shape["size_mm"], float), np.array(shape["centre_mm"], float)
    scale = 1 + share * SIZE_SPREAD * deviations(3)
    shift = share * SHIFT_SPREAD * size * deviations(3)
    waves = np.empty((WAVES, 5))
    waves[:, 0] = share * UNEVENNESS * variation / math.sqrt(WAVES / 2)
    waves[:, 1:4] = generator.normal(0, 2.0, (WAVES, 3))
    waves[:, 4] = generator.uniform(0, 2 * np.pi, WAVES)
    if holder is not None:
        scale, shift = scale * holder.scale, shift + holder.shift
        centre = centre * holder.scale
        waves = np.concatenate([waves, holder.waves[:WAVES] * [0.5, 1, 1, 1, 1]])
    return DrawnShape(size * scale, centre + shift, shift, scale, waves)


def _fill_shape(
    points: Sequence[np.ndarray], shape: DrawnShape, variation: float
) -> tuple[tuple[slice, ...], np.ndarray]:
    """Return a box of the grid and which of its voxels an individual's shape fills."""
    limit = LIMIT * UNEVENNESS * variation
    reach = shape.size / 2 * (1 + limit)
    box, relative = [], []
    for axis, line in enumerate(points):
        near = np.flatnonzero(np.abs(line - shape.centre[axis]) <= reach[axis])
        side = slice(int(near[0]), int(near[-1]) + 1) if near.size else slice(0, 0)
        box.append(side)
        relative.append(((line[side] - shape.centre[axis]) / (shape.size[axis] / 2)).astype("f4"))
    u, v, w = np.meshgrid(*relative, indexing="ij", sparse=True)
    surface = np.ones(np.broadcast_shapes(u.shape, v.shape, w.shape), np.float32)
    for amplitude, a, b, c, phase in shape.waves.astype(np.float32):
        surface += amplitude * np.sin(a * u + b * v + c * w + phase, dtype=np.float32)
    return tuple(box), u**2 + v**2 + w**2 <= np.clip(surface, 1 - limit, 1 + limit) ** 2
