"""Folding of the cortex: primary sulci at their anatomical places, then sulci drawn from noise.

A sulcus is a sheet from the smooth surface into the depth. Its line is drawn on the surface, and
every point of the cortex is referred to the surface point above it, so that sheets stand upright on
the surface and gyri are even.
"""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from factory.storage.subjects.phantom.anatomy import Build, Frame
from factory.storage.subjects.phantom.shapes import (
    Lattice,
    band_noise,
    curve,
    double_mask,
    halve_field,
    refine_field,
)

SULCI: dict[str, tuple[float, float, list[tuple[float, float, float]]]] = {
    # onset in weeks (after Garel et al., AJNR 2001, none before 24), depth at term in mm, and
    # the line in reference millimetres (x lateral, y anterior, z superior)
    "cingulate": (24.5, 7, [(2, 34, 4), (2, 31, 18), (2, 16, 28), (2, -4, 28), (2, -16, 36)]),
    "parieto-occipital": (24.0, 9, [(2, -20, 12), (2, -28, 20), (2, -33, 30)]),
    "calcarine": (24.5, 8, [(2, -24, 4), (2, -34, 4), (2, -47, 0)]),
    "central": (25.5, 9, [(3, -6, 40), (18, -2, 37), (30, 3, 26), (36, 7, 14)]),
    "superior temporal": (26.5, 8, [(33, 16, -15), (37, 2, -9), (38, -14, -2), (34, -24, 8)]),
    "precentral": (27.0, 7, [(16, 12, 36), (26, 15, 27), (33, 16, 14)]),
    "postcentral": (27.5, 7, [(14, -16, 38), (27, -12, 30), (35, -7, 17)]),
    "intraparietal": (27.5, 8, [(27, -14, 30), (22, -26, 30), (17, -37, 23)]),
    "superior frontal": (27.5, 7, [(13, 16, 35), (13, 30, 28), (11, 41, 17)]),
    "inferior frontal": (28.5, 7, [(32, 18, 14), (28, 29, 10), (21, 39, 4)]),
    "collateral": (26.5, 7, [(20, 6, -25), (19, -8, -22), (18, -24, -17), (16, -36, -14)]),
    "inferior temporal": (30.0, 6, [(32, 10, -24), (33, -6, -20), (33, -24, -12)]),
    "olfactory": (27.0, 5, [(7, 40, -8), (7, 26, -14), (7, 16, -15)]),
    "lateral occipital": (28.5, 6, [(33, -28, 0), (26, -38, 2), (16, -46, 4)]),
}
NOISE_CELL = 3.0
"""Reference mm between two samples of the noise."""

NOISE_BOX = (48, 48, 48)
"""Samples of the noise (z, y, x); it repeats beyond them."""


def _ramp(weeks: float, onset: float, over: float) -> float:
    """Rise smoothly from 0 at `onset` to 1 at `onset + over`, all in weeks."""
    t = float(np.clip((weeks - onset) / over, 0, 1))
    return t * t * (3 - 2 * t)


def folding(
    frame: Frame, hull: np.ndarray, inner: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return how far sulci push the surface in, in mm, at every point of the lattice.

    Args:
        frame: The subject's frame.
        hull: Signed distance to the unfolded surface.
        inner: Signed distance to what no sulcus may reach (ventricles, deep grey matter, stem).
        rng: The subject's source of random numbers.

    Returns:
        A field; 0 everywhere up to 24 weeks.
    """
    weeks, scale = frame.build.weeks, frame.build.mean_scale
    noises = [band_noise(rng, w / NOISE_CELL, NOISE_BOX) for w in (25.0, 25.0, 16.0, 45.0)]
    jitter = {(name, side): rng.standard_normal(4) for name in SULCI for side in (-1, 1)}
    if weeks <= 24:
        return np.zeros_like(hull)
    # Everything below varies slowly, so half the resolution is enough.
    coarse = frame.lattice.every_second()
    surface = Surface(hull, coarse)
    shell = (surface.phi > -16) & (surface.phi < 4)
    foot = surface.project(shell)

    def everywhere(values: np.ndarray, far: float) -> np.ndarray:
        return refine_field(_scatter(values, shell, far), frame.lattice)

    # Where sulci may be: what interpolation from the shell reaches, except inner structures.
    reached = double_mask(ndimage.maximum_filter(shell, 5), hull.shape)
    at = np.flatnonzero(np.pad(reached[1:-1, 1:-1, 1:-1], 1))
    calm = np.clip((inner.ravel()[at] - frame.build.ribbon - 1) / 3, 0, 1)
    at, calm = at[calm > 0], calm[calm > 0]
    calm *= np.clip((frame.z.ravel()[at] + 14) / 12, 0.3, 1)  # shallower under the brain
    primary = _primary_sulci(frame.build, surface, foot, jitter)
    squared, depth = (
        everywhere(f, far).ravel()[at] for f, far in zip(primary, (400, 0), strict=True)
    )
    folds = np.maximum(depth * scale * np.exp(-squared / 1.7**2) * calm, 0)
    if weeks > 26.5:
        # Later sulci keep clear of the primary ones and fade in and out along their course.
        places = (foot / frame.build.scale[::-1] / NOISE_CELL).T
        clear = 1 - np.exp(-squared / (6.0 * scale) ** 2)
        vary = everywhere(_sample_noise(noises[3], places), 0).ravel()[at]
        presence = np.clip(0.9 + 0.4 * vary, 0.3, 1.2) * clear * calm
        # Similar on both sides, but never equal.
        mirrored = np.stack([*places[:2], np.abs(places[2])])
        second = 0.85 * _sample_noise(noises[0], mirrored) + 0.5 * _sample_noise(noises[1], places)
        trench = _trench(everywhere(second, 3), at, frame.lattice.spacing, 1.6)
        folds = np.maximum(folds, 8.5 * scale * _ramp(weeks, 26.5, 9) * presence * trench)
    if weeks > 31:
        third = _sample_noise(noises[2], places)
        trench = _trench(everywhere(third, 3), at, frame.lattice.spacing, 1.3)
        folds = np.maximum(folds, 5.0 * scale * _ramp(weeks, 31, 8) * presence * trench)
    folding = np.zeros(hull.shape, np.float32)
    folding.ravel()[at] = folds
    return folding


class Surface:
    """The unfolded surface on a coarse lattice: signed distance and unit normals, in mm."""

    def __init__(self, hull: np.ndarray, coarse: Lattice) -> None:
        self.lattice = coarse
        self.phi = halve_field(hull, 1.5)
        slope = np.gradient(self.phi, coarse.spacing)
        steep = np.sqrt(sum(g * g for g in slope)) + 1e-3
        self.normal = [g / steep for g in slope]

    def project(self, where: np.ndarray) -> np.ndarray:
        """Return the surface points under the lattice points of a mask.

        Returns:
            (n, 3), in mm (z, y, x).
        """
        axes = np.broadcast_arrays(*self.lattice.axes())
        return np.stack(
            [(c - self.phi * n)[where] for c, n in zip(axes, self.normal, strict=True)], axis=1
        )

    def move_points(self, points: np.ndarray) -> np.ndarray:
        """Move points (n, 3), in mm (z, y, x), onto the surface along its normals."""
        for _ in range(4):
            index = ((points - self.lattice.first) / self.lattice.spacing).T
            height, *normal = (
                ndimage.map_coordinates(f, index, order=1, mode="nearest")
                for f in (self.phi, *self.normal)
            )
            points = points - height[:, None] * np.stack(normal, axis=1)
        return points


def _scatter(values: np.ndarray, where: np.ndarray, far: float) -> np.ndarray:
    """Return a field that has `values` at `where`, and `far` elsewhere."""
    field = np.full(where.shape, far, np.float32)
    field[where] = values
    return field


def _trench(noise: np.ndarray, at: np.ndarray, spacing: float, width: float) -> np.ndarray:
    """Return 1 on the noise's zero lines, falling over `width` mm to either side; 0 on its saddles.

    Args:
        noise: [z, y, x].
        at: Indices (n,) into the flattened noise, clear of its borders.
        spacing: Of the noise's points, in mm.
        width: In mm.
    """
    flat, strides = noise.ravel(), (noise[0].size, noise.shape[2], 1)

    def steep(at: np.ndarray) -> np.ndarray:
        slopes = ((flat[at + s] - flat[at - s]) / (2 * spacing) for s in strides)
        return np.asarray(sum(g * g for g in slopes) + 1e-4)

    low = np.zeros(noise.shape, bool)
    low[::4, ::4, ::4] = np.abs(noise[::4, ::4, ::4]) < 1
    usual, here = np.median(steep(np.flatnonzero(low))), steep(at)
    return np.asarray(
        np.exp(-(flat[at] ** 2) / here / width**2) * np.clip(2.5 * here / usual, 0, 1)
    )


def _primary_sulci(
    build: Build, surface: Surface, foot: np.ndarray, jitter: dict[tuple[str, int], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest primary sulci: squared distances (mm²) and depths (reference mm)."""
    squared, depth = np.full(len(foot), 400, np.float32), np.zeros(len(foot), np.float32)
    for side in (-1, 1):
        lines, deep = [], []
        for name, (onset, full, points) in SULCI.items():
            move = np.clip(jitter[name, side], -2, 2)
            line = curve(np.asarray(points, float), 80)
            line[:, 1:] += 1.2 * move[1:3]
            way = np.linspace(0, 1, len(line))
            line[:, 1] += 1.3 * np.sin(2 * np.pi * (1.3 * way + move[3]))
            line[:, 2] += 1.3 * np.cos(2 * np.pi * (1.7 * way + move[3]))
            line = line * (np.array([side, 1, 1]) * build.scale)
            taper = np.sqrt(np.sin(np.linspace(0.05, np.pi - 0.05, 80)))
            lines.append(surface.move_points(line[:, ::-1]))
            deep.append(full * _ramp(build.weeks, onset, 9) * taper * (1 + 0.1 * move[0]))
        here = np.sign(foot[:, 2]) == side
        gap, nearest = cKDTree(np.concatenate(lines)).query(foot[here], distance_upper_bound=20)
        squared[here] = np.minimum(gap, 20) ** 2
        depth[here] = np.append(np.concatenate(deep), 0)[nearest]
    return squared, depth


def _sample_noise(noise: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Interpolate noise at places (3, n), which are given in its samples."""
    return np.asarray(ndimage.map_coordinates(noise, places, order=3, mode="grid-wrap"))
