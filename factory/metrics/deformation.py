"""How far one plane must be deformed to become another (Jiao et al., section 3.2, made exact).

The deformation is a cubic B-spline free-form deformation (Rueckert et al. 1999) with control points
at a fixed spacing. It maximises the correlation of the two planes, without any penalty. The score
is the mean of |det J − 1| over the brain, divided by NORM, where J is the Jacobian of the
deformation: 0 where no area changes. The paper states neither the spacing nor the norm, so its
figures cannot be compared with this score.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

SPACING = 16
"""Pixels between control points."""

NORM = 0.5
"""The mean change of area that counts as 1. It was chosen before anything was scored."""

ITERATIONS = 30
"""Iterations of L-BFGS-B at half, and then at full resolution."""

SAMPLED = 0.3
"""The share of the pixels, evenly spaced, that are compared.

Comparing all of them changes the score less than another head does."""

Reference = tuple[np.ndarray, np.ndarray]
"""A real plane [row, column] in [-1, 1], and the mask of its brain."""

COLUMNS = ("what", "deformation", "sd", "least", "most", "planes")
"""The columns of a table of scores, in the order of `summary_row`."""


def deformation_score(
    moving: np.ndarray, fixed: np.ndarray, brain: np.ndarray, spacing: int = SPACING
) -> float:
    """Score how far one plane must be deformed to become another.

    Args:
        moving: The plane to deform, [row, column].
        fixed: The plane that it should become, [row, column].
        brain: The mask of the brain in `fixed`.
        spacing: Pixels between control points.

    Returns:
        The mean |det J − 1| over the brain, divided by NORM.

    Raises:
        ValueError: The shapes differ, the mask is empty, or a value is not finite.
    """
    return mean_area_change(displacement_field(moving, fixed, spacing), brain)


def displacement_field(moving: np.ndarray, fixed: np.ndarray, spacing: int = SPACING) -> np.ndarray:
    """Register one plane to another.

    Args:
        moving: The plane to deform, [row, column].
        fixed: The plane that it should become, [row, column].
        spacing: Pixels between control points.

    Returns:
        For each pixel of `fixed` the vector to its position in `moving`, [row, column, 2] in
        pixels, the component along columns first.

    Raises:
        ValueError: The shapes differ, or a value is not finite.
    """
    if moving.shape != fixed.shape or moving.ndim != 2:
        raise ValueError(f"planes of {moving.shape} and {fixed.shape}; allowed: two of one shape")
    if not (np.isfinite(moving).all() and np.isfinite(fixed).all()):
        raise ValueError("a plane holds values that are not finite")
    target, source = (sitk.GetImageFromArray(a.astype(np.float32)) for a in (fixed, moving))
    mesh = [math.ceil((side - 1) / spacing) for side in target.GetSize()]
    transform = sitk.BSplineTransformInitializer(target, mesh, order=3)
    # The correlation of a constant plane is undefined.
    if np.ptp(moving) > 1e-6 and np.ptp(fixed) > 1e-6:
        _spline_registration(transform).Execute(target, source)
    field = sitk.TransformToDisplacementFieldFilter()
    field.SetReferenceImage(target)
    return np.asarray(sitk.GetArrayFromImage(field.Execute(transform)))


def _spline_registration(transform: sitk.Transform) -> sitk.ImageRegistrationMethod:
    """Return a registration by correlation that changes a transform in place."""
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # with several threads, sums differ from run to run
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(SAMPLED, seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsLBFGSB(gradientConvergenceTolerance=1e-6, numberOfIterations=ITERATIONS)
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([2, 0])
    method.SetInitialTransform(transform, inPlace=True)
    # ITK would print a warning for each step that leaves the plane, though it is then rejected.
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return method


def mean_area_change(field: np.ndarray, brain: np.ndarray) -> float:
    """Return the mean |det J − 1| of a displacement field over a mask, divided by NORM.

    Args:
        field: Displacements in pixels, [row, column, 2].
        brain: The mask, [row, column].

    Raises:
        ValueError: The mask is empty.
    """
    if not brain.any():
        raise ValueError("the mask of the brain is empty")
    jacobian = sitk.DisplacementFieldJacobianDeterminant(
        sitk.GetImageFromArray(field.astype(np.float64), isVector=True)
    )
    change = np.abs(sitk.GetArrayFromImage(jacobian) - 1)
    return float(change[brain].mean() / NORM)


def mean_deformation(plane: np.ndarray, references: Sequence[Reference]) -> float:
    """Return the mean score of deforming a plane into each of the references."""
    scores = [
        deformation_score(orient_like(plane, real), real, brain) for real, brain in references
    ]
    return float(np.mean(scores))


def pairwise_deformations(references: Sequence[Reference]) -> list[float]:
    """Return the scores of deforming each reference into each other one."""
    pairs = itertools.permutations(references, 2)
    return [deformation_score(orient_like(a, b), b, brain) for (a, _), (b, brain) in pairs]


def orient_like(plane: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Flip a plane along its rows, its columns, both or neither, to correlate best with another.

    This is needed because the ellipse that outlines a head does not tell front from back.
    """
    flips = [np.flip(plane, axes) for axes in ((), (0,), (1,), (0, 1))]
    centred = (reference - reference.mean()).ravel()
    return max(flips, key=lambda flip: float((flip - flip.mean()).ravel() @ centred))


def summary_row(what: str, scores: Sequence[float] | np.ndarray) -> tuple:
    """Return a row of a table with COLUMNS: the name, mean, SD, least, largest and number."""
    values = np.asarray(scores, float)
    return (what, values.mean(), values.std(), values.min(), values.max(), len(values))
