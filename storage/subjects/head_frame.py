"""One frame for heads of every size and pose: a square plane in which the head's ellipse is
centred, its long axis upright and of one length.

Rows run along the long axis and columns along the short one, so that planes of ultrasound and of
MR, whatever the age, lie on one another. An ellipse does not say which end is the front.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SIDE = 128
"""Pixels a side of the frame."""

LENGTH = 112.0
"""Pixels from end to end of the head's long axis."""


@dataclass(frozen=True)
class Ellipse:
    """centre: (row, column). long, short: semi-axes in pixels. angle: of the long axis to the
    rows' direction, in radians, in [-π/2, π/2); positive turns towards the columns."""

    centre: tuple[float, float]
    long: float
    short: float
    angle: float

    @property
    def circumference(self) -> float:
        """In pixels, by Ramanujan's second approximation."""
        h = ((self.long - self.short) / (self.long + self.short)) ** 2
        return math.pi * (self.long + self.short) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))


def fit_ellipse(outline: np.ndarray) -> tuple[Ellipse, float]:
    """The ellipse through the true pixels of a mask [row, column], which need not close, and the
    root mean square distance of those pixels from it. Raises ValueError where none fits."""
    from skimage.measure import EllipseModel  # slow to load, and few need it

    points = np.argwhere(outline).astype(float)
    model = EllipseModel.from_estimate(points) if len(points) >= 5 else None
    if not model:
        raise ValueError("no ellipse can be laid through its pixels")
    axes = [float(a) for a in model.axis_lengths]
    angle = float(model.theta) + (0 if axes[0] >= axes[1] else math.pi / 2)
    centre = (float(model.center[0]), float(model.center[1]))
    ellipse = Ellipse(centre, max(axes), min(axes), _normalise_angle(angle))
    return ellipse, float(np.sqrt(np.mean(_distances_to_ellipse(points, ellipse) ** 2)))


def _distances_to_ellipse(points: np.ndarray, ellipse: Ellipse) -> np.ndarray:
    """Of points (N, 2) from an ellipse, to first order (Sampson 1982)."""
    cos, sin = math.cos(ellipse.angle), math.sin(ellipse.angle)
    along = (points - ellipse.centre) @ np.array([[cos, -sin], [sin, cos]])
    scaled = along / np.array([ellipse.long, ellipse.short]) ** 2
    slope = 2 * np.linalg.norm(scaled, axis=1)
    return ((along * scaled).sum(1) - 1) / np.maximum(slope, 1e-9)


def mask_ellipse(mask: np.ndarray) -> Ellipse:
    """The ellipse of the same centre and second moments as a filled mask [row, column]."""
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
    return (angle + math.pi / 2) % math.pi - math.pi / 2


def frame_pixel_width(ellipse: Ellipse, length: float = LENGTH) -> float:
    """Source pixels that one pixel of the frame spans."""
    return 2 * ellipse.long / length


def resample_to_frame(plane: np.ndarray, ellipse: Ellipse, length: float = LENGTH) -> np.ndarray:
    """A plane [row, column] brought into the frame, linearly, blurred first where that is coarser:
    float32 (SIDE, SIDE), 0 beyond the plane's edge. length: pixels of the long axis there."""
    step = frame_pixel_width(ellipse, length)
    sigma = math.sqrt(max(step**2 - 1, 0)) / 2.355
    smooth = ndimage.gaussian_filter(plane.astype(np.float32), sigma, mode="nearest")
    cos, sin = math.cos(ellipse.angle), math.sin(ellipse.angle)
    matrix = step * np.array([[cos, -sin], [sin, cos]])
    middle = np.full(2, (SIDE - 1) / 2)
    offset = np.array(ellipse.centre) - matrix @ middle
    made = ndimage.affine_transform(smooth, matrix, offset, (SIDE, SIDE), order=1)
    return np.asarray(made, np.float32)


def frame_mask(ellipse: Ellipse) -> np.ndarray:
    """The inside of the ellipse in the frame: bool (SIDE, SIDE)."""
    rows, columns = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    long = LENGTH / 2
    return (rows / long) ** 2 + (columns / (long * ellipse.short / ellipse.long)) ** 2 <= 1
