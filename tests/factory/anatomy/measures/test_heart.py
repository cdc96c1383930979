"""Checks of heart labels on synthetic hearts with known faults."""

import numpy as np
import pytest

from factory.anatomy.measures.heart import check_slice, check_stack, path_reversal, volumes_ml


@pytest.fixture
def plane() -> np.ndarray:
    """A pool of radius 6, a wall to 10, a right ventricle beside it."""
    y, x = np.mgrid[:48, :48]
    from_centre = np.hypot(y - 24, x - 28)
    plane = np.where(np.hypot(y - 24, x - 14) < 8, 3, 0)
    plane[from_centre < 10] = 2
    plane[from_centre < 6] = 1
    return plane.astype(np.uint8)


def failed(plane: np.ndarray) -> set[str]:
    return {name for name, passed in check_slice(plane).items() if not passed} - {"all"}


def test_a_plausible_heart_passes(plane: np.ndarray) -> None:
    assert failed(plane) == set()
    assert check_slice(plane)["all"]


def test_each_fault_fails_its_own_check(plane: np.ndarray) -> None:
    open_wall = plane.copy()
    open_wall[24, 33:39] = 0  # out of the pool, away from the RV
    assert failed(open_wall) == {"myocardium closed around the LV pool"}

    specks = plane.copy()
    specks[2, 2], specks[2, 40], specks[45, 2] = 1, 2, 3
    pieces = {f"{n} in one piece" for n in ("lv_pool", "myocardium", "rv")}
    assert failed(specks) == pieces | {"myocardium closed around the LV pool"}

    shunt = plane.copy()
    shunt[24, 18:24] = 3
    assert "LV pool and RV apart" in failed(shunt)

    hollow = plane.copy()
    hollow[24, 11] = 0
    assert failed(hollow) == {"no hole in a cavity"}

    assert "is there" in failed(np.zeros_like(plane))


def test_pieces_of_a_stack_are_counted_in_three_dimensions(plane: np.ndarray) -> None:
    two = plane.copy()
    two[45, 2:5] = 3
    joined = np.stack([plane, plane, plane])
    assert check_stack(joined)["all"]
    joined[1] = two
    assert not check_stack(joined)["rv in one piece"]
    joined[1] = 0  # an empty slice between: every structure falls in two
    checks = check_stack(joined)
    assert not checks["myocardium in one piece"]
    assert checks["is there"]  # asked only of the slices that hold tissue


def test_volumes_are_millilitres(plane: np.ndarray) -> None:
    ml = volumes_ml(np.stack([plane] * 4), (8.0, 1.5, 1.5))
    assert ml["lv_pool"] == pytest.approx(np.pi * 36 * 1.5**2 * 32 / 1000, rel=0.05)


def test_path_reversal_is_a_share_of_the_distance_between_the_ends() -> None:
    assert path_reversal(np.array([1.0, 2, 3])) == path_reversal(np.array([9.0, 5, 5, 1])) == 0
    assert path_reversal(np.array([0.0, 6, 4, 10])) == pytest.approx(0.2)
    assert path_reversal(np.array([10.0, 4, 6, 0])) == pytest.approx(0.2)
    assert path_reversal(np.array([0.0, 50, 1])) == 1
