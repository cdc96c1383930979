"""The pictures that a montage is made of: planes of a volume, and of the stacks scanned of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from factory.storage.dataset.stored_sample import StoredSample, StoredStack

PLANES = ("axial", "coronal", "sagittal")
"""By the axis that slices follow one another along: z, y, x."""

SHOWN = 3
"""Stacks a picture has room for."""


@dataclass(frozen=True)
class Panel:
    """A picture, its first row at the top. pixel: mm (height, width). label: for its edges."""

    title: str
    image: np.ndarray
    pixel: tuple[float, float]
    label: np.ndarray | None = None

    @property
    def size_mm(self) -> tuple[float, float]:
        rows, columns = self.image.shape
        return rows * self.pixel[0], columns * self.pixel[1]


def make_stack_panels(
    sample: StoredSample, centre: tuple[int, int, int], box: tuple[slice, ...]
) -> list[Panel]:
    """Of each of the first stacks, the slice through a voxel (z, y, x) of the volume, and a cut
    across the slices, with the edges of the stack's labels where it has them; both within a box
    of the volume's voxels.

    As the volume's planes are shown: superior up, the patient's right left, anterior left in
    sagittal ones and up in axial ones.
    """
    corners = [[part.start for part in box], [part.stop - 1 for part in box]]
    point, low, high = (_position_mm(sample, voxel) for voxel in (centre, *corners))
    panels = []
    for k, stack in enumerate(sample.stacks[:SHOWN]):
        upright = _Upright.of(stack)
        at = upright.index(point)
        window = tuple(
            slice(a, b + 1) for a, b in zip(upright.index(low), upright.index(high), strict=True)
        )
        image = upright.turned(stack.image)
        label = None if stack.label is None else upright.turned(stack.label)
        through = upright.order.index(0)
        across = (1, 2, 0)[through]
        for axis, title, edges in (
            (through, f"{PLANES[through]} stack {k}", None),
            (across, "across its slices", label),
        ):
            place = tuple(at[i] if i == axis else part for i, part in enumerate(window))
            height, width = (s for i, s in enumerate(upright.spacing) if i != axis)
            seen = None if edges is None else edges[place][::-1, ::-1]
            panels.append(Panel(title, image[place][::-1, ::-1], (height, width), seen))
    return panels


def _position_mm(sample: StoredSample, voxel: Sequence[int]) -> np.ndarray:
    """A voxel (z, y, x) of the volume in mm (z, y, x)."""
    return (sample.affine @ [*voxel[::-1], 1.0])[2::-1]


@dataclass(frozen=True)
class _Upright:
    """A stack along the world's z, y and x.

    order: its axis nearest to each. flips: whether that runs the other way. first: mm of the
    lowest voxel. spacing: mm. shape: voxels.
    """

    order: list[int]
    flips: list[bool]
    first: np.ndarray
    spacing: list[float]
    shape: list[int]

    @staticmethod
    def of(stack: StoredStack) -> "_Upright":
        directions = stack.affine[:3, :3][::-1, ::-1]  # (z, y, x) by (slice, row, column)
        order = [int(i) for i in np.abs(directions / np.linalg.norm(directions, axis=0)).argmax(1)]
        flips = [bool(directions[world, axis] < 0) for world, axis in enumerate(order)]
        corner = [
            stack.image.shape[axis] - 1 if flips[order.index(axis)] else 0 for axis in range(3)
        ]
        first = (stack.affine @ [*corner[::-1], 1.0])[2::-1]
        spacing = [float(stack.spacing_mm[axis]) for axis in order]
        return _Upright(order, flips, first, spacing, [stack.image.shape[axis] for axis in order])

    def index(self, point: np.ndarray) -> list[int]:
        """The voxel nearest to a point in mm (z, y, x)."""
        voxel = np.rint((point - self.first) / self.spacing).astype(int)
        return [int(np.clip(v, 0, n - 1)) for v, n in zip(voxel, self.shape, strict=True)]

    def turned(self, array: np.ndarray) -> np.ndarray:
        """An array of the stack as [z, y, x]."""
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)
        return array.transpose(self.order)[steps]
