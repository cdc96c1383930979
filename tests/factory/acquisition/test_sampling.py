"""Slices of a volume: their profile, their gaps, their place in the world, their labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation
from support.volumes import GREY, SHAPE, WHITE, ball, block, half_width

from factory.acquisition.acquire import acquire_stacks
from factory.acquisition.geometry import stack_grids, stack_shape, volume_slices
from factory.acquisition.motion import SliceMotion
from factory.acquisition.sampling import sample_slices
from factory.errors import RenderError
from factory.imaging.orientations import AXES
from factory.storage.subjects.types import FETA, Grid


def still(slices: int) -> SliceMotion:
    return SliceMotion(np.zeros((slices, 3)), np.zeros((slices, 3)))


def profile_of(profile: str, thickness: float, gap: float, voxel: float) -> tuple:
    """Return heights of a bright sheet (mm), the signal of each slice for them, and the slices."""
    grid = Grid.centred((65, 5, 5), (voxel, 1.0, 1.0))
    stacks = {
        "orientations": ["axial"],
        "thickness_mm": thickness,
        "gap_mm": gap,
        "in_plane_mm": 1.0,
    }
    stack_grid = stack_grids(grid, stacks)[0]
    label = block(grid.shape)[1]
    sampled = []
    for height in range(grid.shape[0]):
        sheet = np.zeros(grid.shape, np.float32)
        sheet[height] = 1
        stack, _ = sample_slices(
            sheet, label, grid.spacing, stack_grid, still(stack_grid.shape[0]), profile
        )
        sampled.append(stack[:, 2, 2])
    return voxel * np.arange(grid.shape[0]), np.array(sampled), stack_grid


@pytest.mark.parametrize("profile", ["gaussian", "box"])
@pytest.mark.parametrize("thickness", [2.0, 3.5, 5.0])
def test_a_slice_is_as_thick_as_asked(profile: str, thickness: float) -> None:
    height, sampled, stack_grid = profile_of(profile, thickness, 0, 0.5)
    middle = stack_grid.shape[0] // 2
    assert half_width(height, sampled[:, middle]) == pytest.approx(thickness, rel=0.05)
    assert height @ sampled[:, middle] == pytest.approx(stack_grid.lines[0][middle], abs=0.02)
    assert sampled[:, middle].sum() == pytest.approx(1, abs=1e-5)


def test_a_gap_leaves_a_slab_unseen() -> None:
    height, sampled, stack_grid = profile_of("box", 2.0, 2.0, 0.25)
    seen_by_any = sampled.sum(1) > 0
    nearest = np.abs(height[:, None] - stack_grid.lines[0]).min(1)
    assert seen_by_any[nearest < 1].all()
    assert not seen_by_any[nearest > 1 + 0.25].any()
    assert (nearest > 1.25).any()
    assert profile_of("box", 2.0, 0.0, 0.25)[1].sum(1).all()


def oblique(shape: tuple[int, int, int], spacing: float) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [20, -10, 35], degrees=True).as_matrix() * spacing
    affine[:3, 3] = [11, -7, 5]
    return Grid(shape, (spacing,) * 3, affine)


@pytest.mark.parametrize("orientation", sorted(AXES))
@pytest.mark.parametrize("in_plane", [0.9, 2.0])
def test_a_point_has_the_same_place_in_every_stack(orientation: str, in_plane: float) -> None:
    grid = oblique((44, 52, 48), 0.8)
    place = np.array([24.0, 20.0, 27.0])
    distance = np.sqrt(((np.indices(grid.shape) - place[:, None, None, None]) ** 2).sum(0))
    blob = np.exp(-0.5 * (distance / 4) ** 2).astype(np.float32)
    parameters = {
        "stacks": {
            "orientations": [orientation] * 2,
            "thickness_mm": 2.5,
            "gap_mm": 0.3,
            "in_plane_mm": in_plane,
        }
    }
    stacks = acquire_stacks(blob, (blob > 0.01).astype(np.uint8), grid, FETA, parameters, 0).stacks
    truth = grid.affine @ [*place[::-1], 1]
    for stack in stacks:
        position = stack.affine @ [*ndimage.center_of_mass(stack.image)[::-1], 1]
        assert np.linalg.norm(position - truth) < 0.08
        spacing = np.linalg.norm(stack.affine[:3, :3], axis=0)[::-1]
        np.testing.assert_allclose(spacing, stack.spacing)
        np.testing.assert_allclose(stack.spacing, (2.8, in_plane, in_plane))
    first, second = (stack.affine[:3, 3] for stack in stacks)
    assert np.linalg.norm(second - first) == pytest.approx(1.4)


def test_without_motion_the_volumes_own_slices_are_the_volume() -> None:
    image, label, grid = ball()
    stack_grid = volume_slices(grid)
    sampled, labels = sample_slices(
        image, label, grid.spacing, stack_grid, still(SHAPE[0]), "gaussian"
    )
    np.testing.assert_allclose(sampled, image, atol=1e-6)
    np.testing.assert_array_equal(labels, label)


def test_a_known_motion_moves_image_and_label_by_as_much() -> None:
    image, label, grid = ball()
    stack_grid = volume_slices(grid)
    shift = np.tile([0.0, 3.0, -2.0], (SHAPE[0], 1))
    moved = SliceMotion(shift, np.zeros_like(shift))
    sampled, labels = sample_slices(image, label, grid.spacing, stack_grid, moved, "gaussian")
    np.testing.assert_allclose(sampled[:, 3:, :-2], image[:, :-3, 2:], atol=1e-5)
    np.testing.assert_array_equal(labels[:, 3:, :-2], label[:, :-3, 2:])


def test_a_quarter_turn_is_about_the_brains_centre() -> None:
    image, label, grid = ball((20, 41, 41))
    image[:, 20, 30] = 3
    turn = np.tile([90.0, 0.0, 0.0], (20, 1))
    moved = SliceMotion(np.zeros_like(turn), turn)
    sampled, _ = sample_slices(image, label, grid.spacing, volume_slices(grid), moved, "gaussian")
    # A right-handed turn about the first axis takes +column to -row, as it takes z to -y.
    assert np.unravel_index(sampled[10].argmax(), (41, 41)) == (10, 20)


@pytest.mark.parametrize("orientation", sorted(AXES))
def test_what_is_in_view_does_not_depend_on_what_lies_about_it(orientation: str) -> None:
    """Slices are worked out only where they can meet something; light all around is everywhere."""
    image, label, grid = ball((40, 44, 42))
    image[:8] = image[-8:] = label[:8] = label[-8:] = 0
    rng = np.random.Generator(np.random.Philox(6))
    stacks = {"orientations": [orientation], "thickness_mm": 2.5, "gap_mm": 0, "in_plane_mm": 1.3}
    stack_grid = stack_grids(grid, stacks)[0]
    moved = SliceMotion(*(s * rng.standard_normal((stack_grid.shape[0], 3)) for s in (4.0, 25.0)))
    about = (grid.spacing, stack_grid, moved, "gaussian")
    dark, labels = sample_slices(image, label, *about)
    lit, everywhere = sample_slices(image + 1, label, *about)
    alone, _ = sample_slices(np.ones_like(image), label, *about)
    np.testing.assert_allclose(dark, lit - alone, atol=2e-6)
    np.testing.assert_array_equal(labels, everywhere)


def test_a_stacks_label_is_the_majority_within_its_slices() -> None:
    grid = Grid.centred((30, 6, 6), (1.0, 1.0, 1.0))
    label = np.full(grid.shape, WHITE, np.uint8)
    label[16:] = GREY
    stacks = {"orientations": ["axial"], "thickness_mm": 3.0, "profile": "box"}
    image = label.astype(np.float32)
    stack = acquire_stacks(image, label, grid, FETA, {"stacks": stacks}, 0).stacks[0]
    # Slice 5 covers voxels 15, 16 and 17: a third white, two thirds grey.
    np.testing.assert_array_equal(stack.label[:, 3, 3], [WHITE] * 5 + [GREY] * 5)
    assert stack.image[5, 3, 3] == pytest.approx((WHITE + 2 * GREY) / 3, abs=0.25)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(*[st.integers(4, 14)] * 3),
    spacing=st.floats(0.5, 1.5),
    orientations=st.lists(st.sampled_from(sorted(AXES)), min_size=1, max_size=3),
    thickness=st.floats(1.5, 5),
    gap=st.floats(0, 2),
    in_plane=st.floats(0.4, 2),
)
def test_stacks_have_the_planned_shape_and_cover_the_volume(
    shape: tuple[int, int, int],
    spacing: float,
    orientations: list[str],
    thickness: float,
    gap: float,
    in_plane: float,
) -> None:
    image, label = block(shape)
    stacks = {
        "orientations": orientations,
        "thickness_mm": thickness,
        "gap_mm": gap,
        "in_plane_mm": in_plane,
    }
    grid = Grid.centred(shape, (spacing,) * 3)
    stacks_acquired = acquire_stacks(image, label, grid, FETA, {"stacks": stacks}, 0).stacks
    assert [stack.orientation for stack in stacks_acquired] == orientations
    for stack in stacks_acquired:
        planned = stack_shape(shape, spacing, stack.orientation, thickness, gap, in_plane)
        assert stack.image.shape == stack.label.shape == planned
        assert (stack.image.dtype, stack.label.dtype) == (np.float32, np.uint8)
        axis = AXES[stack.orientation]
        extent = np.array(shape) * spacing
        covered = np.array(planned) * stack.spacing
        assert (covered >= [extent[axis], *np.delete(extent, axis)] - np.float64(1e-4)).all()
        assert stack.image.max() <= 1 + 1e-5


def test_detail_finer_than_the_plane_is_averaged_not_aliased() -> None:
    grid = Grid.centred((6, 41, 41), (1.0, 1.0, 1.0))
    image, label = block(grid.shape)
    image[:, 1::2] = 0
    stacks = {"orientations": ["axial"], "thickness_mm": 2.0, "in_plane_mm": 2.0}
    # Each row of the stack falls on a bright one of the volume. Of stripes at the lattice's limit
    # a Gaussian of FWHM √3 voxels leaves 2 exp(-σ²π²/2), a seventh.
    stack = acquire_stacks(image, label, grid, FETA, {"stacks": stacks}, 0).stacks[0]
    np.testing.assert_allclose(stack.image[1, 2:-2, 2:-2], 0.5, atol=0.5 / 7 + 0.01)


def test_an_orientation_that_there_is_not_is_refused() -> None:
    with pytest.raises(RenderError, match=r"'axail'; allowed: axial, coronal, sagittal"):
        stack_shape((4, 4, 4), 1.0, "axail", 3, 0, 1)
