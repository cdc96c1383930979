"""A head of known sizes: an ellipsoid cerebrum with straight tubes for ventricles."""

import numpy as np
from scipy.spatial.transform import Rotation

from factory.storage.subjects.types import FETA

HALF_MM = np.array([34.0, 44.0, 36.0])  # z, y, x of the grey matter's outside


def coordinates(
    spacing: tuple[float, float, float], yaw: float = 0.0, roll: float = 0.0
) -> list[np.ndarray]:
    """z, y, x in mm about the centre, of a head turned about z (yaw) and y (roll), degrees."""
    shape = [int(np.ceil(2 * (h + 5) / s)) for h, s in zip(HALF_MM, spacing, strict=True)]
    ranges = [
        ((np.arange(n) - (n - 1) / 2) * s).astype(np.float32)
        for n, s in zip(shape, spacing, strict=True)
    ]
    z, y, x = np.meshgrid(*ranges, indexing="ij", sparse=True)
    turn = Rotation.from_euler("XY", [yaw, roll], degrees=True).as_matrix().astype(np.float32)
    return [z * t[0] + y * t[1] + x * t[2] for t in turn.T]


def tube(z: np.ndarray, y: np.ndarray, x: np.ndarray, side: int, splay: float) -> np.ndarray:
    """Distance (mm) to the axis of one lateral ventricle: a segment 38 mm long, 14 mm off the
    midline, splayed outwards and rising to the back."""
    a, d = np.radians(splay), np.radians(25)
    axis = np.sin(d), -np.cos(d) * np.cos(a), side * np.cos(d) * np.sin(a)
    offsets = z + 8, y + 6, x - side * 14
    along = np.clip(sum(o * float(n) for o, n in zip(offsets, axis, strict=True)), -19, 19)
    perpendicular = [o - along * float(n) for o, n in zip(offsets, axis, strict=True)]
    return np.sqrt(sum(c**2 for c in perpendicular))


def head(
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    left_mm: float = 8.0,
    right_mm: float = 8.0,
    splay: float = 10.0,
    yaw: float = 0.0,
    roll: float = 0.0,
    others: bool = False,
) -> np.ndarray:
    """A label map in FETA's table whose atria are left_mm and right_mm wide.

    others adds a third ventricle, joined to both lateral ones by the foramina, and a fourth.
    """
    z, y, x = coordinates(spacing, yaw, roll)
    to_surface = np.sqrt(sum((c / h) ** 2 for c, h in zip((z, y, x), HALF_MM, strict=True)))
    label = np.zeros(z.shape, np.uint8)
    label[to_surface < 1.08] = FETA.index("external_csf")
    label[to_surface < 1] = FETA.index("grey_matter")
    label[to_surface < 0.92] = FETA.index("white_matter")
    deep = ((z + 6) / 11) ** 2 + ((y - 4) / 16) ** 2 + (x / 16) ** 2 < 1
    label[deep] = FETA.index("deep_grey_matter")
    stem = (z < -10) & (np.hypot(y + 6, x) < 6) & (to_surface < 1.05)
    label[stem] = FETA.index("brainstem")
    behind = ((z + 24) / 9) ** 2 + ((y + 16) / 12) ** 2 + (x / 15) ** 2 < 1
    label[behind] = FETA.index("cerebellum")
    if others:
        third = (np.abs(x) < 1.6) & (((z + 5) / 8) ** 2 + ((y - 4) / 12) ** 2 < 1)
        fourth = ((z + 23) / 7) ** 2 + ((y + 11) / 3) ** 2 + (x / 5) ** 2 < 1
        aqueduct = (np.abs(x) < 1.1) & (np.abs(y + 9) < 1.1) & (z < -6) & (z > -20)
        monro = (np.abs(z + 11) < 0.8) & (np.abs(y - 4) < 0.8) & (np.abs(x) < 12)
        label[third | fourth | aqueduct | monro] = FETA.index("ventricles")
    for side, width in ((-1, left_mm), (1, right_mm)):
        label[tube(z, y, x, side, splay) < width / 2] = FETA.index("ventricles")
    return label
