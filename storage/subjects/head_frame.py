"""One frame for heads of every size and pose.

The frame is a square plane in which the head's ellipse is centred, its long axis upright and of one
length. Rows run along the long axis and columns along the short one, so that planes of ultrasound
and of MR coincide at any age. An ellipse does not say which of its ends is the front.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SIDE = 128
"""Pixels along a side of the frame."""

LENGTH = 112.0
"""Pixels from end to end of the head's long axis."""


@dataclass(frozen=True)
class Ellipse:
    """An ellipse in the pixels of a plane.

    Attributes:
        centre: (row, column).
        long: Semi-axis in pixels.
        short: Semi-axis in pixels.
        angle: From the direction of the rows to the long axis, in radians, in [-π/2, π/2); a
            positive angle turns towards the columns.
    """

    centre: tuple[float, float]
    long: float
    short: float
    angle: float

    @property
    def circumference(self) -> float:
        """The circumference in pixels, by Ramanujan's second approximation."""
        h = ((self.long - self.short) / (self.long + self.short)) ** 2
        return math.pi * (self.long + self.short) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))


def fit_ellipse(outline: np.ndarray) -> tuple[Ellipse, float]:
    """Fit an ellipse to an outline, which may have gaps.

    Args:
        outline: bool [row, column], true on the outline.

    Returns:
        The ellipse, and the root mean square distance of the true pixels from it, in pixels.

    Raises:
        ValueError: Where no ellipse fits.
    """
    from skimage.measure import EllipseModel  # slow to import

    points = np.argwhere(outline).astype(float)
    model = EllipseModel.from_estimate(points) if len(points) >= 5 else None
    if not model:
        raise ValueError("no ellipse fits its pixels")
    axes = [float(a) for a in model.axis_lengths]
    angle = float(model.theta) + (0 if axes[0] >= axes[1] else math.pi / 2)
    centre = (float(model.center[0]), float(model.center[1]))
    ellipse = Ellipse(centre, max(axes), min(axes), _normalise_angle(angle))
    return ellipse, float(np.sqrt(np.mean(_distances_to_ellipse(points, ellipse) ** 2)))


def _distances_to_ellipse(points: np.ndarray, ellipse: Ellipse) -> np.ndarray:
    """Return the distances of points (n, 2) from an ellipse, to first order (Sampson 1982)."""
    cos, sin = math.cos(ellipse.angle), math.sin(ellipse.angle)
    local = (points - ellipse.centre) @ np.array([[cos, -sin], [sin, cos]])
    scaled = local / np.array([ellipse.long, ellipse.short]) ** 2
    slope = 2 * np.linalg.norm(scaled, axis=1)
    return np.asarray(((local * scaled).sum(1) - 1) / np.maximum(slope, 1e-9))


def mask_ellipse(mask: np.ndarray) -> Ellipse:
    """Return the ellipse with the centre and the second moments of a filled mask [row, column].

    Raises:
        ValueError: Where the mask has fewer than three pixels.
    """
    points = np.argwhere(mask).astype(float)
    if len(points) < 3:
        raise ValueError("the mask is empty")
    variances, directions = np.linalg.eigh(np.cov(points.T))
    short, long = 2 * np.sqrt(variances)
    row, column = directions[:, 1]
    centre = points.mean(axis=0)
    return Ellipse(
        (float(centre[0]), float(centre[1])),
        float(long),
        float(short),
        _normalise_angle(math.atan2(column, row)),
    )


def _normalise_angle(angle: float) -> float:
    """Return the same axis as an angle in [-π/2, π/2)."""
    return (angle + math.pi / 2) % math.pi - math.pi / 2


def frame_pixel_width(ellipse: Ellipse, length: float = LENGTH) -> float:
    """Return how many pixels of the source one pixel of the frame spans."""
    return 2 * ellipse.long / length


def resample_to_frame(plane: np.ndarray, ellipse: Ellipse, length: float = LENGTH) -> np.ndarray:
    """Resample a plane into the frame, linearly; where that is coarser, the plane is blurred first.

    Args:
        plane: [row, column].
        ellipse: The head's ellipse in the plane.
        length: Pixels of the frame along the head's long axis.

    Returns:
        float32 (SIDE, SIDE), 0 beyond the plane's edge.
    """
    step = frame_pixel_width(ellipse, length)
    sigma = math.sqrt(max(step**2 - 1, 0)) / 2.355
    smooth = ndimage.gaussian_filter(plane.astype(np.float32), sigma, mode="nearest")
    cos, sin = math.cos(ellipse.angle), math.sin(ellipse.angle)
    matrix = step * np.array([[cos, -sin], [sin, cos]])
    middle = np.full(2, (SIDE - 1) / 2)
    offset = np.array(ellipse.centre) - matrix @ middle
    image = ndimage.affine_transform(smooth, matrix, offset, (SIDE, SIDE), order=1)
    return np.asarray(image, np.float32)


def frame_mask(ellipse: Ellipse) -> np.ndarray:
    """Return the inside of the ellipse in the frame: bool (SIDE, SIDE)."""
    rows, columns = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    long = LENGTH / 2
    short = long * ellipse.short / ellipse.long
    return np.asarray((rows / long) ** 2 + (columns / short) ** 2 <= 1)
