"""Make a sheet of tissue thinner from one of its sides, e.g. a cortex, a muscle or a myocardium.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from factory.errors import AnatomyError
from factory.imaging.boxes import bounding_box
from factory.imaging.types import Spacing

SMOOTH_VOXELS = 0.7
"""Blur of distances, which change in steps between voxels: otherwise raster order breaks ties."""
CORRECTIONS = 4
"""How often the share of depth is corrected by the thickness that it gives."""


@dataclass(frozen=True)
class SheetSides:
    """Where the two sides of a sheet are, as distances between voxels' centres.

    Attributes:
        near_mm: To the side that the sheet loses to, [z, y, x].
        far_mm: To the other side.
    """

    near_mm: np.ndarray
    far_mm: np.ndarray


class Sheet:
    """A sheet of a label map, whose voxels are removed in the order of their depth.

    Attributes:
        label: The label map before.
        sheet: Where the sheet is, bool [z, y, x].
        depth: How deep each voxel lies in the sheet, from 0 on the side that loses to 1.
        removable: Indices of the voxels that can be removed, by depth.
    """

    def __init__(
        self,
        label: np.ndarray,
        spacing: Spacing,
        sheet: np.ndarray,
        sides: SheetSides,
        gains: np.ndarray,
        edit: str,
    ) -> None:
        """Order the voxels of a sheet.

        Args:
            label: [z, y, x].
            spacing: mm (z, y, x).
            sheet: Where the sheet is, bool [z, y, x].
            sides: Where its two sides are.
            gains: The labels of the side that it loses to, e.g. white matter of both sides; what
                is removed gets the nearest of them.
            edit: The name of the edit, for messages.
        """
        self.label, self.spacing, self.sheet, self.edit = label, spacing, sheet, edit
        self.gains = gains
        size_mm = [s for s, n in zip(spacing, label.shape, strict=True) if n > 1] or [spacing[0]]
        self.half_mm = float(np.mean(size_mm)) / 2
        far_mm = sides.far_mm
        last = ndimage.binary_dilation(far_mm == 0) | (far_mm < 1.2 * self.half_mm)
        near, far = (
            ndimage.gaussian_filter(d, SMOOTH_VOXELS) - self.half_mm
            for d in (sides.near_mm, far_mm)
        )
        self.depth = near / np.maximum(near + far, self.half_mm)
        removable = np.flatnonzero(sheet & ~last)
        self.removable = removable[np.argsort(self.depth.ravel()[removable], kind="stable")]

    def remove_share(self, share: float) -> np.ndarray:
        """Return the label map without a share of the sheet's volume."""
        return self._remove(round(share * int(self.sheet.sum())), f"share is {share:g}")

    def thin_to(
        self, target_mm: float, measure_mm: Callable[[np.ndarray], float | None], words: str
    ) -> tuple[np.ndarray, float, float]:
        """Return the label map with a mean thickness, and the thickness before and after, mm.

        Args:
            target_mm: The mean thickness to reach.
            measure_mm: The thickness of a label map.
            words: What the sheet is called in messages.
        """
        depths = np.sort(self.depth[self.sheet])
        tolerance_mm = min(self.spacing) / 2

        def thin(depth: float) -> np.ndarray:
            return self._remove(int(np.searchsorted(depths, depth)), f"{target_mm:g} mm requested")

        new = thin(0.0)
        before_mm = after_mm = measure_mm(new)
        if before_mm is None or not 0 < target_mm <= before_mm:
            text = "has no thickness" if before_mm is None else f"is {before_mm:.2f} mm thick"
            raise AnatomyError(
                f"{self.edit}: thickness_mm is {target_mm:g}; {words} {text}; "
                "allowed is more than 0, up to its thickness"
            )
        depth = 0.0
        for _ in range(CORRECTIONS):
            if after_mm is None or abs(after_mm - target_mm) <= tolerance_mm / 2:
                break
            depth += (after_mm - target_mm) / before_mm
            new = thin(depth)
            after_mm = measure_mm(new)
        if after_mm is None or abs(after_mm - target_mm) > tolerance_mm:
            raise AnatomyError(
                f"{self.edit}: {target_mm:g} mm requested; it comes to {after_mm} mm"
            )
        return new, before_mm, after_mm

    def achieved_share(self, new: np.ndarray) -> float:
        """Return the share of the sheet that a label map has lost."""
        return float((new != self.label).sum() / self.sheet.sum())

    def _remove(self, count: int, request: str) -> np.ndarray:
        """Return the label map without the first voxels by depth; raise AnatomyError if too many.

        request: What was requested, for the message.
        """
        if count > len(self.removable):
            most = len(self.removable) / self.sheet.sum()
            text = f"one voxel of depth stays, so the largest share is {most:.2f}"
            raise AnatomyError(f"{self.edit}: {request}; {text}")
        new = self.label.copy()
        lost = self.removable[:count]
        if len(self.gains) == 1 or not count:
            new.ravel()[lost] = self.gains[0]
            return new
        removed = np.zeros(new.shape, bool)
        removed.ravel()[lost] = True
        gaining = np.isin(self.label, self.gains)
        box = bounding_box(removed | gaining)
        nearest = ndimage.distance_transform_edt(
            ~gaining[box], sampling=self.spacing, return_distances=False, return_indices=True
        )
        here = removed[box]
        new[box][here] = self.label[box][tuple(axis[here] for axis in nearest)]
        return new
