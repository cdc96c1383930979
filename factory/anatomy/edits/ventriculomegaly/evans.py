"""Ventricles of an adult head that are wider or narrower, to a value of Evans' index.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import numpy as np

from factory.anatomy.brain_labels import (
    OUTSIDE_SKULL,
    SIDES,
    fluid_name,
    lateral_ventricle_names,
)
from factory.anatomy.deformation.structure_growth import (
    SizeRequest,
    Surroundings,
    displace_structures,
)
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.measures.evans_index import evans_index as measure_index
from factory.anatomy.measures.evans_index import frontal_horns
from factory.anatomy.regions import tissue_mask
from factory.errors import AnatomyError
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

NAME = "ventriculomegaly"


def reach_evans_index(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    evans_index: float,
    parenchyma_loss_max: float = 0.1,
    image: np.ndarray | None = None,
) -> EditResult:
    """Let both lateral ventricles grow or shrink in a fixed skull until Evans' index has a value.

    Their wall moves the brain, and the CSF around it gives way or fills the room. The plexus keeps
    its volume. Every label keeps its components and its Euler number.

    Args:
        label: [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        evans_index: The index to reach, to within one voxel of the horns' width.
        parenchyma_loss_max: The share of the brain's volume that may be lost, label by label.
        image: [z, y, x] or None; not changed.

    Returns:
        New label, image (float32, or None) and a record: the index requested, before and achieved,
        the ventricles' volume before and after, the extremes of the Jacobian, the largest loss.

    Raises:
        AnatomyError: The head has no two frontal horns, or the index cannot be reached.
    """
    present = frontal_horns(label, spacing, table)
    if present is None:
        raise AnatomyError(f"{NAME}: the label map has no two frontal horns")
    sources = {side: tissue_mask(label, table, _ventricle_names(table, side)) for side in SIDES}
    fluid = fluid_name(table.names)
    fixed = [i for i, name in enumerate(table.names) if name in OUTSIDE_SKULL]
    request = SizeRequest(
        present=present.index,
        target=evans_index,
        tolerance=spacing[2] / present.skull_mm,
        words=f"an Evans index of {evans_index:.3g}",
        unit="",
        volume_ratio=(evans_index / present.index) ** 2,
    )
    moved = displace_structures(
        label, spacing, sources,
        Surroundings(tuple(fixed), (table.names.index(fluid),), parenchyma_loss_max, together=True),
        request, lambda new: measure_index(new, spacing, table) or 0.0, NAME,
    )  # fmt: skip
    moved.check(table, NAME)
    ml = float(np.prod(spacing)) / 1000
    names = [name for side in SIDES for name in _ventricle_names(table, side)]
    record: JsonObject = {
        "requested_evans_index": float(evans_index),
        "before_evans_index": present.index,
        "achieved_evans_index": measure_index(moved.label, spacing, table),
        "before_lateral_ventricles_ml": ml * int(tissue_mask(label, table, names).sum()),
        "achieved_lateral_ventricles_ml": ml * int(tissue_mask(moved.label, table, names).sum()),
    }
    record["parenchyma_loss"] = moved.loss_of_all()
    return moved.label, moved.warp_image(image), record | moved.certificate(table)


def _ventricle_names(table: LabelTable, side: str) -> list[str]:
    """List the labels of a side's ventricle without the plexus, which neither grows nor shrinks."""
    names = lateral_ventricle_names(table.names, side)
    return [name for name in names if "plexus" not in name]
