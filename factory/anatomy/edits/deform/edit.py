"""Random smooth deformation, turning, scaling, shearing and mirroring of a whole head.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.linalg import logm
from scipy.spatial.transform import Rotation

from factory.anatomy.deformation.invariants import check_clear_of_border, check_invariants
from factory.anatomy.deformation.topology import change_keeping_topology
from factory.anatomy.deformation.warp import (
    Shape,
    compose,
    exponential,
    jacobian,
    lattice_shape,
    nodes_mm,
    pull_image,
    pull_label,
    voxels_from,
)
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

LATTICE_MM = 3.5
REACH_VOXELS = 1.5
"""How far tissue moves between two steps of leading the labels: what thin sheets can follow."""
JACOBIAN_MIN = 0.05


def deform(
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
    image: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """One diffeomorphism: a random warp and an affine map together, about the brain's middle.

    seed: of the warp's Philox generator. warp_mm: the random velocity's root mean square over
    the brain; smoothness_mm: its Gaussian's standard deviation. rotation_degrees: about z, y and
    x. scale: along z, y, x. shear: of y along z, x along z, x along y. flip: mirrored left to
    right first; the names of sided tissues (`left_…`, `right_…`) change places, so that sides
    stay right.

    All is one stationary velocity, so labels can be led along it and keep every tissue's
    components and Euler number. Returns new label (uint8), image (float32, or None) and a record
    with the Jacobian's extremes at full resolution. Inputs stay as they are. Raises AnatomyError
    where the map folds, the head leaves the array, the topology would change, or a parameter is
    out of range.
    """
    _check(warp_mm, smoothness_mm, rotation_degrees, scale, shear)
    old, picture = label, None if image is None else image.astype(np.float32)
    if flip:
        old = mirrored_names(table)[label[:, :, ::-1]]
        picture = None if picture is None else picture[:, :, ::-1].copy()
    shape = (label.shape[0], label.shape[1], label.shape[2])
    velocity = affine_velocity(old, spacing, rotation_degrees, scale, shear)
    velocity += random_velocity(old > 0, spacing, seed, warp_mm, smoothness_mm)
    fastest, furthest = _speeds(_at_nodes(old > 0, spacing), velocity)
    head = box_with_margin(
        old > 0, tuple(int(f / s) + 3 for f, s in zip(furthest, spacing, strict=True))
    )
    before = led = target = old[head]
    start = np.array([b.start for b in head], np.float32)[:, None, None, None]
    record = {"jacobian_min": 1.0, "jacobian_max": 1.0, "voxels_held_by_topology": 0}
    steps = math.ceil(fastest / (REACH_VOXELS * min(spacing)))
    if steps:
        step = exponential(velocity / np.float32(steps), LATTICE_MM)
        displacement = np.zeros_like(velocity)
        for _ in range(steps):
            displacement = compose(displacement, step, LATTICE_MM)
            places = voxels_from(displacement, shape, spacing, LATTICE_MM, head)
            target = pull_label(before, places - start)
            led = change_keeping_topology(led, target)
        folding = jacobian(displacement, shape, spacing, LATTICE_MM, head)
        record = {
            "jacobian_min": float(folding.min()),
            "jacobian_max": float(folding.max()),
            "voxels_held_by_topology": int((led != target).sum()),
        }
        if picture is not None:
            picture = pull_image(picture, voxels_from(displacement, shape, spacing, LATTICE_MM))
    check_clear_of_border(before, led, "deform")
    check_invariants(before, led, table, record, "deform", least=JACOBIAN_MIN)
    new = np.zeros_like(label)
    new[head] = led
    return new, picture, record


def _speeds(brain: np.ndarray, velocity: np.ndarray) -> tuple[float, np.ndarray]:
    """The fastest place that the brain (bool, at the nodes) comes by, and how far it may get
    along each axis, mm."""
    # A brain smaller than the lattice's step may lie between the nodes.
    apart = ndimage.distance_transform_edt(~brain & brain.any()) * LATTICE_MM
    reach = 0.0
    while True:
        near = apart <= reach + LATTICE_MM
        fastest = float(np.sqrt((velocity[:, near] ** 2).sum(0)).max())
        # In unit time nothing gets further than the fastest place within that reach.
        if fastest <= reach:
            return fastest, np.abs(velocity[:, near]).max(1)
        reach = np.inf if near.all() else 1.01 * fastest


def _at_nodes(brain: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Whether the voxel nearest to each node is brain."""
    shape = lattice_shape(_shape(brain), spacing, LATTICE_MM)
    at = [np.arange(n) * LATTICE_MM / s for n, s in zip(shape, spacing, strict=True)]
    near = [np.clip(np.rint(a).astype(int), 0, n - 1) for a, n in zip(at, brain.shape, strict=True)]
    return brain[np.ix_(*near)]


def random_velocity(
    brain: np.ndarray, spacing: Spacing, seed: int, rms_mm: float, smoothness_mm: float
) -> np.ndarray:
    """Smooth noise of a given root mean square over the brain, float32 [3, z, y, x] in mm.

    Its strength does not depend on the voxels, nor its shape on what lies about the brain."""
    shape = lattice_shape(_shape(brain), spacing, LATTICE_MM)
    rng = np.random.Generator(np.random.Philox(seed))
    noise = rng.standard_normal((3, *shape), np.float32)
    sigma = smoothness_mm / LATTICE_MM
    smooth = ndimage.gaussian_filter(noise, (0, sigma, sigma, sigma))
    inside = _at_nodes(brain, spacing)
    strength = float(np.sqrt((smooth**2).sum(0)[inside].mean())) if inside.any() else 1.0
    return smooth * np.float32(rms_mm / strength)


def affine_velocity(
    label: np.ndarray,
    spacing: Spacing,
    rotation_degrees: Sequence[float],
    scale: Sequence[float],
    shear: Sequence[float],
) -> np.ndarray:
    """The velocity whose exponential pulls by the affine map's inverse, about the head's middle."""
    turn = Rotation.from_euler("xyz", rotation_degrees, degrees=True).as_matrix()
    slant = np.eye(3)
    slant[1, 0], slant[2, 0], slant[2, 1] = shear
    generator = np.real(logm(np.linalg.inv(turn @ slant @ np.diag(scale))))
    where = nodes_mm(lattice_shape(_shape(label), spacing, LATTICE_MM), LATTICE_MM)
    box = box_with_margin(label > 0, (0, 0, 0))
    middle = [(b.start + b.stop - 1) / 2 * s for b, s in zip(box, spacing, strict=True)]
    offset = where - np.array(middle, np.float32)[:, None, None, None]
    return np.einsum("ij,jzyx->izyx", generator, offset).astype(np.float32)


def mirrored_names(table: LabelTable) -> np.ndarray:
    """uint8 [labels]: the value that a tissue has once left and right have changed places."""
    swap = {"left": "right", "right": "left"}
    values = np.arange(len(table.names), dtype=np.uint8)
    for value, name in enumerate(table.names):
        other = "_".join(swap.get(word, word) for word in name.split("_"))
        if other in table.names:
            values[value] = table.names.index(other)
    return values


def _shape(array: np.ndarray) -> Shape:
    return array.shape[0], array.shape[1], array.shape[2]


def _check(
    warp_mm: float,
    smoothness_mm: float,
    rotation_degrees: Sequence[float],
    scale: Sequence[float],
    shear: Sequence[float],
) -> None:
    for name, values, low, high in (
        ("warp_mm", [warp_mm], 0.0, 10.0),
        ("smoothness_mm", [smoothness_mm], 6.0, 50.0),
        ("rotation_degrees", rotation_degrees, -45.0, 45.0),
        ("scale", scale, 0.7, 1.4),
        ("shear", shear, -0.3, 0.3),
    ):
        if len(values) not in (1, 3) or not all(low <= v <= high for v in values):
            raise AnatomyError(f"deform: {name} is {values}; allowed are {low:g} to {high:g}")
