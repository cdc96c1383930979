"""The sensitivity of the receive coils: a smooth, positive field whose mean in the brain is 1.

The field is the exponential of a polynomial, as in TorchIO's RandomBiasField; here it is scaled to
a given strength.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from scipy import optimize


@dataclass(frozen=True)
class BiasField:
    """The field exp(p) / scale, where p is a polynomial over the volume's box.

    Each side of the box is mapped to [-1, 1].

    Attributes:
        coefficients: Coefficients of p for the products of Legendre polynomials [z, y, x].
        scale: The mean of exp(p) in the brain.
        extent: mm between the centres of the first and the last voxel along (z, y, x).
        least: The field's minimum in the brain.
        most: The field's maximum in the brain.
    """

    coefficients: np.ndarray
    scale: float
    extent: np.ndarray
    least: float
    most: float

    def at(self, lines: list[np.ndarray]) -> np.ndarray:
        """Return the field, float64 [z, y, x], on a lattice.

        Args:
            lines: The lattice's positions in mm from the first voxel, one array each for z, y, x.
        """
        field: np.ndarray = np.exp(_evaluate_polynomial(self.coefficients, lines, self.extent))
        return field / self.scale


def draw_bias_field(
    order: int,
    strength: float,
    brain: np.ndarray,
    spacing: tuple[float, float, float],
    rng: np.random.Generator,
) -> BiasField:
    """Draw a field whose maximum in the brain exceeds its minimum by `strength`.

    Args:
        order: The degree of the polynomial, 1 to 5.
        strength: Maximum minus minimum of the field in the brain, where its mean is 1.
        brain: bool [z, y, x].
        spacing: mm (z, y, x).
        rng: The random stream of the defect.
    """
    degree = np.indices((order + 1,) * 3).sum(0)
    coefficients = rng.standard_normal(degree.shape) / np.maximum(degree, 1)
    coefficients[(degree == 0) | (degree > order)] = 0
    lines = [s * np.arange(n) for s, n in zip(spacing, brain.shape, strict=True)]
    extent = np.array([line[-1] for line in lines])
    inside = _evaluate_polynomial(coefficients, lines, extent)[brain]
    coefficients /= max(np.ptp(inside), 1e-12)
    inside /= max(np.ptp(inside), 1e-12)

    def excess(height: float) -> float:
        field = np.exp(height * inside)
        return float(np.ptp(field) / field.mean()) - strength

    # The excess grows with the height, from -strength to above 0 wherever the field varies at all.
    height = optimize.brentq(excess, 0, 30) if strength and np.ptp(inside) else 0.0
    field = np.exp(height * inside)
    scale = float(field.mean())
    bounds = float(field.min()) / scale, float(field.max()) / scale
    return BiasField(coefficients * height, scale, extent, *bounds)


def _evaluate_polynomial(
    coefficients: np.ndarray, lines: list[np.ndarray], extent: np.ndarray
) -> np.ndarray:
    z, y, x = (2 * line / max(side, 1e-6) - 1 for line, side in zip(lines, extent, strict=True))
    return np.asarray(legendre.leggrid3d(z, y, x, coefficients))
