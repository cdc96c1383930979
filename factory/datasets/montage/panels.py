"""The panels of a montage that show scanned stacks, and the panel itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from factory.storage.dataset.stored_sample import StoredSample, StoredStack

PLANES = ("axial", "coronal", "sagittal")
"""The name of the plane of a slice, by the axis across the slices: z, y, x."""

MAXIMUM_STACKS = 3
"""The number of stacks that are shown of a sample."""


@dataclass(frozen=True)
class Panel:
    """A picture with its first row at the top.

    Attributes:
        title: The title above the picture.
        image: Intensities [row, column].
        pixel_mm: The height and the width of a pixel.
        label: Labels [row, column] whose edges are drawn over the image.
    """

    title: str
    image: np.ndarray
    pixel_mm: tuple[float, float]
    label: np.ndarray | None = None

    @property
    def size_mm(self) -> tuple[float, float]:
        """The height and the width of the picture."""
        rows, columns = self.image.shape
        return rows * self.pixel_mm[0], columns * self.pixel_mm[1]


def make_stack_panels(
    sample: StoredSample, centre: tuple[int, int, int], box: tuple[slice, ...]
) -> list[Panel]:
    """Make two panels for each of the first stacks: a slice, and a plane across the slices.

    The plane across the slices shows the edges of the stack's labels, if there are any. The
    orientation is that of the volume's planes: superior is up; the patient's right is left;
    anterior is left in sagittal planes and up in axial ones.

    Args:
        sample: The sample.
        centre: The voxel (z, y, x) of the volume through which both planes go.
        box: The voxels (z, y, x) of the volume that both planes show.
    """
    corners = [[extent.start for extent in box], [extent.stop - 1 for extent in box]]
    point, low, high = (_position_mm(sample, voxel) for voxel in (centre, *corners))
    panels = []
    for k, stack in enumerate(sample.stacks[:MAXIMUM_STACKS]):
        upright = _UprightStack.of(stack)
        index = upright.index(point)
        window = tuple(
            slice(a, b + 1) for a, b in zip(upright.index(low), upright.index(high), strict=True)
        )
        image = upright.reorient(stack.image)
        label = None if stack.label is None else upright.reorient(stack.label)
        through = upright.order.index(0)
        across = (1, 2, 0)[through]
        for axis, title, edges in (
            (through, f"{PLANES[through]} stack {k}", None),
            (across, "across its slices", label),
        ):
            plane = tuple(index[i] if i == axis else extent for i, extent in enumerate(window))
            height, width = (s for i, s in enumerate(upright.spacing_mm) if i != axis)
            edge_labels = None if edges is None else edges[plane][::-1, ::-1]
            panels.append(Panel(title, image[plane][::-1, ::-1], (height, width), edge_labels))
    return panels


def _position_mm(sample: StoredSample, voxel: Sequence[int]) -> np.ndarray:
    """Return the position (z, y, x) of a voxel (z, y, x) of the volume."""
    position: np.ndarray = (sample.affine @ [*voxel[::-1], 1.0])[2::-1]
    return position


@dataclass(frozen=True)
class _UprightStack:
    """How the axes of a stack correspond to the world's z, y and x.

    Attributes:
        order: The stack's axis nearest to z, y and x.
        flips: Whether that axis runs in the opposite direction.
        first_mm: The position (z, y, x) of the voxel that is lowest along all three.
        spacing_mm: The spacing along z, y and x.
        shape: The voxels along z, y and x.
    """

    order: list[int]
    flips: list[bool]
    first_mm: np.ndarray
    spacing_mm: list[float]
    shape: list[int]

    @staticmethod
    def of(stack: StoredStack) -> "_UprightStack":
        directions = stack.affine[:3, :3][::-1, ::-1]  # (z, y, x) by (slice, row, column)
        order = [int(i) for i in np.abs(directions / np.linalg.norm(directions, axis=0)).argmax(1)]
        flips = [bool(directions[world, axis] < 0) for world, axis in enumerate(order)]
        corner = [
            stack.image.shape[axis] - 1 if flips[order.index(axis)] else 0 for axis in range(3)
        ]
        first = (stack.affine @ [*corner[::-1], 1.0])[2::-1]
        spacing = [float(stack.spacing_mm[axis]) for axis in order]
        return _UprightStack(
            order, flips, first, spacing, [stack.image.shape[axis] for axis in order]
        )

    def index(self, point: np.ndarray) -> list[int]:
        """Return the voxel (z, y, x) nearest to a position in mm (z, y, x)."""
        voxel = np.rint((point - self.first_mm) / self.spacing_mm).astype(int)
        return [int(np.clip(v, 0, n - 1)) for v, n in zip(voxel, self.shape, strict=True)]

    def reorient(self, array: np.ndarray) -> np.ndarray:
        """Return an array [slice, row, column] of the stack as [z, y, x]."""
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)
        return array.transpose(self.order)[steps]
