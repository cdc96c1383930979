"""Where the slices of a stack lie in the volume they are cut from."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from factory.errors import RenderError
from factory.imaging.orientations import AXES
from factory.storage.subjects.types import Grid

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class StackGrid:
    """The sample points of a stack, along the axes of a volume.

    order: the volume's axes (0 z, 1 y, 2 x) that slices, rows and columns run along.
    lines: mm from the volume's first voxel, one array each for slices, rows and columns.
    spacing: mm between slices, rows and columns. thickness: mm of a slice; 0 for a volume's own.
    """

    orientation: str
    order: tuple[int, int, int]
    lines: tuple[np.ndarray, np.ndarray, np.ndarray]
    spacing: Triple
    thickness: float

    @property
    def shape(self) -> tuple[int, int, int]:
        slices, rows, columns = (len(line) for line in self.lines)
        return slices, rows, columns

    def affine(self, grid: Grid) -> np.ndarray:
        """4×4, the stack's voxel (column, row, slice, 1) to RAS+ mm, cut from a volume on grid.

        Coronal ones are left-handed: rows go up, columns to the right, slices to the front.
        """
        voxel = np.zeros((4, 4))
        voxel[3, 3] = 1
        for own, (axis, line, step) in enumerate(
            zip(self.order, self.lines, self.spacing, strict=True)
        ):
            voxel[2 - axis, 2 - own] = step / grid.spacing[axis]
            voxel[2 - axis, 3] = line[0] / grid.spacing[axis]
        return grid.affine @ voxel


def volume_slices(grid: Grid) -> StackGrid:
    """The volume's own lattice, as one axial stack."""
    z, y, x = (s * np.arange(n) for s, n in zip(grid.spacing, grid.shape, strict=True))
    return StackGrid("axial", (0, 1, 2), (z, y, x), grid.spacing, 0.0)


def stack_grids(grid: Grid, stacks: dict[str, Any]) -> list[StackGrid]:
    """One raster an orientation. Each centred on the volume; every second repeat of an
    orientation lies half a slice further on.
    """
    orientations, thickness = stacks["orientations"], float(stacks["thickness_mm"])
    step, in_plane = thickness + stacks["gap_mm"], stacks["in_plane_mm"]
    out = []
    for index, orientation in enumerate(orientations):
        order = _order(orientation)
        spacing = (step, in_plane, in_plane)
        shape = stack_shape(
            grid.shape, grid.spacing, orientation, thickness, stacks["gap_mm"], in_plane
        )
        slices, rows, columns = (
            (grid.shape[axis] - 1) / 2 * grid.spacing[axis] + s * (np.arange(n) - (n - 1) / 2)
            for axis, s, n in zip(order, spacing, shape, strict=True)
        )
        slices = slices + step / 2 * (orientations[:index].count(orientation) % 2)
        out.append(StackGrid(orientation, order, (slices, rows, columns), spacing, thickness))
    return out


def stack_shape(
    hr_shape: tuple[int, int, int],
    spacing_mm: float | Triple,
    orientation: str,
    thickness_mm: float,
    gap_mm: float,
    in_plane_mm: float,
) -> tuple[int, int, int]:
    """(slices, rows, columns) of a stack that covers a volume of hr_shape (z, y, x).

    spacing_mm: the volume's, one number or (z, y, x). Raises RenderError for an orientation that
    there is not.
    """
    order = _order(orientation)
    extent = (np.array(hr_shape) * np.broadcast_to(np.asarray(spacing_mm, float), 3))[list(order)]
    steps = np.array([thickness_mm + gap_mm, in_plane_mm, in_plane_mm])
    slices, rows, columns = (int(n) for n in np.ceil(extent / steps - 1e-6))
    return slices, rows, columns


def _order(orientation: str) -> tuple[int, int, int]:
    if orientation not in AXES:
        raise RenderError(f"orientation {orientation!r}; allowed: {', '.join(sorted(AXES))}")
    through = AXES[orientation]
    rows, columns = (axis for axis in range(3) if axis != through)
    return through, rows, columns
