"""How far apart two images are once one is turned and shifted onto the other, slices or volumes.

The distance is 1 − their correlation over every pixel where either is not black: 0 is a copy,
whatever its brightness and contrast.
"""

import contextlib
import math

import numpy as np
import SimpleITK as sitk

BLACK = 0.02
"""Of the 99.5th percentile: darker is background."""

ITERATIONS = 30
ANGLES = (0.0, -0.13, 0.13, -0.26, 0.26)
"""Radians by which a slice is turned before it is registered from the best of them."""

SAMPLED = 0.25
"""Of a volume's voxels, evenly spaced; of a slice all are taken."""


def correlation_distance(a: np.ndarray, b: np.ndarray) -> float:
    """1 − correlation where either is not black, 0 to 2; 1 where one of them does not vary."""
    seen = (a > BLACK) | (b > BLACK)
    x, y = a[seen].astype(float), b[seen].astype(float)
    if not len(x) or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 1.0
    x, y = x - x.mean(), y - y.mean()
    return float(1 - x @ y / math.sqrt((x @ x) * (y @ y)))


def align(moving: np.ndarray, fixed: np.ndarray) -> tuple[np.ndarray, float]:
    """`moving` turned and shifted onto `fixed`, both [y, x] or [z, y, x] of one shape, and the
    distance then: the least of as it lies, its mass on the other's, and registered from there.
    Slices are registered from the best of some ANGLES.

    Registration is rigid, by correlation, at half and at full resolution. The same every time.
    """
    found = [(moving, correlation_distance(moving, fixed))]
    if np.ptp(moving) < 1e-6 or np.ptp(fixed) < 1e-6 or moving.max() <= 0 or fixed.max() <= 0:
        return found[0]
    target, source = (sitk.GetImageFromArray(a.astype(np.float32)) for a in (fixed, moving))
    rigid = sitk.Euler2DTransform() if fixed.ndim == 2 else sitk.Euler3DTransform()
    moments = sitk.CenteredTransformInitializerFilter.MOMENTS
    start = sitk.CenteredTransformInitializer(target, source, rigid, moments)
    found.append(_moved(source, target, start, fixed))
    rigid.SetCenter([(side - 1) / 2 for side in target.GetSize()])
    best = start if found[1][1] < found[0][1] else rigid
    if fixed.ndim == 2:  # a descent does not find its way back from more than some ten degrees
        turned = [_turned(best, angle) for angle in ANGLES]
        best = min(turned, key=lambda way: _moved(source, target, way, fixed)[1])
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # sums of several threads differ from run to run
    method.SetMetricAsCorrelation()
    if fixed.ndim == 3:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(SAMPLED, seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0, minStep=0.05, numberOfIterations=ITERATIONS
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1, 0])
    method.SetInitialTransform(best, inPlace=False)
    with contextlib.suppress(RuntimeError):  # they came to lie apart: what was found before stands
        found.append(_moved(source, target, method.Execute(target, source), fixed))
    return min(found, key=lambda each: each[1])


def _turned(start: sitk.Transform, angle: float) -> sitk.Transform:
    rigid = sitk.Euler2DTransform(start)
    rigid.SetAngle(angle)
    return rigid


def _moved(
    source: sitk.Image, target: sitk.Image, transform: sitk.Transform, fixed: np.ndarray
) -> tuple[np.ndarray, float]:
    moved = sitk.GetArrayFromImage(sitk.Resample(source, target, transform, sitk.sitkLinear, 0.0))
    return moved, correlation_distance(moved, fixed)
