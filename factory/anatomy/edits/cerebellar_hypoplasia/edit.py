"""Make the cerebellum smaller, to a transcerebellar diameter; the posterior fossa stays.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import numpy as np
from scipy import ndimage

from factory.anatomy.deformation.invariants import check_invariants, volumes_before
from factory.anatomy.deformation.repaint import fill_with_fluid
from factory.anatomy.deformation.root_finding import Solution, solve_for_measure
from factory.anatomy.deformation.topology import change_keeping_topology
from factory.anatomy.edits.cerebellum import requested_diameter_mm
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.measures import transcerebellar_mm as measure_diameter_mm
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.channels import list_channels
from factory.storage.subjects.types import LabelTable

NAME = "cerebellar_hypoplasia"
MIN_SHARE = 0.3
"""The smallest share of the diameter that can remain."""
CEREBELLUM_TABLE = LabelTable(("background", "cerebellum"), ((0, 0, 0), (0, 0, 0)))
"""The labels of a map that has the cerebellum only."""
STEP_VOXELS = 1.0
CONTACT_MM = 3.0
"""Cerebellum at most this much further from the brainstem than its nearest voxel is in contact."""
AROUND_MM = 12.0
"""Distance from the cerebellum within which fluid is sought to fill an image with."""


def cerebellar_hypoplasia(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    transcerebellar_mm: float | None = None,
    share_of_norm: float | None = None,
    age_weeks: float | None = None,
    image: np.ndarray | None = None,
) -> EditResult:
    """Contract the cerebellum, in proportion, towards the place where it meets the brainstem.

    The diameter is reached within half a voxel. Everything else stays in place, even the brainstem,
    which is often small in such fetuses as well. What the cerebellum gives up becomes external CSF
    (background if the table has none), with the intensity of the nearest fluid in the image; so the
    cisterna magna and the space under the tentorium widen. The cerebellum keeps its topology.

    Args:
        label: uint8 [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        transcerebellar_mm: Diameter as measures.transcerebellar_mm defines it.
        share_of_norm: Instead of it, a share of the norm at age_weeks (growth_curves).
        age_weeks: The gestational age of the subject, or None if it is not known.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label (uint8), image (float32, or None) and a record: diameters, Jacobian and volumes.

    Raises:
        AnatomyError: There is no cerebellum, or the diameter is unclear or out of reach.
    """
    target_mm = requested_diameter_mm(NAME, transcerebellar_mm, share_of_norm, age_weeks)
    present_mm = measure_diameter_mm(label, spacing, table)
    if present_mm is None:
        raise AnatomyError(f"{NAME}: the label map has no cerebellum")
    tolerance_mm = spacing[2] / 2 + 1e-6
    if not MIN_SHARE * present_mm <= target_mm <= present_mm + tolerance_mm:
        allowed = f"this cerebellum allows {MIN_SHARE * present_mm:.1f} to {present_mm:.1f} mm"
        raise AnatomyError(f"{NAME}: transcerebellar_mm is {target_mm:.4g}; {allowed}")

    box = box_with_margin(
        label == table.index("cerebellum"), tuple(int(CONTACT_MM / s) + 2 for s in spacing)
    )
    contraction = _Contraction(label[box], spacing, table)
    solution = contraction.solve(target_mm, present_mm, tolerance_mm)
    new, painted = contraction.replace(label, image, box, solution.amount)
    achieved_mm = measure_diameter_mm(new, spacing, table)
    if achieved_mm is None or abs(achieved_mm - target_mm) > tolerance_mm:
        text = f"with unchanged topology it is {achieved_mm:.1f} mm"
        raise AnatomyError(f"{NAME}: {target_mm:.1f} mm requested; {text}")
    record: JsonObject = {
        "requested_transcerebellar_mm": target_mm,
        "achieved_transcerebellar_mm": achieved_mm,
        "before_transcerebellar_mm": present_mm,
        "scale": 1 - solution.amount,
        "evaluations": solution.evaluations,
        "jacobian_min": (1 - solution.amount) ** -3,
        **volumes_before(label, spacing, table),
    }
    return new, painted, record


class _Contraction:
    """The contraction of a cerebellum about its contact with the brainstem.

    Attributes:
        cerebellum: uint8 [z, y, x] of the box, 1 inside.
        anchor: The voxel (z, y, x) that stays in place.
    """

    def __init__(self, label: np.ndarray, spacing: Spacing, table: LabelTable) -> None:
        self.spacing, self.table = spacing, table
        self.cerebellum = (label == table.index("cerebellum")).astype(np.uint8)
        self.anchor = _contact_centre(label, spacing, table)

    def solve(self, target_mm: float, present_mm: float, tolerance_mm: float) -> Solution:
        """Find the contraction (0 for none, 1 for all) that gives a diameter."""

        def measure(amount: float) -> float:
            mask = self._contract(1 - amount)
            return measure_diameter_mm(mask, self.spacing, CEREBELLUM_TABLE) or 0.0

        nearest = "the nearest that can be reached is {nearest:.1f} mm"
        refusal = f"{NAME}: {target_mm:.1f} mm requested; {nearest}"
        first, most = 1 - target_mm / present_mm, 1 - 0.9 * MIN_SHARE
        return solve_for_measure(measure, target_mm, present_mm, tolerance_mm, first, most, refusal)

    def replace(
        self,
        label: np.ndarray,
        image: np.ndarray | None,
        box: tuple[slice, slice, slice],
        amount: float,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return a label map and an image with the contracted cerebellum; fluid fills the gap.

        box: The box of the cerebellum within them. Raises AnatomyError if the map folds.
        """
        names = self.table.names
        contracted = self._contract_keeping_topology(amount)
        check_invariants(self.cerebellum, contracted, CEREBELLUM_TABLE, (1 - amount) ** -3, NAME)
        gap = (self.cerebellum > 0) & (contracted == 0)
        new, painted = label.copy(), None if image is None else image.astype(np.float32)
        new[box][gap] = names.index("external_csf") if "external_csf" in names else 0
        if painted is not None and gap.any():
            inside = contracted > 0
            for channel in list_channels(painted):
                moved = self._pull(channel[box], 1 - amount, order=1)
                channel[box][inside] = moved[inside]
            _fill_gap(painted, label, box, gap, self.spacing, self.table)
        return new, painted

    def _contract_keeping_topology(self, amount: float) -> np.ndarray:
        """Return the contracted cerebellum, uint8 [z, y, x], in steps of about a voxel."""
        current: np.ndarray = self.cerebellum
        reach = max(np.max(np.abs(np.argwhere(self.cerebellum) - self.anchor)), 1.0)
        steps = int(np.ceil(amount * reach / STEP_VOXELS))
        for step in range(1, steps + 1):
            current = change_keeping_topology(current, self._contract(1 - amount * step / steps))
        return current

    def _pull(self, array: np.ndarray, scale: float, order: int = 0) -> np.ndarray:
        """Return an array contracted about the anchor, by splines of an order."""
        # Off by a quarter of a voxel: otherwise both sides move in step and every second width in
        # voxels is missed.
        off = np.array([0, 0, 0.25 if scale < 1 else 0.0])
        offset = self.anchor - (self.anchor + off) / scale
        pulled: np.ndarray = ndimage.affine_transform(
            array, np.full(3, 1 / scale), offset, order=order
        )
        return pulled

    def _contract(self, scale: float) -> np.ndarray:
        # Within itself: a hollow cerebellum must not move into what fills the hollow.
        contracted: np.ndarray = self._pull(self.cerebellum, scale) & self.cerebellum
        return contracted


def _contact_centre(label: np.ndarray, spacing: Spacing, table: LabelTable) -> np.ndarray:
    """Return the centre (z, y, x) of the cerebellum's part near the brainstem, in voxels."""
    cerebellum = label == table.index("cerebellum")
    near = cerebellum
    if "brainstem" in table.names and (stem := label == table.index("brainstem")).any():
        distance_mm = ndimage.distance_transform_edt(~stem, sampling=spacing)
        near = cerebellum & (distance_mm <= distance_mm[cerebellum].min() + CONTACT_MM)
    centre: np.ndarray = np.argwhere(near).mean(0)
    return centre


def _fill_gap(
    image: np.ndarray,
    label: np.ndarray,
    box: tuple[slice, slice, slice],
    gap: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
) -> None:
    """Paint the gap, in place, like the nearest fluid, or as background if there is no fluid."""
    wide = []
    for b, s in zip(box, spacing, strict=True):
        margin = int(AROUND_MM / s)
        wide.append(slice(max(0, b.start - margin), b.stop + margin))
    around = wide[0], wide[1], wide[2]
    gained = np.zeros(label.shape, bool)
    gained[box] = gap
    fluid = [i for i, n in enumerate(table.names) if n in ("external_csf", "ventricles")]
    image[..., gained] = 0
    if "external_csf" in table.names:
        fill_with_fluid(image[..., *around], np.isin(label[around], fluid), gained[around], spacing)
