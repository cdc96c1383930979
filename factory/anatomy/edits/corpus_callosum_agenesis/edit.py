"""A corpus callosum that is missing, all of it or its back part.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import math
from typing import Any

import numpy as np

from factory.anatomy.deformation.repaint import repainted
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
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """The corpus callosum taken away from behind, over a share of its length (1: all of it).

    It forms from its front backwards, so that what is missing in a partial agenesis is its back.
    What replaces it: external CSF within fissure_mm / 2 of the midline, since the interhemispheric
    fissure then reaches down to the roof of the third ventricle; white matter beyond, where fibres
    that did not cross run on lengthways. Ventricles keep their shape: colpocephaly is for
    ventriculomegaly to make.

    Invariants: only the corpus callosum changes; a larger share takes what a smaller one took and
    more; 0 changes nothing. Returns new label (uint8), image (float32, or None) and a record.
    Inputs stay as they are. Raises AnatomyError for a table or label map without a corpus
    callosum, a table without white matter or external CSF, and a parameter out of range.
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
    off_midline = np.abs(x - midline_x(label)[z, y]) * spacing[2]
    fluid = off_midline <= fissure_mm / 2
    new = label.copy()
    new[z, y, x] = np.where(fluid, table.index("external_csf"), table.index("white_matter"))
    ml = float(np.prod(spacing)) / 1000
    record = {
        "requested_share": float(share),
        "before_volume_ml": float(callosum.sum() * ml),
        "lost_volume_ml": float(missing.sum() * ml),
        "to_external_csf_ml": float(fluid.sum() * ml),
    }
    return new, repainted(image, label, new, spacing), record
