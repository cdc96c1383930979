"""How far one plane must be deformed to become another (Jiao et al., section 3.2, made exact).

The deformation is a cubic B-spline free-form deformation (Rueckert et al. 1999), its control
points at a fixed spacing, found by the correlation of the two planes with no further penalty. The
score is the mean of |det J − 1| over the brain, J being its Jacobian: 0 where nothing changes its
area, divided by NORM. The paper says neither spacing nor norm, so its figures are no yardstick.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

SPACING = 16
"""Pixels between control points."""

NORM = 0.5
"""A mean change of area by half counts as 1. Chosen before anything was scored."""

ITERATIONS = 30
"""Of L-BFGS-B, at half resolution and then at full."""

SAMPLED = 0.3
"""Of the pixels, evenly spaced: all of them change the score by less than one head does."""


def deformation_score(
    moving: np.ndarray, fixed: np.ndarray, brain: np.ndarray, spacing: int = SPACING
) -> float:
    """The score of deforming `moving` into `fixed`, both [row, column], over the mask `brain` of
    the latter. Raises ValueError where shapes differ, the mask is empty or a value is not finite.
    """
    field = displacement_field(moving, fixed, spacing)
    return mean_area_change(field, brain)


def displacement_field(moving: np.ndarray, fixed: np.ndarray, spacing: int = SPACING) -> np.ndarray:
    """Where in `moving` each pixel of `fixed` is found, less the pixel's own place:
    (rows, columns, 2) in pixels, columns first."""
    if moving.shape != fixed.shape or moving.ndim != 2:
        raise ValueError(f"planes of {moving.shape} and {fixed.shape}; allowed: two of one shape")
    if not (np.isfinite(moving).all() and np.isfinite(fixed).all()):
        raise ValueError("a plane holds values that are not finite")
    target, source = (sitk.GetImageFromArray(a.astype(np.float32)) for a in (fixed, moving))
    mesh = [math.ceil((side - 1) / spacing) for side in target.GetSize()]
    start = sitk.BSplineTransformInitializer(target, mesh, order=3)
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # sums of several threads differ from run to run
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(SAMPLED, seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsLBFGSB(gradientConvergenceTolerance=1e-6, numberOfIterations=ITERATIONS)
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([2, 0])
    method.SetInitialTransform(start, inPlace=True)
    # steps out of the plane are tried and left again; ITK would print each
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    # of a plane without contrast there is no correlation to rise
    if np.ptp(moving) > 1e-6 and np.ptp(fixed) > 1e-6:
        method.Execute(target, source)
    filled = sitk.TransformToDisplacementFieldFilter()
    filled.SetReferenceImage(target)
    return np.asarray(sitk.GetArrayFromImage(filled.Execute(start)))


def mean_area_change(field: np.ndarray, brain: np.ndarray) -> float:
    """The mean |det J − 1| of a displacement (rows, columns, 2) over a mask, divided by NORM."""
    if not brain.any():
        raise ValueError("the mask of the brain is empty")
    jacobian = sitk.DisplacementFieldJacobianDeterminant(
        sitk.GetImageFromArray(field.astype(np.float64), isVector=True)
    )
    change = np.abs(sitk.GetArrayFromImage(jacobian) - 1)
    return float(change[brain].mean() / NORM)


Reference = tuple[np.ndarray, np.ndarray]
"""A real plane [row, column] in [-1, 1], and the mask of its brain."""


COLUMNS = ("what", "deformation", "sd", "least", "most", "planes")


def mean_deformation(plane: np.ndarray, against: Sequence[Reference]) -> float:
    """The mean score of a plane over the references."""
    found = [deformation_score(orient_like(plane, real), real, brain) for real, brain in against]
    return float(np.mean(found))


def pairwise_deformations(against: Sequence[Reference]) -> list[float]:
    """The scores of every reference, deformed into every other."""
    pairs = itertools.permutations(against, 2)
    return [deformation_score(orient_like(a, b), b, brain) for (a, _), (b, brain) in pairs]


def orient_like(plane: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The plane turned front to back, mirrored, both or neither, whichever correlates best with a
    reference: an ellipse does not say how a head lies."""
    ways = [np.flip(plane, axes) for axes in ((), (0,), (1,), (0, 1))]
    wanted = (reference - reference.mean()).ravel()
    return max(ways, key=lambda way: float((way - way.mean()).ravel() @ wanted))


def summary_row(what: str, scores: Sequence[float] | np.ndarray) -> tuple:
    values = np.asarray(scores, float)
    return (what, values.mean(), values.std(), values.min(), values.max(), len(values))
