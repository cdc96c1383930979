"""Brightness after the scan: gamma, contrast, a histogram matched to a reference's.

Black stays black in all three.
"""

from typing import Any

import numpy as np

QUANTILES = np.linspace(0, 1, 256)

FOOT = 5
"""The quantile (2 %) under which a histogram is not matched: a noisy brain's darkest voxels lie
among the air's noise, and would lift it to the reference's darkest tissue.
"""


def reference_quantiles(image: np.ndarray, label: np.ndarray) -> list[float]:
    """The 256 quantiles, from least to greatest, of an image within its brain (label > 0)."""
    return [float(q) for q in np.quantile(image[label > 0], QUANTILES)]


def adjust_tone(image: np.ndarray, brain: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
    """The image float32 with the parameters' gamma, contrast and histogram, in this order.

    brain: bool, where the brain's statistics are taken; without any, the image comes back.
    """
    if not brain.any():
        return image
    if (gamma := parameters.get("gamma", 1)) != 1:
        bright = max(float(np.percentile(image[brain], 99.5)), 1e-12)
        image = bright * (np.maximum(image, 0) / bright) ** gamma
    if (contrast := parameters.get("contrast", 1)) != 1:
        image = _contrast(image, float(image[brain].mean()), contrast)
    if "histogram" in parameters:
        image = _matched(image, brain, np.asarray(parameters["histogram"]["values"]))
    return image.astype(np.float32, copy=False)


def _contrast(image: np.ndarray, mean: float, contrast: float) -> np.ndarray:
    """Differences from the mean times contrast; where less, a steeper foot leads down to black."""
    line = mean + contrast * (image - mean)
    return np.maximum(line, 0) if contrast > 1 else np.minimum(line, image / contrast)


def _matched(image: np.ndarray, brain: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Values moved from the brain's quantiles to the reference's, in line to 0 below the foot."""
    own, first = np.unique(np.quantile(image[brain], QUANTILES[FOOT:]), return_index=True)
    wanted = np.interp(QUANTILES[FOOT:], np.linspace(0, 1, len(reference)), reference)[first]
    if own[0] > 0:
        own, wanted = np.r_[0, own], np.r_[0, wanted]
    return np.interp(image, own, wanted)
