"""The organs of a fetal brain as implicit shapes.

All coordinates are (x, y, z) in reference millimetres: x lateral (both sides alike), y anterior,
z superior, in a brain 80 mm wide and 100 mm long (about 35 weeks) whose centre is the origin.
`Frame` carries a subject's lattice into that brain.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from factory.storage.subjects.growth_curves import (
    ATRIAL_WIDTH_MM,
    ATRIAL_WIDTH_SD_MM,
    intracranial_mm,
    subarachnoid_mm,
    transcerebellar_mm,
)
from factory.storage.subjects.phantom.shapes import (
    Lattice,
    cone,
    curve,
    double_mask,
    ellipsoid,
    intersection,
    resample,
    union,
)

Point = tuple[float, float, float]
REFERENCE_CEREBELLUM_MM = 40.6
"""Width of the reference brain's cerebellum."""

MIDLINE = np.zeros(1, np.float32)
"""x in the midline plane."""

VERTEX, BASE = 40.0, -46.0
"""Top of the brain and lower end of the medulla."""


@dataclass(frozen=True)
class Build:
    """The proportions drawn for one subject.

    Attributes:
        weeks: Gestational age.
        scale: Millimetres per reference millimetre along (x, y, z).
        csf: Width of the external CSF in mm.
        cerebellum: Millimetres per reference millimetre of the cerebellum.
        brainstem: The same of the brainstem.
        deep: The same of the deep grey matter.
        atria: Width of the left and the right atrium in mm.
        ribbon: Thickness of the cortex in mm.
        fissure: Half width of the interhemispheric fissure in mm.
    """

    weeks: float
    scale: Point
    csf: float
    cerebellum: float
    brainstem: float
    deep: float
    atria: tuple[float, float]
    ribbon: float
    fissure: float

    @property
    def mean_scale(self) -> float:
        """The geometric mean of `scale`."""
        return float(np.prod(self.scale) ** (1 / 3))


def draw_build(weeks: float, rng: np.random.Generator) -> Build:
    """Draw the sizes of a subject: published means, each with its own spread.

    No size lies more than 2.5 standard deviations from its mean.
    """

    def draw(mean: float, sd: float) -> float:
        return float(mean + sd * np.clip(rng.standard_normal(), -2.5, 2.5))

    width, length = intracranial_mm(weeks)
    size = draw(1.0, 0.03)
    csf = subarachnoid_mm(weeks) * draw(1.0, 0.10)
    scale_x = (width * size * draw(1.0, 0.015) - 2 * csf) / 80
    scale_y = (length * size * draw(1.0, 0.015) - 2 * csf) / 100
    scale_z = np.sqrt(scale_x * scale_y) * draw(1.0, 0.015)
    mean = (scale_x * scale_y * scale_z) ** (1 / 3)
    tcd = transcerebellar_mm(weeks) * size * draw(1.0, 0.025)
    atrium = draw(ATRIAL_WIDTH_MM, ATRIAL_WIDTH_SD_MM)
    sides = draw(0.0, 0.2)
    return Build(
        weeks=weeks,
        scale=(scale_x, scale_y, scale_z),
        csf=csf,
        cerebellum=tcd / REFERENCE_CEREBELLUM_MM,
        # The stem and the deep nuclei lead the cortex: relatively large in young brains.
        brainstem=0.94 * mean**0.8 * draw(1.0, 0.02),
        deep=mean**0.80 * draw(1.0, 0.02),
        atria=(atrium + sides, atrium - sides),
        ribbon=float(np.interp(weeks, [20, 28, 38], [1.5, 1.9, 2.2])) * draw(1.0, 0.03),
        fissure=float(np.interp(weeks, [20, 28, 38], [1.2, 1.5, 1.0])),
    )


class Frame:
    """A subject's lattice seen from the reference brain, with its mild asymmetry.

    Attributes:
        x: Reference coordinates as fields; y and z alike.
        side: |x|.
    """

    def __init__(self, build: Build, lattice: Lattice, rng: np.random.Generator) -> None:
        self.build, self.lattice = build, lattice
        z, y, x = lattice.axes()
        knots = Lattice((-80.0, -80.0, -80.0), (5, 5, 5), 40.0)
        unit = Lattice(
            tuple(f / build.mean_scale for f in lattice.first),
            lattice.shape,
            lattice.spacing / build.mean_scale,
        )
        bend = [
            resample(rng.standard_normal((5, 5, 5)).astype(np.float32), knots, unit)
            for _ in range(3)
        ]
        sx, sy, sz = build.scale
        # Across the midline the bend is small, or the fissure would wander.
        self.x = x / sx + 0.5 * bend[0]
        self.y = y / sy + 0.9 * bend[1]
        self.z = z / sz + 0.9 * bend[2]
        self.side = np.abs(self.x)

    def local(self, anchor: Point, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (z, y, |x|) as an organ with a scale of its own sees them.

        The organ is pinned at `anchor` (x = 0).
        """
        ratio = self.build.mean_scale / scale
        return (
            anchor[2] + (self.z - anchor[2]) * ratio,
            anchor[1] + (self.y - anchor[1]) * ratio,
            self.side * ratio,
        )


def envelope(frame: Frame) -> np.ndarray:
    """Return the two hemispheres as one smooth body, without fissures and folds."""
    x, y, z = frame.side, frame.y, frame.z
    egg = 1 + 0.12 * np.maximum(y + 6, 0) / 56 + 0.05 * np.maximum(-y - 6, 0) / 44
    # The occipital lobes hang lower than the frontal ones.
    height = z - 4 + 0.17 * np.maximum(-y - 8, 0)
    up = np.where(height > 0, 36.0, 21.0).astype(np.float32)
    n = 2.08
    r = ((x * egg / 40) ** n + (np.abs(y) / 50) ** n + (np.abs(height) / up) ** n) ** (1 / n)
    main = (r - 1) * 36
    # The temporal lobe slopes down to its pole, which lies forward and outward.
    slope, splay = 0.25 * (y + 6), 0.08 * (y + 6)
    temporal = ellipsoid(z + slope, y, x - splay, (22.0, -5, -12), (13.8, 30.5, 12.0))
    # Between the temporal lobes lie the cisterns about the stem and the chiasm.
    cistern = ellipsoid(z, y, x, (0, 3, -25), (12.5, 23, 15.5))
    return frame.build.mean_scale * intersection(union(main, temporal, 6), -cistern, 3)


def brainstem(frame: Frame) -> np.ndarray:
    """Return the midbrain, the pons with its anterior bulge, and the medulla.

    They join the deep grey matter above.
    """
    scale = frame.build.brainstem
    z, y, x = frame.local((0, -4, -8), scale)
    midbrain = cone(z, y, x, (3.5, -4, -6), (2.5, -5, -17), (7.0, 6.5))
    pons = ellipsoid(z, y, x, (0, -3, -23), (10.0, 8.0, 7.5))
    medulla = cone(z, y, x, (0, -9, -28), (0, -18, -50), (5.8, 4.8))
    stem = union(union(midbrain, pons, 3), medulla, 4)
    return scale * intersection(stem, BASE - frame.z, 1)


def cerebellum(frame: Frame) -> np.ndarray:
    """Return the two hemispheres and the vermis of the cerebellum.

    They lie behind the brainstem and below the occipital lobes.
    """
    scale = frame.build.cerebellum
    z, y, x = frame.local((0, -14, -24), scale)
    # Roofed by the tentorium: highest at the vermis.
    hemisphere = ellipsoid(z + 0.3 * (x - 10), y, x, (9.8, -26, -27), (10.9, 12.5, 10.5))
    vermis = ellipsoid(z, y, x, (0, -23.5, -25.5), (5.0, 10.0, 10.5))
    return scale * union(hemisphere, vermis, 4)


def core(frame: Frame) -> np.ndarray:
    """Return what joins the hemispheres under the fissure: callosum, septum, deep grey matter."""
    arch = ellipsoid(frame.z, frame.y, MIDLINE, (0, 4, 2), (1e3, 24, 18))
    low = ellipsoid(frame.z, frame.y, MIDLINE, (0, 6, -3), (1e3, 17, 8))
    shape = union(intersection(arch, -2 - frame.z, 4), low, 4)
    return frame.build.mean_scale * intersection(shape, frame.side - 14, 3)


def callosum(frame: Frame) -> np.ndarray:
    """Return the callosum's arch: white matter that borders the fissure without cortex."""
    arch = ellipsoid(frame.z, frame.y, MIDLINE, (0, 4, 2), (1e3, 24, 18))
    band = np.maximum(np.abs(arch + 1.0) - 3.5, frame.side - 7)
    return np.asarray(frame.build.mean_scale * np.maximum(band, 1 - frame.z))


def deep_grey(frame: Frame) -> np.ndarray:
    """Return the thalami, joined across the midline, and the basal ganglia."""
    scale = frame.build.deep
    z, y, x = frame.local((0, 2, 0), scale)
    thalamus = ellipsoid(z, y, x, (8.0, -3, -1), (8.5, 13, 9))
    striatum = ellipsoid(z, y, x, (17.0, 9, 0), (6.8, 15, 9.5))
    caudate = cone(z, y, x, (11.5, 21, 3), (13.5, 0, 11), (4.5, 2.0))
    return scale * union(union(thalamus, striatum, 2), caudate, 2)


def third_ventricle(frame: Frame) -> np.ndarray:
    """Return a slit between the thalami, open behind to the cisterns, around their adhesion.

    It counts as external CSF, since the table has no label for it and the lateral ventricles are
    two. Its posterior end stands for the cistern of the velum interpositum.
    """
    scale, field = frame.build.mean_scale, np.full(frame.lattice.shape, 1e3, np.float32)
    here = frame.side < 8 / frame.build.mean_scale  # values further off are not used
    z, y, x = frame.z[here], frame.y[here], frame.side[here]
    room = ellipsoid(z, y, MIDLINE, (0, 1, -3), (1e3, 13, 6.5))
    adhesion = ellipsoid(z, y, MIDLINE, (0, 0, -1.5), (1e3, 3.5, 2.2))
    way_out = cone(z, y, MIDLINE, (0, -8, -1), (0, -27, 0), (1.2 / scale, 1.2 / scale))
    slit = np.minimum(np.maximum(room, -adhesion), way_out)
    field[here] = scale * np.maximum(slit, x - 1.0 / scale)
    return field


def sylvian(frame: Frame) -> np.ndarray:
    """Return the Sylvian fossa over the insula.

    It is an open dish at 20 weeks and is closed by the opercula at term.
    """
    weeks, x = frame.build.weeks, frame.side
    insula = float(np.interp(weeks, [20, 24, 32], [34.5, 31.0, 27.0]))
    opening = float(np.interp(weeks, [20, 24, 26, 28, 32, 36], [8.5, 8.0, 6.5, 4.6, 1.9, 0.9]))
    start, end = np.array([29.0, -10.0]), np.array([-12.0, 10.0])
    length = float(np.hypot(*(end - start)))
    dy, dz = (end - start) / length
    along = ((frame.y - start[0]) * dy + (frame.z - start[1]) * dz) / length
    across = (frame.y - start[0]) * -dz + (frame.z - start[1]) * dy
    taper = np.sqrt(np.clip(1 - ((along - 0.36) / 0.57) ** 2, 0, 1))
    dish = float(np.interp(weeks, [20, 26, 34], [0.09, 0.07, 0.01]))
    hidden = 7.0 * float(np.interp(weeks, [25, 31], [0.0, 1.0]))
    deep = x - insula - dish * across**2
    # The dish widens outwards; the older, the more of it lies hidden under the opercula.
    front = opening * (0.7 + 0.04 * np.maximum(deep, 0)) * (1 + 0.6 * np.clip(0.45 - along, 0, 1))
    half = front + np.maximum(hidden - front, 0) * np.exp(-((deep / 1.2) ** 2))
    return frame.build.mean_scale * intersection(np.abs(across) - half * taper + 0.3, -deep, 3)


VENTRICLE_LINE = np.array(
    # x, y, z of the centreline (reference mm); half width, half height (mm, any age); lean of
    # the slit's top away from the midline (degrees)
    [
        [9.0, 29.0, 3.0, 1.8, 3.2, 20],
        [8.5, 24.0, 7.0, 2.8, 5.2, 25],
        [8.0, 14.0, 10.5, 3.0, 4.8, 30],
        [9.0, 0.0, 12.5, 2.9, 4.2, 30],
        [12.0, -12.0, 10.5, 3.3, 5.0, 20],
        [16.5, -20.5, 5.0, 3.8, 6.6, 5],
        [20.0, -20.5, -3.0, 3.6, 5.0, 0],
        [23.5, -13.0, -10.5, 2.6, 2.8, 0],
        [25.0, -3.0, -14.0, 2.0, 2.0, 0],
        [24.5, 7.0, -16.0, 1.6, 1.6, 0],
    ]
)
FAR_MM = 8.0
"""Distances from the ventricles beyond this need not be exact: sulci stop about 6 mm off them."""

OCCIPITAL_HORN_LINE = np.array(
    [
        [16.5, -20.5, 4.0, 3.8, 6.6, 5],
        [17.0, -28.0, 2.0, 3.3, 5.0, 0],
        [15.5, -36.0, 1.0, 1.6, 2.0, 0],
    ]
)


def ventricles(frame: Frame, rough: Frame) -> np.ndarray:
    """Return both lateral ventricles: frontal horn, body, atrium, occipital and temporal horn.

    Args:
        frame: The subject's frame.
        rough: The frame of every second point. It finds the places that are so far off that the
            distance does not matter; those are set to 1000.
    """
    far = (
        ndimage.minimum_filter(_ventricle_field(rough, np.ones(rough.lattice.shape, bool)), 3)
        > FAR_MM
    )
    return _ventricle_field(frame, double_mask(~far, frame.lattice.shape))


def _ventricle_field(frame: Frame, near: np.ndarray) -> np.ndarray:
    """Return the ventricles' walls as a field; 1000 outside the mask `near`."""
    build, field = frame.build, np.full(frame.lattice.shape, 1e3, np.float32)
    s = build.mean_scale
    path = np.concatenate([curve(VENTRICLE_LINE, 160), curve(OCCIPITAL_HORN_LINE, 50)])
    near = near & (np.abs(frame.y + 4) < 46) & (np.abs(frame.z) < 26) & (frame.side < 34)
    for sign, atrium in zip((-1, 1), build.atria, strict=True):
        here = near & (frame.x * sign > 0)
        p = np.stack([frame.side[here], frame.y[here], frame.z[here]], axis=1)
        _, nearest = cKDTree(path[:, :3]).query(p)
        offset = (p - path[nearest, :3]) * s
        # A ventricle is a standing slit: narrow from side to side, tall in the sagittal plane.
        # 7.9 mm is what a tube of half width 3.8 measures at the atrium, where it bends.
        half_width = path[nearest, 3] * atrium / 7.9
        half_height = path[nearest, 4]
        lean = np.radians(path[nearest, 5])
        across = offset[:, 0] * np.cos(lean) - offset[:, 2] * np.sin(lean)
        upward = offset[:, 0] * np.sin(lean) + offset[:, 2] * np.cos(lean)
        r = np.sqrt((across / half_width) ** 2 + (offset[:, 1] ** 2 + upward**2) / half_height**2)
        field[here] = (r - 1) * np.minimum(half_width, half_height)
    return field
