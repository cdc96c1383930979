"""Make the cerebellum larger, to a transcerebellar diameter, and the posterior fossa with it.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import numpy as np

from factory.anatomy.deformation.invariants import check_clear_of_border, volumes_before
from factory.anatomy.deformation.structure_growth import (
    SizeRequest,
    Surroundings,
    displace_structures,
)
from factory.anatomy.edits.cerebellum import requested_diameter_mm
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.measures import transcerebellar_mm as measure_diameter_mm
from factory.anatomy.regions import tissue_mask
from factory.errors import AnatomyError
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

NAME = "cerebellar_growth"
MAX_RATIO = 1.6
"""The largest diameter over the present one."""


def cerebellar_growth(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    transcerebellar_mm: float | None = None,
    share_of_norm: float | None = None,
    age_weeks: float | None = None,
    parenchyma_loss_max: float = 0.1,
    image: np.ndarray | None = None,
) -> EditResult:
    """Let the cerebellum grow in proportion until its diameter is reached, to within a voxel.

    Its wall pushes what is around by a diffeomorphism: brainstem and cerebrum move, the external
    CSF gives way, and where little of it is left the skull moves outwards. So the small posterior
    fossa of a Chiari II malformation grows to that of a normal fetus. Every tissue keeps its
    components and its Euler number.

    Args:
        label: uint8 [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        transcerebellar_mm: Diameter as measures.transcerebellar_mm defines it.
        share_of_norm: Instead of it, a share of the norm at age_weeks (growth_curves); 1 is the
            50th percentile.
        age_weeks: The gestational age of the subject, or None if it is not known.
        parenchyma_loss_max: The share of the rest of the brain that may be lost, tissue by tissue.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label, image (float32, or None) and a record: diameters, volumes before, the extremes of
        the Jacobian, the changes of the head and of the external CSF, what was lost.

    Raises:
        AnatomyError: There is no cerebellum, the diameter is unclear or out of reach, or the head
            would leave the array.
    """
    target_mm = requested_diameter_mm(NAME, transcerebellar_mm, share_of_norm, age_weeks)
    present_mm = measure_diameter_mm(label, spacing, table)
    if present_mm is None:
        raise AnatomyError(f"{NAME}: the label map has no cerebellum")
    # A cerebellum whose halves are mirror images of each other widens by two voxels at once.
    tolerance_mm = spacing[2] + 1e-6
    if not present_mm - tolerance_mm <= target_mm <= MAX_RATIO * present_mm:
        words = f"this cerebellum allows {present_mm:.1f} to {MAX_RATIO * present_mm:.1f} mm"
        raise AnatomyError(f"{NAME}: transcerebellar_mm is {target_mm:.4g}; {words}")
    fluid, background = table.index("external_csf"), 0
    request = SizeRequest(
        present=present_mm,
        target=target_mm,
        tolerance=tolerance_mm,
        words=f"{target_mm:.1f} mm",
        unit="mm",
        volume_ratio=(target_mm / present_mm) ** 3,
    )
    moved = displace_structures(
        label, spacing, {"cerebellum": tissue_mask(label, table, ["cerebellum"])},
        Surroundings((), (fluid,), parenchyma_loss_max, together=True, reluctant=(background,)),
        request, lambda new: measure_diameter_mm(new, spacing, table) or 0.0, NAME,
    )  # fmt: skip
    moved.check(table, NAME)
    check_clear_of_border(label, moved.label, NAME)
    before, after = (np.bincount(a.ravel(), minlength=256) for a in (label, moved.label))
    record: JsonObject = {
        "requested_transcerebellar_mm": target_mm,
        "achieved_transcerebellar_mm": measure_diameter_mm(moved.label, spacing, table),
        "before_transcerebellar_mm": present_mm,
        **moved.certificate(table),
        "parenchyma_loss": moved.loss_of_all(),
        "external_csf_left": float(after[fluid] / before[fluid]) if before[fluid] else 1.0,
        "intracranial_change": float(after[1:].sum() / before[1:].sum() - 1),
        **volumes_before(label, spacing, table),
    }
    return moved.label, moved.warp_image(image), record
