"""A made-up brain that costs nothing to make, with thalami to find its plane by."""

import numpy as np

from factory.storage.subjects.types import FETA, Grid, Subject


def ellipsoid(semi_axes: tuple[float, float, float]) -> Subject:
    """White matter, its middle deep grey matter, at 2 mm; semi_axes (z, y, x) in voxels."""
    z, y, x = np.indices((44, 52, 44)) - np.array([22, 26, 22])[:, None, None, None]
    radius = np.sqrt(sum((a / s) ** 2 for a, s in zip((z, y, x), semi_axes, strict=True)))
    label = np.where(radius < 1, FETA.index("white_matter"), 0).astype(np.uint8)
    label[radius < 0.3] = FETA.index("deep_grey_matter")
    image = np.where(label > 0, 500 + 10 * y + 150 * np.sin(x / 3), 0).astype(np.float32)
    return Subject("made", label, Grid.centred((44, 52, 44), (2.0, 2.0, 2.0)), FETA, image)
