"""The distance between two slices or volumes after one is rigidly aligned with the other.

The distance is 1 − correlation over all pixels where either image is not black. It is 0 for a copy,
whatever its brightness and contrast.
"""

import contextlib
import math

import numpy as np
import SimpleITK as sitk

BLACK = 0.02
"""Intensities up to this one, relative to the 99.5th percentile, are background."""

ITERATIONS = 30
"""Steps of the optimiser at each resolution."""

ANGLES = (0.0, -0.13, 0.13, -0.26, 0.26)
"""Rotations of a slice, in radians, of which the best starts the registration."""

SAMPLED = 0.25
"""The share of a volume's voxels, evenly spaced, on which it is registered. Slices use all."""


def correlation_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return 1 − correlation of two images over the pixels where either is not black.

    Returns:
        0 to 2; 1 if one of the images is constant there.
    """
    not_black = (a > BLACK) | (b > BLACK)
    x, y = a[not_black].astype(float), b[not_black].astype(float)
    if not len(x) or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 1.0
    x, y = x - x.mean(), y - y.mean()
    return float(1 - x @ y / math.sqrt((x @ x) * (y @ y)))


def align(moving: np.ndarray, fixed: np.ndarray) -> tuple[np.ndarray, float]:
    """Rotate and shift an image so that it resembles another one.

    Three positions are compared: the original one, the one in which the centres of mass coincide,
    and the result of a rigid registration that starts there. The registration maximises the
    correlation, first at half and then at full resolution, and is deterministic.

    Args:
        moving: The image to move, [y, x] or [z, y, x].
        fixed: The other image, of the same shape.

    Returns:
        The image in the best position, and its correlation distance.
    """
    candidates = [(moving, correlation_distance(moving, fixed))]
    if np.ptp(moving) < 1e-6 or np.ptp(fixed) < 1e-6 or moving.max() <= 0 or fixed.max() <= 0:
        return candidates[0]
    target, source = (sitk.GetImageFromArray(a.astype(np.float32)) for a in (fixed, moving))
    rigid = sitk.Euler2DTransform() if fixed.ndim == 2 else sitk.Euler3DTransform()
    moments = sitk.CenteredTransformInitializerFilter.MOMENTS
    centred = sitk.CenteredTransformInitializer(target, source, rigid, moments)
    candidates.append(_apply(centred, source, target, fixed))
    rigid.SetCenter([(side - 1) / 2 for side in target.GetSize()])
    start = centred if candidates[1][1] < candidates[0][1] else rigid
    if fixed.ndim == 2:
        # Gradient descent does not recover rotations of more than about ten degrees.
        rotations = [_rotate(start, angle) for angle in ANGLES]
        start = min(rotations, key=lambda rotation: _apply(rotation, source, target, fixed)[1])
    method = _rigid_registration(start, fixed.ndim)
    with contextlib.suppress(RuntimeError):  # the images no longer overlap
        registered = method.Execute(target, source)
        candidates.append(_apply(registered, source, target, fixed))
    return min(candidates, key=lambda candidate: candidate[1])


def _rigid_registration(start: sitk.Transform, dimensions: int) -> sitk.ImageRegistrationMethod:
    """Return a registration by correlation that starts from a transform."""
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # with several threads, sums differ from run to run
    method.SetMetricAsCorrelation()
    if dimensions == 3:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(SAMPLED, seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0, minStep=0.05, numberOfIterations=ITERATIONS
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1, 0])
    method.SetInitialTransform(start, inPlace=False)
    return method


def _rotate(start: sitk.Transform, angle_radians: float) -> sitk.Transform:
    """Return a copy of a 2D transform with another angle."""
    rigid = sitk.Euler2DTransform(start)
    rigid.SetAngle(angle_radians)
    return rigid


def _apply(
    transform: sitk.Transform, source: sitk.Image, target: sitk.Image, fixed: np.ndarray
) -> tuple[np.ndarray, float]:
    """Resample the source on the target's grid; return it and its distance to the fixed image."""
    resampled = sitk.Resample(source, target, transform, sitk.sitkLinear, 0.0)
    image = sitk.GetArrayFromImage(resampled)
    return image, correlation_distance(image, fixed)
