"""Remove the corpus callosum, all of it or its back part.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import math

import numpy as np

from factory.anatomy.deformation.repaint import repaint_changed
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.regions import midline_x
from factory.errors import AnatomyError
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

NAME = "corpus_callosum_agenesis"
TISSUE = "corpus_callosum"


def corpus_callosum_agenesis(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    share: float = 1.0,
    fissure_mm: float = 4.0,
    image: np.ndarray | None = None,
) -> EditResult:
    """Remove the corpus callosum from behind, over a share of its length.

    The corpus callosum forms from front to back, so its back is missing in a partial agenesis. It
    is replaced by external CSF within fissure_mm / 2 of the midline, since the interhemispheric
    fissure then reaches down to the roof of the third ventricle, and by white matter beyond, where
    the fibres that did not cross run lengthways. The ventricles keep their shape; for colpocephaly,
    use ventriculomegaly as well.

    Only the corpus callosum changes. A larger share removes what a smaller one does, and more; 0
    changes nothing.

    Args:
        label: uint8 [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        share: The share of its length that is missing, 0 to 1 (all of it).
        fissure_mm: Width of the fissure, 0 to 20 mm.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label (uint8), image (float32, or None) and a record.

    Raises:
        AnatomyError: The table or the label map has no corpus callosum, the table has no white
            matter or external CSF, or a parameter is out of range.
    """
    if not 0 <= share <= 1:
        raise AnatomyError(f"{NAME}: share is {share}; allowed are 0 to 1")
    if not (math.isfinite(fissure_mm) and 0 <= fissure_mm <= 20):
        raise AnatomyError(f"{NAME}: fissure_mm is {fissure_mm}; allowed are 0 to 20 mm")
    for name in (TISSUE, "white_matter", "external_csf"):
        if name not in table.names:
            raise AnatomyError(f"{NAME}: no {name} in the labels: {', '.join(table.names)}")
    callosum = label == table.index(TISSUE)
    if not callosum.any():
        raise AnatomyError(f"{NAME}: the label map has no {TISSUE}")
    rows = np.flatnonzero(callosum.any((0, 2)))
    from_behind = (np.arange(label.shape[1]) - rows[0]) / (rows[-1] - rows[0] + 1)
    missing = callosum & (from_behind < share)[:, None]
    z, y, x = np.nonzero(missing)
    off_midline_mm = np.abs(x - midline_x(label)[z, y]) * spacing[2]
    fluid = off_midline_mm <= fissure_mm / 2
    new = label.copy()
    new[z, y, x] = np.where(fluid, table.index("external_csf"), table.index("white_matter"))
    voxel_ml = float(np.prod(spacing)) / 1000
    record = {
        "requested_share": float(share),
        "before_volume_ml": float(callosum.sum() * voxel_ml),
        "lost_volume_ml": float(missing.sum() * voxel_ml),
        "to_external_csf_ml": float(fluid.sum() * voxel_ml),
    }
    return new, repaint_changed(image, label, new, spacing), record
