"""Five seeds of kills on a real cluster; `make chaos SEEDS=200` runs more."""

from collections.abc import Iterator

import pytest
from campaigns import chaos
from support.fault_injection import Ground

SEEDS = 5


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chaos.Chaos]:
    with Ground(2) as ground:
        yield chaos.Chaos(tmp_path_factory.mktemp("chaos"), ground)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_is_killed_the_dataset_is_the_same(rig: chaos.Chaos, seed: int) -> None:
    row = rig.run(seed)
    assert row["digest"] == rig.quiet
    assert row["exits"][-1] == 0


def test_the_five_seeds_begin_with_five_kinds_of_kills() -> None:
    kinds = {event.what for seed in range(SEEDS) for event in chaos.setting(seed).events}
    assert kinds >= {"actor", "node", "driver", "node replaced", "head"}
    assert chaos.setting(3) == chaos.setting(3)
