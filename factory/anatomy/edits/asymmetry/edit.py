"""Make one cerebral hemisphere, or its lateral ventricle, smaller or larger.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

from dataclasses import dataclass

import edt
import numpy as np

from factory.anatomy.brain_labels import (
    BELOW_TENTORIUM,
    cerebrum_names,
    fluid_name,
    lateral_ventricle_names,
    names_within_skull,
)
from factory.anatomy.deformation.invariants import check_invariants, volumes_before
from factory.anatomy.deformation.repaint import fill_with_fluid
from factory.anatomy.deformation.root_finding import solve_for_measure
from factory.anatomy.deformation.velocity import (
    EASE_MM,
    Warped,
    node_offsets_mm,
    sample_at_nodes,
    smoothstep,
    swelling_velocity,
    warp_keeping_topology,
    warp_label,
    weight_below_skull,
)
from factory.anatomy.deformation.warp import pull_image, pull_label
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.lateral_ventricles import lateral_ventricles
from factory.anatomy.regions import midline_x, tissue_mask
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

NAME = "asymmetry"
SIDES = ("left", "right")
LIMITS = {"hemisphere_share": (-0.4, 0.2), "ventricle_share": (-0.6, 1.5)}
MAX_AMOUNT = {"hemisphere_share": 0.8, "ventricle_share": 12.0}
"""How far a velocity is followed at most: as a logarithm of lengths, and in mm."""
TOLERANCE = 0.02
MIDLINE_MM = 12.0
"""Distance from the midline at which the scaling of a hemisphere has its full strength."""
TENTORIUM_MM = 14.0
"""Distance from cerebellum and brainstem at which it has its full strength."""
WALL_MM = 4.0
"""Distance from the ventricle's wall within which the white matter gives way."""
ATTEMPTS = 3
"""How often the target is corrected if topology blocks a part of the change."""


def asymmetry(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    side: str,
    hemisphere_share: float | None = None,
    ventricle_share: float | None = None,
    image: np.ndarray | None = None,
) -> EditResult:
    """Change the volume of one hemisphere by a share, then that of its lateral ventricle.

    The skull stays in place. The hemisphere is scaled about the midline; the scaling fades towards
    the other side and spares cerebellum and brainstem. The space that a smaller hemisphere leaves
    becomes external CSF, or background; a larger one grows into the external CSF. The white matter
    around the ventricle makes room for it, or fills what it leaves.

    Each share is reached within 0.02. The topology of all tissues but the external CSF stays.

    Args:
        label: uint8 [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        side: "left" or "right", the patient's.
        hemisphere_share: By how much grey, white and deep grey matter and ventricle of that side
            change together, -0.4 to 0.2 of their volume.
        ventricle_share: By how much the lateral ventricle changes, -0.6 to 1.5 of its original
            volume. By default it changes along with its hemisphere.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label (uint8), image (float32, or None) and a record: shares, Jacobian and volumes.

    Raises:
        AnatomyError: A share cannot be reached, the side has no such structure, or a parameter is
            out of range.
    """
    shares = _requested_shares(side, hemisphere_share, ventricle_share)
    if not (label > 0).any():
        raise AnatomyError(f"{NAME}: the label map is empty")
    box = box_with_margin(label > 0, tuple(int(EASE_MM / s) + 1 for s in spacing))
    skull = tissue_mask(label[box], table, names_within_skull(table.names))
    half = _Half(side, skull, _distance_into_side_mm(label, spacing, side)[box], spacing, table)
    # A shrinking brain draws in what lies outside the skull, so let that be CSF.
    new = np.where(half.skull, label[box], label.dtype.type(half.csf))
    painted = None if image is None else image.astype(np.float32)
    record: JsonObject = {"jacobian_min": 1.0, "jacobian_max": 1.0}
    before = {name: int(half.structure(name, new).sum()) for name in shares}
    for name, share in shares.items():
        if not before[name]:
            raise AnatomyError(f"{NAME}: nothing for {name} to change on the {side} side")
        warped, achieved = half.change_volume(name, new, share, before[name])
        new = warped.label
        record |= {f"requested_{name}": share, f"achieved_{name}": achieved}
        record["jacobian_min"] = min(record["jacobian_min"], warped.jacobian_min)
        record["jacobian_max"] = max(record["jacobian_max"], warped.jacobian_max)
        if painted is not None:
            half.warp_image(painted[..., *box], warped)
    edited = label.copy()
    edited[box][half.skull] = new[half.skull]
    check_invariants(
        label, edited, table, record["jacobian_min"], NAME, free=(fluid_name(table.names),)
    )
    return edited, painted, record | volumes_before(label, spacing, table)


def _requested_shares(
    side: str, hemisphere: float | None, ventricle: float | None
) -> dict[str, float]:
    """Return the requested shares by name; raise AnatomyError if one is out of range."""
    if side not in SIDES:
        raise AnatomyError(f"{NAME}: side is {side!r}; allowed are {', '.join(SIDES)}")
    parameters = {"hemisphere_share": hemisphere, "ventricle_share": ventricle}
    shares = {name: float(share) for name, share in parameters.items() if share is not None}
    if not shares:
        raise AnatomyError(f"{NAME}: no hemisphere_share and no ventricle_share is given")
    for name, share in shares.items():
        low, high = LIMITS[name]
        if not low <= share <= high:
            raise AnatomyError(f"{NAME}: {name} is {share:g}; allowed are {low:g} to {high:g}")
    return shares


def _distance_into_side_mm(label: np.ndarray, spacing: Spacing, side: str) -> np.ndarray:
    """Return the distance from the midline into a side, negative beyond it, float32 [z, y, x]."""
    voxels = np.arange(label.shape[2]) - midline_x(label)[:, :, None]
    distance_mm: np.ndarray = voxels * (-spacing[2] if side == "left" else spacing[2])
    return distance_mm.astype(np.float32)


@dataclass(frozen=True)
class _Half:
    """The half of a head that is edited.

    Attributes:
        side: "left" or "right".
        skull: Everything within the skull, bool [z, y, x].
        into_mm: Distance from the midline into the side, negative on the other.
        spacing: mm (z, y, x).
        table: What labels mean.
    """

    side: str
    skull: np.ndarray
    into_mm: np.ndarray
    spacing: Spacing
    table: LabelTable

    @property
    def csf(self) -> int:
        """The label of the external CSF, or of the background if the table has none."""
        return self.table.names.index(fluid_name(self.table.names))

    def structure(self, name: str, label: np.ndarray) -> np.ndarray:
        """Return the side's hemisphere, or its lateral ventricle, bool [z, y, x]."""
        names = self.table.names
        if name == "ventricle_share" and "ventricles" not in names:
            return tissue_mask(label, self.table, lateral_ventricle_names(names, self.side))
        if name == "ventricle_share":
            # The CSF outside the skull would move the midline, which is found from the head.
            head = np.where(label == self.csf, label.dtype.type(0), label)
            return lateral_ventricles(head, self.spacing, self.table) & (self.into_mm > 0)
        return tissue_mask(label, self.table, cerebrum_names(names)) & (self.into_mm > 0)

    def _ventricles(self, label: np.ndarray) -> np.ndarray:
        """Return what swells or shrinks: all ventricles, or the lateral one of the side."""
        names = self.table.names
        sided = lateral_ventricle_names(names, self.side)
        return tissue_mask(label, self.table, ("ventricles",) if "ventricles" in names else sided)

    def change_volume(
        self, name: str, label: np.ndarray, share: float, volume: int
    ) -> tuple[Warped, float]:
        """Warp the head so that a structure's volume changes by a share; return the share achieved.

        volume: Voxels of the structure before any edit.
        """
        structure = self.structure(name, label)
        if name == "hemisphere_share":
            velocity = self._scaling_velocity(structure, label, larger=share > 0)
        else:
            velocity = self._ventricle_velocity(label)
        target, tolerance = share, TOLERANCE * max(1.0, 1 + share)
        for _ in range(ATTEMPTS):
            amount = self._solve_amount(name, structure, volume, velocity, target)
            along = velocity * np.float32(amount)
            warped = warp_keeping_topology(label, self.spacing, along, self.skull)
            achieved = float(self.structure(name, warped.label).sum() / volume - 1)
            if abs(achieved - share) <= tolerance / 2:
                break
            target += share - achieved
        if abs(achieved - share) > tolerance:
            text = f"with unchanged topology it is {achieved:.2f}"
            raise AnatomyError(f"{NAME}: {name} is {share:g}; {text}")
        return warped, achieved

    def warp_image(self, image: np.ndarray, warped: Warped) -> None:
        """Warp the image, in place, within the skull; fluid fills what is drawn in from outside."""
        drawn_in = self.skull & ~pull_label(self.skull, warped.places)
        image[..., self.skull] = pull_image(image, warped.places[:, self.skull])
        if self.csf:
            fluid = (warped.label == self.csf) & self.skull & ~drawn_in
            fill_with_fluid(image, fluid, drawn_in, self.spacing)

    def _ventricle_velocity(self, label: np.ndarray) -> np.ndarray:
        """Return the velocity that swells the ventricles of the side."""
        ventricles = self._ventricles(label)
        velocity: np.ndarray = swelling_velocity(ventricles, self.spacing, WALL_MM)
        velocity = velocity * weight_below_skull(self.skull, self.spacing)
        velocity *= smoothstep(sample_at_nodes(self.into_mm, self.spacing), MIDLINE_MM / 2)
        return velocity

    def _scaling_velocity(
        self, hemisphere: np.ndarray, label: np.ndarray, larger: bool
    ) -> np.ndarray:
        """Return the velocity that enlarges a hemisphere about the midline beside its centre."""
        into_mm, spacing, names = self.into_mm, self.spacing, self.table.names
        z, y, x = (float(i) for i in np.argwhere(hemisphere).mean(0))
        middle = x - into_mm[round(z), round(y), round(x)] / spacing[2] * (
            1 if into_mm[0, 0, -1] > into_mm[0, 0, 0] else -1
        )
        weight = smoothstep(sample_at_nodes(into_mm, spacing), MIDLINE_MM)
        below = np.isin(label, [names.index(n) for n in BELOW_TENTORIUM if n in names])
        if below.any():
            distance_mm = edt.edt(~below, anisotropy=spacing)
            weight *= smoothstep(sample_at_nodes(distance_mm, spacing), TENTORIUM_MM)
        if larger:
            weight *= weight_below_skull(self.skull, spacing)
        velocity: np.ndarray = -weight * node_offsets_mm(label.shape, spacing, (z, y, middle))
        return velocity

    def _solve_amount(
        self, name: str, structure: np.ndarray, volume: int, velocity: np.ndarray, share: float
    ) -> float:
        """Return how far to follow a velocity (backwards if negative) to reach a share."""
        present = structure.sum() / volume - 1
        sign = 1.0 if share > present else -1.0

        def measure(amount: float) -> float:
            moved, _ = warp_label(structure, self.spacing, velocity * np.float32(sign * amount))
            return float((moved & (self.into_mm > 0)).sum() / volume - 1)

        refusal = f"{NAME}: {name} is {share:g}; the nearest this head allows is {{nearest:.2f}}"
        most, tolerance = MAX_AMOUNT[name], TOLERANCE * max(1.0, 1 + share)
        arguments = (most / 8, most, refusal)
        try:
            solution = solve_for_measure(measure, share, present, tolerance / 3, *arguments)
        except AnatomyError:  # coarse voxels change in steps, which may miss the narrow tolerance
            solution = solve_for_measure(measure, share, present, tolerance, *arguments)
        return sign * solution.amount
