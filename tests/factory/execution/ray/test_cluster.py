"""Nodes that come and go, and several of them that write to one bucket, on a real cluster."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

# Actors import the module that made their work, so it must be one they can find.
from support import toy_render as toy_run
from support.fault_injection import Ground

from factory.storage.dataset.object_store import ObjectStore

SAMPLES = 24
SECONDS = 0.3  # a sample, so that a run lasts longer than a node takes to come
WAIT = 300


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with Ground(1) as started:
        yield started


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("quiet") / "d.zarr"
    return toy_run.render(str(path), SAMPLES, serial=True, progress=False).digest()


def rendered(path: Path | str, ground: Ground, mishaps: Path, **how: object) -> str:
    """The digest of a run in which two nodes took part: it waits for the second."""
    (mishaps / "two-nodes").touch()
    how = {"mishaps": str(mishaps), "address": ground.address, **how}
    return toy_run.render(str(path), SAMPLES, **how).digest()


def rendered_while(
    happen: Callable[[], None],
    shards: int,
    path: Path,
    ground: Ground,
    mishaps: Path,
    **how: object,
) -> str:
    """The same of a run during which something happens, once so many shards stand. It happens in
    this thread, since Ray starts nodes in none but the main one."""
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(rendered, path, ground, mishaps, **how)
        while len(list(path.glob("ledger/0*.json"))) < shards and not run.done():
            time.sleep(0.02)
        happen()
        return run.result(WAIT)


def test_a_cluster_that_grows_gets_more_actors(tmp_path, ground, quiet):
    assert rendered_while(ground.add, 2, tmp_path / "d", ground, tmp_path) == quiet


def test_actors_that_wait_for_a_node_are_used_once_it_comes(tmp_path, ground, quiet):
    while len(ground.nodes) > 1:
        ground.power_off(ground.nodes[0])
    assert rendered_while(ground.add, 2, tmp_path / "d", ground, tmp_path, actors=3) == quiet


def test_a_node_lost_for_good_leaves_the_work_to_the_others(tmp_path, ground, quiet):
    while len(ground.nodes) < 2:
        ground.add()

    def lose() -> None:
        ground.power_off(ground.nodes[0])

    how = {"seconds": SECONDS}
    assert rendered_while(lose, 4, tmp_path / "d", ground, tmp_path, **how) == quiet
    assert len(ground.nodes) == 1


def test_two_nodes_write_to_one_bucket(tmp_path, ground, quiet, s3):
    """Two raylets, each with processes and an object store of its own, as two hosts have."""
    for node in ground.nodes:  # new ones, whose environment has the credentials
        ground.power_off(node)
    for _ in range(2):
        ground.add()
    assert rendered(f"{s3}/d", ground, tmp_path) == quiet
    assert len(ObjectStore(f"{s3}/d").list_names("ledger")) == SAMPLES // toy_run.PER_SHARD
