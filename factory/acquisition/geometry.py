"""The positions of the slices of a stack in the volume that they are cut from."""

from dataclasses import dataclass

import numpy as np

from factory.errors import RenderError
from factory.imaging.orientations import AXES
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import Grid

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class StackGrid:
    """The sample points of a stack, along the axes of a volume.

    Attributes:
        orientation: "axial", "coronal" or "sagittal".
        order: The volume's axes (0 z, 1 y, 2 x) along which slices, rows and columns follow one
            another.
        lines: Positions in mm from the volume's first voxel, one array each for slices, rows and
            columns.
        spacing: mm between slices, rows and columns.
        thickness: Thickness of a slice in mm; 0 for the volume's own slices.
    """

    orientation: str
    order: tuple[int, int, int]
    lines: tuple[np.ndarray, np.ndarray, np.ndarray]
    spacing: Triple
    thickness: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """The number of slices, rows and columns."""
        slices, rows, columns = (len(line) for line in self.lines)
        return slices, rows, columns

    def affine(self, grid: Grid) -> np.ndarray:
        """Return the 4×4 matrix from the stack's voxel (column, row, slice, 1) to RAS+ mm.

        The matrix of a coronal stack is left-handed: rows go up, columns to the right, slices to
        the front.

        Args:
            grid: The grid of the volume that the stack is cut from.
        """
        voxel = np.zeros((4, 4))
        voxel[3, 3] = 1
        for stack_axis, (axis, line, step) in enumerate(
            zip(self.order, self.lines, self.spacing, strict=True)
        ):
            voxel[2 - axis, 2 - stack_axis] = step / grid.spacing[axis]
            voxel[2 - axis, 3] = line[0] / grid.spacing[axis]
        return grid.affine @ voxel


def volume_slices(grid: Grid) -> StackGrid:
    """Return the volume's own lattice as one axial stack."""
    z, y, x = (s * np.arange(n) for s, n in zip(grid.spacing, grid.shape, strict=True))
    return StackGrid("axial", (0, 1, 2), (z, y, x), grid.spacing, 0.0)


def stack_grids(grid: Grid, stacks: JsonObject) -> list[StackGrid]:
    """Return one lattice for each orientation, centred on the volume.

    If an orientation is repeated, every second repetition is shifted by half a slice.

    Args:
        grid: The volume's grid.
        stacks: The complete section "stacks" of a case's acquisition.

    Raises:
        RenderError: If an orientation is unknown.
    """
    orientations, thickness = stacks["orientations"], float(stacks["thickness_mm"])
    step, in_plane = thickness + stacks["gap_mm"], stacks["in_plane_mm"]
    lattices = []
    for index, orientation in enumerate(orientations):
        order = _axis_order(orientation)
        spacing = (step, in_plane, in_plane)
        shape = stack_shape(
            grid.shape, grid.spacing, orientation, thickness, stacks["gap_mm"], in_plane
        )
        slices, rows, columns = (
            (grid.shape[axis] - 1) / 2 * grid.spacing[axis] + s * (np.arange(n) - (n - 1) / 2)
            for axis, s, n in zip(order, spacing, shape, strict=True)
        )
        slices = slices + step / 2 * (orientations[:index].count(orientation) % 2)
        lattices.append(StackGrid(orientation, order, (slices, rows, columns), spacing, thickness))
    return lattices


def stack_shape(
    volume_shape: tuple[int, int, int],
    spacing_mm: float | Triple,
    orientation: str,
    thickness_mm: float,
    gap_mm: float,
    in_plane_mm: float,
) -> tuple[int, int, int]:
    """Return the number of slices, rows and columns of a stack that covers a volume.

    Args:
        volume_shape: Voxels of the volume (z, y, x).
        spacing_mm: The volume's spacing, one number or (z, y, x).
        orientation: "axial", "coronal" or "sagittal".
        thickness_mm: Thickness of a slice.
        gap_mm: Gap between slices.
        in_plane_mm: Distance between rows, and between columns.

    Raises:
        RenderError: If the orientation is unknown.
    """
    order = _axis_order(orientation)
    extent = (np.array(volume_shape) * np.broadcast_to(np.asarray(spacing_mm, float), 3))[
        list(order)
    ]
    steps = np.array([thickness_mm + gap_mm, in_plane_mm, in_plane_mm])
    slices, rows, columns = (int(n) for n in np.ceil(extent / steps - 1e-6))
    return slices, rows, columns


def _axis_order(orientation: str) -> tuple[int, int, int]:
    if orientation not in AXES:
        raise RenderError(f"orientation {orientation!r}; allowed: {', '.join(sorted(AXES))}")
    through = AXES[orientation]
    rows, columns = (axis for axis in range(3) if axis != through)
    return through, rows, columns
