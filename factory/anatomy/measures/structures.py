"""Measures of any label or region: its extents, its largest width, and its pieces and holes.

A structure is a label of the table or a region of the recipe. One that the label map lacks has no
extent and no width (None), and no pieces.
"""

from collections.abc import Iterable, Sequence

import edt
import nibabel as nib
import numpy as np
from scipy import ndimage

from factory.anatomy.measures.connectivity import count_pieces, euler_of_mask
from factory.anatomy.measures.inscribed_sphere import largest_radius_mm
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

Box = tuple[slice, ...]

AXES = ("rl", "ap", "si")
"""Right to left, anterior to posterior, superior to inferior: the axes x, y, z of the world."""


class Structures:
    """The structures of a label map, each in its own box, so that many of them are quick."""

    def __init__(self, label: np.ndarray, spacing: Spacing, table: LabelTable) -> None:
        """Find the box of every label.

        Args:
            label: [z, y, x], with a rim of background: see `factory.imaging.boxes.crop_with_rim`.
            spacing: mm (z, y, x).
            table: What its values mean, and the regions.
        """
        self.label, self.spacing, self.table = label, spacing, table
        self.boxes: list[Box | None] = [
            None,
            *ndimage.find_objects(label, max(1, len(table.names) - 1)),
        ]

    @property
    def names(self) -> tuple[str, ...]:
        """All labels but the background, then the regions."""
        return (*self.table.names[1:], *(name for name, _ in self.table.regions))

    def values(self, name: str) -> list[int]:
        """Return the values of a structure; none if the table lacks it."""
        known_names = (*self.table.names, *(region for region, _ in self.table.regions))
        return self.table.values_of(name) if name in known_names else []

    def box(self, name: str) -> Box | None:
        """Return the smallest box of a structure, None if it is nowhere."""
        boxes = [box for value in self.values(name) if (box := self.boxes[value])]
        if not boxes:
            return None
        return tuple(
            slice(min(side.start for side in sides), max(side.stop for side in sides))
            for sides in zip(*boxes, strict=True)
        )

    def mask(self, name: str) -> np.ndarray:
        """Return a structure in its box with a rim of one voxel, bool [z, y, x]."""
        box = self.box(name)
        if box is None:
            return np.zeros((2, 2, 2), bool)
        values = np.array(self.values(name), self.label.dtype)
        inside = self.label[box] == values[0] if len(values) == 1 else np.isin(
            self.label[box], values, kind="table"
        )  # fmt: skip
        return np.pad(inside, 1)

    def extents_mm(
        self, names: Iterable[str], affine: np.ndarray, is_flat: bool = False
    ) -> dict[str, float | None]:
        """Return the sides of each structure's box, mm, by "<axis>_mm_<name>".

        The axis of the array is named after the axis of the world that is nearest to it: "rl"
        (right to left), "ap" (anterior to posterior) or "si" (superior to inferior).

        Args:
            names: Of the structures.
            affine: 4×4, voxel (x, y, z) to RAS+ mm.
            is_flat: Whether the map is a single slice, which has no extent across.
        """
        columns: dict[str, float | None] = {}
        for name in names:
            box = self.box(name)
            sides_mm: list[float | None] = [None] * 3
            if box is not None:
                sides_mm = [(b.stop - b.start) * s for b, s in zip(box, self.spacing, strict=True)]
                if is_flat:
                    sides_mm[0] = None
            by_axis = dict(zip(nearest_axes(affine), sides_mm, strict=True))
            columns |= {f"{axis}_mm_{name}": by_axis[axis] for axis in AXES}
        return columns

    def pieces(self, names: Iterable[str]) -> dict[str, int]:
        """Count the 26-connected components of each structure."""
        return {name: count_pieces(self.mask(name)) for name in names}

    def euler_numbers(self, names: Iterable[str]) -> dict[str, int]:
        """Return components - tunnels + cavities of each structure."""
        return {name: euler_of_mask(self.mask(name)) for name in names}

    def largest_widths_mm(
        self, names: Sequence[str], is_flat: bool = False
    ) -> dict[str, float | None]:
        """Return the diameter of the largest sphere that fits in each structure, mm.

        This is the width of a ventricle, the thickness of a wall and the short diameter of an
        organ, whichever way it lies. In a single slice it is the largest circle's. A slab or a
        block of n voxels is n voxels wide; curved structures are right to about a voxel.
        """
        labels = [name for name in names if name in self.table.names]
        depth_mm = self._depths_mm(labels, is_flat) if len(labels) > 1 else None
        widths: dict[str, float | None] = {}
        for name in names:
            box, inside = self.box(name), self.mask(name)
            if box is None:
                widths[name] = None
                continue
            spacing = self.spacing
            if depth_mm is not None and name in labels:
                depth = np.pad(depth_mm[box], 1) * inside
            else:
                depth = _depth_mm(inside.view(np.uint8), spacing, is_flat)
            if is_flat:
                inside, depth, spacing = inside[1], depth[1], spacing[1:]  # type: ignore[assignment]
            widths[name] = 2 * largest_radius_mm(inside, depth, spacing)
        return widths

    def _depths_mm(self, names: Iterable[str], is_flat: bool) -> np.ndarray:
        """Return the distance from within each label to the nearest voxel beyond it, mm."""
        values = [value for name in names for value in self.values(name)]
        others = ~np.isin(np.arange(len(self.table.names)), values)
        lookup = np.arange(len(self.table.names), dtype=self.label.dtype)
        lookup[others] = 0
        return _depth_mm(lookup[self.label], self.spacing, is_flat)


def nearest_axes(affine: np.ndarray) -> list[str]:
    """Return for each axis of an array [z, y, x] the nearest axis of the world, one of AXES.

    Args:
        affine: 4×4, voxel (x, y, z) to RAS+ mm.
    """
    order = nib.orientations.io_orientation(affine)[:, 0]
    return [AXES[int(axis)] for axis in order[::-1]]


def _depth_mm(label: np.ndarray, spacing: Spacing, is_flat: bool) -> np.ndarray:
    """Return the distance from within each label to the nearest voxel beyond it, mm."""
    if not is_flat:
        return np.asarray(edt.edt(np.ascontiguousarray(label), anisotropy=spacing))
    depth = np.zeros(label.shape, np.float32)
    plane = np.ascontiguousarray(label[1])
    depth[1] = edt.edt(plane, anisotropy=spacing[1:])
    return depth
