"""The receive coils' sensitivity: smooth, positive, of mean 1 in the brain.

The exponential of a polynomial, as in TorchIO's RandomBiasField; here scaled to a stated
strength.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from scipy import optimize


@dataclass(frozen=True)
class BiasField:
    """exp(p) / scale, where p is a polynomial over the volume's box, each side mapped to [-1, 1].

    coefficients: of Legendre products [z, y, x]. extent: mm between the box's outermost voxels'
    centres (z, y, x). least and most: the field's bounds within the brain.
    """

    coefficients: np.ndarray
    scale: float
    extent: np.ndarray
    least: float
    most: float

    def at(self, lines: list[np.ndarray]) -> np.ndarray:
        """float64 [z, y, x] on a lattice of positions in mm, one array an axis (z, y, x)."""
        return np.exp(_polynomial(self.coefficients, lines, self.extent)) / self.scale


def draw_bias_field(
    order: int,
    strength: float,
    brain: np.ndarray,
    spacing: tuple[float, float, float],
    rng: np.random.Generator,
) -> BiasField:
    """A field whose greatest value within the brain (bool [z, y, x]) is `strength` above its least.

    order: the polynomial's degree, 1–5. spacing: mm (z, y, x).
    """
    degree = np.indices((order + 1,) * 3).sum(0)
    coefficients = rng.standard_normal(degree.shape) / np.maximum(degree, 1)
    coefficients[(degree == 0) | (degree > order)] = 0
    lines = [s * np.arange(n) for s, n in zip(spacing, brain.shape, strict=True)]
    extent = np.array([line[-1] for line in lines])
    inside = _polynomial(coefficients, lines, extent)[brain]
    coefficients /= max(np.ptp(inside), 1e-12)
    inside /= max(np.ptp(inside), 1e-12)

    def excess(height: float) -> float:
        field = np.exp(height * inside)
        return np.ptp(field) / field.mean() - strength

    # The excess grows with the height, from -strength to above 0 wherever the field varies at all.
    height = optimize.brentq(excess, 0, 30) if strength and np.ptp(inside) else 0.0
    field = np.exp(height * inside)
    scale = float(field.mean())
    bounds = float(field.min()) / scale, float(field.max()) / scale
    return BiasField(coefficients * height, scale, extent, *bounds)


def _polynomial(
    coefficients: np.ndarray, lines: list[np.ndarray], extent: np.ndarray
) -> np.ndarray:
    z, y, x = (2 * line / max(side, 1e-6) - 1 for line, side in zip(lines, extent, strict=True))
    return np.asarray(legendre.leggrid3d(z, y, x, coefficients))
