"""Change the brightness after the scan: gamma, contrast, a histogram matched to a reference.

Black stays black in all three.
"""

import numpy as np

from factory.imaging.intensities import intensity_unit
from factory.storage.json_value import JsonObject

QUANTILES = np.linspace(0, 1, 256)

FOOT = 5
"""The index of the quantile (2 %) below which a histogram is not matched.

The darkest voxels of a noisy brain are as dark as the noise in air. If they were matched, the air
would become as bright as the reference's darkest tissue.
"""


def reference_quantiles(image: np.ndarray, label: np.ndarray) -> list[float]:
    """Return the 256 quantiles, in ascending order, of an image in its brain (label > 0)."""
    return [float(q) for q in np.quantile(image[label > 0], QUANTILES)]


def adjust_tone(image: np.ndarray, brain: np.ndarray, parameters: JsonObject) -> np.ndarray:
    """Apply gamma, contrast and histogram, in this order, as far as they are given.

    Args:
        image: float32 [z, y, x].
        brain: bool of the same shape, where the brain's statistics are taken. If it is empty, the
            image is returned unchanged.
        parameters: The keys "gamma", "contrast" and "histogram" are used, all optional.
    """
    if not brain.any():
        return image
    if (gamma := parameters.get("gamma", 1)) != 1:
        bright = max(float(intensity_unit(image, brain)), 1e-12)
        image = bright * (np.maximum(image, 0) / bright) ** gamma
    if (contrast := parameters.get("contrast", 1)) != 1:
        image = _scale_contrast(image, float(image[brain].mean()), contrast)
    if "histogram" in parameters:
        image = _match_histogram(image, brain, np.asarray(parameters["histogram"]["values"]))
    return image.astype(np.float32, copy=False)


def _scale_contrast(image: np.ndarray, mean: float, contrast: float) -> np.ndarray:
    """Multiply the differences from the mean; below 1, a steeper line leads down to black."""
    line = mean + contrast * (image - mean)
    return np.maximum(line, 0) if contrast > 1 else np.minimum(line, image / contrast)


def _match_histogram(image: np.ndarray, brain: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Map the brain's quantiles to the reference's, and linearly to 0 below the foot."""
    sources, first = np.unique(np.quantile(image[brain], QUANTILES[FOOT:]), return_index=True)
    targets = np.interp(QUANTILES[FOOT:], np.linspace(0, 1, len(reference)), reference)[first]
    if sources[0] > 0:
        sources, targets = np.r_[0, sources], np.r_[0, targets]
    matched: np.ndarray = np.interp(image, sources, targets)
    return matched
