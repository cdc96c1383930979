"""The label maps of an anatomy as a structure in it grows or shrinks along a flow.

Arrays are [z, y, x], spacing is mm (z, y, x).
"""

from collections.abc import Sequence

import numpy as np

from factory.anatomy.deformation.flow import FLOW_MM, Flow
from factory.anatomy.deformation.surfaces import Surfaces
from factory.anatomy.deformation.topology import change_keeping_topology
from factory.anatomy.deformation.warp import jacobian_determinant, pull_image, source_voxels
from factory.imaging.types import Shape, Spacing
from factory.storage.json_value import JsonObject


class Course:
    """The label maps on the way, step by step, with the topology of every tissue.

    Attributes:
        old: The label map before.
        spacing: mm (z, y, x), as the flow has it.
        flow: The displacement for every time.
        within: Voxels that may change, bool [z, y, x].
        solid: The labels whose volume changes only by what the flow takes from them.
        voxels: Number of voxels of each label before.
    """

    def __init__(
        self,
        old: np.ndarray,
        spacing: Spacing,
        flow: Flow,
        moving: list[int],
        within: np.ndarray,
        solid: Sequence[int],
    ) -> None:
        self.old, self.spacing, self.flow = old, spacing, flow
        self.within, self.solid = within, list(solid)
        self.voxel_mm3 = float(np.prod(spacing))
        self.voxels = np.bincount(old.ravel(), minlength=256)
        self.surfaces = Surfaces(old, moving)
        self.labels = [old]

    @property
    def shape(self) -> Shape:
        """The voxels (z, y, x)."""
        return self.old.shape[0], self.old.shape[1], self.old.shape[2]

    def volumes_after_loss(self, lost_voxels: float) -> dict[int, float]:
        """Return the voxels of each solid tissue after a loss that is proportional for all."""
        remaining = 1 - lost_voxels / max(1, self.voxels[self.solid].sum())
        return {value: remaining * self.voxels[value] for value in self.solid}

    def corrections(self, new: np.ndarray, lost_voxels: float) -> dict[int, float]:
        """Return the voxels that labels must have, where a goal misses them; by default none.

        Args:
            new: The goal.
            lost_voxels: What the solid tissues have lost in it.
        """
        return {}

    def goal_at(self, time: float) -> np.ndarray:
        """Return where the flow takes every tissue, without regard to topology."""
        places = source_voxels(self.flow.displacement(time), self.shape, self.spacing, FLOW_MM)
        lost = self.flow.lost_mm3(time) / self.voxel_mm3
        new = self.surfaces.pull(places, self.within, self.volumes_after_loss(lost))
        if volumes := self.corrections(new, lost):
            new = self.surfaces.pull(places, self.within, volumes)
        return new

    def label_at(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the label map at a time with its topology kept, and the goal at that time.

        It is changed in steps of 1, so that thin sheets can follow.
        """
        for step in range(len(self.labels), int(time) + 1):
            self.labels.append(change_keeping_topology(self.labels[-1], self.goal_at(step)))
        goal = self.goal_at(time)
        return change_keeping_topology(self.labels[int(time)], goal), goal

    def certificate(
        self, new: np.ndarray, goal: np.ndarray, displacement: np.ndarray
    ) -> JsonObject:
        """Return the extremes of the Jacobian at full resolution, and what topology prevented."""
        determinant = jacobian_determinant(displacement, self.shape, self.spacing, FLOW_MM)
        determinant = determinant[self.within]
        return {
            "jacobian_min": float(determinant.min()),
            "jacobian_max": float(determinant.max()),
            "voxels_held_by_topology": int((new != goal).sum()),
        }

    def warp_image(self, image: np.ndarray, where: np.ndarray, displacement: np.ndarray) -> None:
        """Pull an image, float32, along a displacement, in place, where a mask is.

        The image is [z, y, x] or [channel, z, y, x].
        """
        places = source_voxels(displacement, self.shape, self.spacing, FLOW_MM)
        image[..., where] = pull_image(image, places[:, where])
