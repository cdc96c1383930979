"""Deform a whole head: random smooth warp, rotation, scaling, shearing and mirroring.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.linalg import logm
from scipy.spatial.transform import Rotation

from factory.anatomy.deformation.invariants import check_clear_of_border, check_invariants
from factory.anatomy.deformation.topology import change_keeping_topology
from factory.anatomy.deformation.warp import (
    compose,
    exponential,
    jacobian_determinant,
    lattice_shape,
    nodes_mm,
    pull_image,
    pull_label,
    source_voxels,
)
from factory.anatomy.edits.operator import EditResult
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Shape, Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

LATTICE_MM = 3.5
COARSE_SMOOTHNESS_MM = 10.0
"""A warp at least as smooth as this is followed on twice the lattice's step, where no topology has
to be kept: a sixth of the time, and one voxel in 500 of a head gets another label."""
REACH_VOXELS = 1.5
"""How far tissue moves in one step of changing the labels: what thin sheets can follow."""
JACOBIAN_MIN = 0.05


def deform(  # noqa: PLR0913
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    seed: int,
    warp_mm: float = 0.0,
    smoothness_mm: float = 12.0,
    rotation_degrees: Sequence[float] = (0.0, 0.0, 0.0),
    scale: Sequence[float] = (1.0, 1.0, 1.0),
    shear: Sequence[float] = (0.0, 0.0, 0.0),
    flip: bool = False,
    keep_topology: bool = True,
    image: np.ndarray | None = None,
) -> EditResult:
    """Deform a head by a random warp and an affine map together, about the brain's centre.

    It has more than 8 parameters because those after `table` are the recipe's. The warp and the
    affine map are one stationary velocity, along which the labels are changed step by step, so
    that every tissue keeps its components and Euler number.

    Args:
        label: uint8 [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        seed: Seed of the warp's Philox generator.
        warp_mm: Root mean square of the random velocity over the brain.
        smoothness_mm: Standard deviation of the Gaussian that smooths it.
        rotation_degrees: About z, y and x.
        scale: Along z, y and x.
        shear: Of y along z, x along z and x along y.
        flip: Whether to mirror left to right first. The labels of sided tissues (`left_…`,
            `right_…`) are swapped, so that they keep their meaning.
        keep_topology: Whether every tissue keeps its components and Euler number. Otherwise the
            labels are pulled in one step, which is much faster, and thin structures may break.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label (uint8), image (float32, or None) and a record with the extremes of the Jacobian.

    Raises:
        AnatomyError: The map folds, the head leaves the array, or a parameter is out of range.
    """
    _check_parameters(warp_mm, smoothness_mm, rotation_degrees, scale, shear)
    old, painted = label, None if image is None else image.astype(np.float32)
    if flip:
        old = table.mirrored_values[label[:, :, ::-1]]
        painted = None if painted is None else painted[..., ::-1].copy()
    velocity = affine_velocity(old, spacing, rotation_degrees, scale, shear)
    velocity += random_velocity(old > 0, spacing, seed, warp_mm, smoothness_mm)
    lattice_mm = LATTICE_MM
    if not keep_topology and smoothness_mm >= COARSE_SMOOTHNESS_MM:
        velocity, lattice_mm = coarsen_velocity(velocity, _shape_of(old), spacing), 2 * LATTICE_MM
    return _follow_velocity(old, spacing, table, velocity, lattice_mm, painted, keep_topology)


def _follow_velocity(
    old: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    velocity: np.ndarray,
    lattice_mm: float,
    image: np.ndarray | None,
    keep_topology: bool,
) -> EditResult:
    """Warp a label map and an image along a velocity; raise AnatomyError if that fails."""
    shape = _shape_of(old)
    fastest_mm, furthest_mm = _max_speed_mm(
        _is_brain_at_nodes(old > 0, spacing, lattice_mm), velocity, lattice_mm
    )
    margin = tuple(int(f / s) + 3 for f, s in zip(furthest_mm, spacing, strict=True))
    head = box_with_margin(old > 0, margin)
    before = current = target = old[head]
    start = np.array([b.start for b in head], np.float32)[:, None, None, None]
    record: JsonObject = {"jacobian_min": 1.0, "jacobian_max": 1.0, "voxels_held_by_topology": 0}
    steps = math.ceil(fastest_mm / (REACH_VOXELS * min(spacing)))
    if steps:
        steps = steps if keep_topology else 1
        step = exponential(velocity / np.float32(steps), lattice_mm)
        displacement = np.zeros_like(velocity)
        for _ in range(steps):
            displacement = compose(displacement, step, lattice_mm)
            places = source_voxels(displacement, shape, spacing, lattice_mm, head)
            target = pull_label(before, places - start)
            current = change_keeping_topology(current, target) if keep_topology else target
        determinant = jacobian_determinant(displacement, shape, spacing, lattice_mm, head)
        record = {
            "jacobian_min": float(determinant.min()),
            "jacobian_max": float(determinant.max()),
            "voxels_held_by_topology": int((current != target).sum()),
        }
        if image is not None:
            image = pull_image(image, source_voxels(displacement, shape, spacing, lattice_mm))
    check_clear_of_border(before, current, "deform")
    jacobian_min = record["jacobian_min"]
    may_change = () if keep_topology else table.names
    check_invariants(
        before, current, table, jacobian_min, "deform", may_change, jacobian_above=JACOBIAN_MIN
    )
    new = np.zeros_like(old)
    new[head] = current
    return new, image, record


def _max_speed_mm(
    brain: np.ndarray, velocity: np.ndarray, lattice_mm: float
) -> tuple[float, np.ndarray]:
    """Return the highest speed that the brain meets, and how far it can get along each axis, mm.

    brain: bool, at the nodes.
    """
    # A brain smaller than the lattice's step may lie between the nodes.
    distance_mm = ndimage.distance_transform_edt(~brain & brain.any()) * lattice_mm
    reach_mm = 0.0
    while True:
        near = distance_mm <= reach_mm + lattice_mm
        fastest_mm = float(np.sqrt((velocity[:, near] ** 2).sum(0)).max())
        # In unit time nothing gets further than the highest speed within that reach.
        if fastest_mm <= reach_mm:
            return fastest_mm, np.abs(velocity[:, near]).max(1)
        reach_mm = np.inf if near.all() else 1.01 * fastest_mm


def _is_brain_at_nodes(brain: np.ndarray, spacing: Spacing, lattice_mm: float) -> np.ndarray:
    """Return whether the voxel nearest to each node is brain, bool [z, y, x]."""
    shape = lattice_shape(_shape_of(brain), spacing, lattice_mm)
    at = [np.arange(n) * lattice_mm / s for n, s in zip(shape, spacing, strict=True)]
    near = [np.clip(np.rint(a).astype(int), 0, n - 1) for a, n in zip(at, brain.shape, strict=True)]
    at_nodes: np.ndarray = brain[np.ix_(*near)]
    return at_nodes


def random_velocity(
    brain: np.ndarray, spacing: Spacing, seed: int, rms_mm: float, smoothness_mm: float
) -> np.ndarray:
    """Return smooth noise with a given root mean square over the brain, mm, float32 [3, z, y, x].

    Its strength does not depend on the voxel size, and its shape does not depend on what surrounds
    the brain.
    """
    shape = lattice_shape(_shape_of(brain), spacing, LATTICE_MM)
    rng = np.random.Generator(np.random.Philox(seed))
    noise = rng.standard_normal((3, *shape), np.float32)
    sigma = smoothness_mm / LATTICE_MM
    smooth = ndimage.gaussian_filter(noise, (0, sigma, sigma, sigma))
    inside = _is_brain_at_nodes(brain, spacing, LATTICE_MM)
    strength = float(np.sqrt((smooth**2).sum(0)[inside].mean())) if inside.any() else 1.0
    velocity: np.ndarray = smooth * np.float32(rms_mm / strength)
    return velocity


def coarsen_velocity(velocity: np.ndarray, shape: Shape, spacing: Spacing) -> np.ndarray:
    """Return a velocity at every second node, an eighth of the work, float32 [3, z, y, x], mm.

    Args:
        velocity: On the lattice of LATTICE_MM.
        shape: Voxels (z, y, x) of the array that the lattice covers.
        spacing: mm (z, y, x).
    """
    coarse: np.ndarray = velocity[:, ::2, ::2, ::2]
    nodes = lattice_shape(shape, spacing, 2 * LATTICE_MM)
    for axis, count in enumerate(nodes, start=1):
        while coarse.shape[axis] < count:  # the last node may lie beyond the fine lattice
            last, before = coarse.take([-1], axis), coarse.take([-2], axis)
            coarse = np.concatenate([coarse, 2 * last - before], axis)
    return np.ascontiguousarray(coarse)


def affine_velocity(
    label: np.ndarray,
    spacing: Spacing,
    rotation_degrees: Sequence[float],
    scale: Sequence[float],
    shear: Sequence[float],
) -> np.ndarray:
    """Return the velocity whose exponential pulls by the inverse of an affine map.

    The map is about the head's centre. Returns float32 [3, z, y, x], mm, on the lattice.
    """
    turn = Rotation.from_euler("xyz", rotation_degrees, degrees=True).as_matrix()
    slant = np.eye(3)
    slant[1, 0], slant[2, 0], slant[2, 1] = shear
    generator = np.real(logm(np.linalg.inv(turn @ slant @ np.diag(scale))))
    nodes = nodes_mm(lattice_shape(_shape_of(label), spacing, LATTICE_MM), LATTICE_MM)
    box = box_with_margin(label > 0, (0, 0, 0))
    middle = [(b.start + b.stop - 1) / 2 * s for b, s in zip(box, spacing, strict=True)]
    offset = nodes - np.array(middle, np.float32)[:, None, None, None]
    return np.asarray(np.einsum("ij,jzyx->izyx", generator, offset), np.float32)


def _shape_of(array: np.ndarray) -> Shape:
    return array.shape[0], array.shape[1], array.shape[2]


def _check_parameters(
    warp_mm: float,
    smoothness_mm: float,
    rotation_degrees: Sequence[float],
    scale: Sequence[float],
    shear: Sequence[float],
) -> None:
    """Raise AnatomyError if a parameter is out of range."""
    for name, values, low, high in (
        ("warp_mm", [warp_mm], 0.0, 10.0),
        ("smoothness_mm", [smoothness_mm], 6.0, 50.0),
        ("rotation_degrees", rotation_degrees, -45.0, 45.0),
        ("scale", scale, 0.7, 1.4),
        ("shear", shear, -0.3, 0.3),
    ):
        if len(values) not in (1, 3) or not all(low <= v <= high for v in values):
            raise AnatomyError(f"deform: {name} is {values}; allowed are {low:g} to {high:g}")
