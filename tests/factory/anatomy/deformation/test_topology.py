import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import euler_number

from factory.anatomy import measures as measure
from factory.anatomy.deformation.topology import change_keeping_topology, is_simple
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA

PHANTOM = phantom(26, 3, 2.0).label


def topology(tissue: np.ndarray) -> tuple[int, int, int]:
    """Return components, cavities and Euler number, which together give the tunnels too."""
    tissue = np.pad(tissue, 1)
    pieces = cc3d.connected_components(tissue, connectivity=26, return_N=True)[1]
    rest = cc3d.connected_components(~tissue, connectivity=6, return_N=True)[1]
    return pieces, rest, int(euler_number(tissue, connectivity=3))


def blobs(seed: int, scale: float, shape: tuple[int, ...] = (14, 15, 16)) -> np.ndarray:
    """A random map of three tissues and background."""
    rng = np.random.Generator(np.random.Philox(seed))
    fields = ndimage.gaussian_filter(rng.standard_normal((4, *shape)), (0, scale, scale, scale))
    return fields.argmax(0).astype(np.uint8)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**27 - 1))
def test_a_voxel_is_simple_if_its_flip_changes_no_topology(number: int) -> None:
    bits = number & ~(1 << 13)
    without = np.array([bits >> i & 1 for i in range(27)], bool).reshape(3, 3, 3)
    middle = without.copy()
    middle[1, 1, 1] = True
    # Within 3×3×3 the border may join pieces of the rest that a larger map keeps apart, but the
    # middle touches nothing beyond, so a frame that goes on outwards decides the same.
    grown = [np.pad(a, 2, mode="edge") for a in (without, middle)]
    simple = bool(is_simple(np.array([bits], np.uint32))[0])
    if simple:
        assert topology(grown[0]) == topology(grown[1])
    # Some flips keep all three numbers of the whole yet are not simple; the reverse never holds.
    if topology(grown[0]) != topology(grown[1]):
        assert not simple


def test_known_neighbourhoods_are_simple_or_not() -> None:
    def bits(*places: tuple[int, int, int]) -> int:
        return sum(1 << (9 * z + 3 * y + x) for z, y, x in places)

    end, line = bits((1, 1, 0)), bits((1, 1, 0), (1, 1, 2))
    plate = bits(*[(1, y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)])
    full = 2**27 - 1 - 2**13
    half = bits(*[(0, y, x) for y in range(3) for x in range(3)])
    answers = is_simple(np.array([0, end, line, plate, full, half], np.uint32))
    assert answers.tolist() == [False, True, False, False, False, True]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0.8, 2))
def test_every_tissue_keeps_its_topology_for_any_target(a: int, b: int, scale: float) -> None:
    label, target = blobs(a, scale), blobs(b, scale)
    before = label.copy()
    led = change_keeping_topology(label, target)
    np.testing.assert_array_equal(label, before)
    assert led.dtype == label.dtype
    assert (led[label == target] == target[label == target]).all()
    assert (led != target).sum() <= (label != target).sum()
    for value in (1, 2, 3):
        assert topology(led == value) == topology(label == value)


def test_what_topology_allows_is_reached() -> None:
    z, y, x = np.indices((24, 24, 24)) - 12
    ball = (z**2 + y**2 + x**2 < 36).astype(np.uint8)
    egg = ((z - 2) ** 2 + y**2 + (x / 1.5) ** 2 < 36).astype(np.uint8)
    np.testing.assert_array_equal(change_keeping_topology(ball, egg), egg)
    np.testing.assert_array_equal(change_keeping_topology(ball, ball), ball)


def test_a_sheet_of_a_voxel_moves_further_than_it_is_thick() -> None:
    """Wall, sheet, cortex: the sheet's new place does not touch its old one."""
    label = np.full((12, 12, 14), 2, np.uint8)
    label[:, :, :4], label[:, :, 4] = 1, 3
    target = np.full_like(label, 2)
    target[:, :, :7], target[:, :, 7] = 1, 3
    np.testing.assert_array_equal(change_keeping_topology(label, target), target)


def test_a_hole_is_not_made_and_a_piece_does_not_vanish() -> None:
    ball = np.zeros((9, 9, 9), np.uint8)
    ball[2:7, 2:7, 2:7] = 1
    hollow = ball.copy()
    hollow[4, 4, 4] = 0
    np.testing.assert_array_equal(change_keeping_topology(ball, hollow), ball)
    assert (change_keeping_topology(ball, ball * 0) == 1).sum() == 1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_brain_shifted_by_a_voxel_arrives_with_its_topology(axis: int) -> None:
    shifted = np.roll(PHANTOM, 1, axis)
    led = change_keeping_topology(PHANTOM, shifted)
    assert measure.euler_number(led, FETA) == measure.euler_number(PHANTOM, FETA)
    assert measure.components(led, FETA) == measure.components(PHANTOM, FETA)
    assert (led != shifted).mean() < 0.02 * (shifted != PHANTOM).mean()


def test_euler_numbers_of_known_shapes() -> None:
    label = np.zeros((12, 12, 12), np.uint8)
    label[1:4, 1:4, 1:4] = FETA.index("brainstem")
    label[6:9, 6:9, 6:9] = FETA.index("cerebellum")
    label[7, 7, 7] = 0
    label[0, 6:9, 6:9] = FETA.index("grey_matter")
    label[0, 7, 7] = 0
    numbers = measure.euler_number(label, FETA)
    assert (numbers["brainstem"], numbers["cerebellum"], numbers["grey_matter"]) == (1, 2, 0)
    assert numbers["white_matter"] == 0
