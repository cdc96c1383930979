"""Shards are rendered serially and on a real Ray, though actors and the driver die."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import ray
import zarr

# Actors import the module that made their work, so it must be one they can find.
from support import toy_render as toy_run
from support.places import environment

from factory.errors import AnatomyError, FactoryError, RenderError, ShardsFailed
from factory.execution.options import RunOptions
from factory.execution.ray import staff
from factory.execution.ray.pool import IN_FLIGHT
from factory.execution.ray.session import ray_session
from factory.execution.run import execute
from factory.planning.plan import Shard
from factory.progress import Progress
from factory.storage.dataset.open import open_dataset
from factory.storage.errors import DatasetError

SAMPLES = 12
ODD = "ZeroDivisionError: a mistake of ours"
WAIT = 300


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Start one Ray for the tests of this file; `execute` uses the Ray that its process has."""
    with ray_session(None, 2):
        yield


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the digest of an undisturbed serial run."""
    path = tmp_path_factory.mktemp("quiet") / "d.zarr"
    return toy_run.render(str(path), SAMPLES, serial=True, progress=False).digest()


@pytest.mark.parametrize("actors", [1, 2])
def test_ray_and_serial_give_the_same_bytes(tmp_path, cluster, quiet, actors):
    dataset = toy_run.render(str(tmp_path / "d"), SAMPLES, actors=actors)
    assert dataset.is_complete()
    assert dataset.digest() == quiet
    group = zarr.open(tmp_path / "d", mode="r")
    for i in range(SAMPLES):
        rendered = toy_run.ToyWorker(dataset).render(toy_run.case(i))
        np.testing.assert_array_equal(group["label"][i], rendered.arrays["label"])


def test_a_killed_actor_is_replaced_and_its_shard_is_rendered(tmp_path, cluster, quiet):
    doomed = [0, 3, 11]
    for index in doomed:
        (tmp_path / f"once-{index}").touch()
    dataset = toy_run.render(str(tmp_path / "d"), SAMPLES, mishaps=str(tmp_path), actors=2)
    assert len(list(tmp_path.glob("met-*"))) == len(doomed)  # they did die
    assert dataset.digest() == quiet


def test_a_shard_that_always_kills_is_named_and_the_others_are_written(tmp_path, cluster, quiet):
    (tmp_path / "always-4").touch()
    with pytest.raises(
        ShardsFailed, match=r"1 shards failed.*shard 2: phantom-0/grade=4/0: took 3"
    ):
        toy_run.render(str(tmp_path / "d"), SAMPLES, mishaps=str(tmp_path), actors=2)
    dataset = open_dataset(str(tmp_path / "d"))
    assert dataset.finished_shards(toy_run.shards(SAMPLES)) == {0, 1, 3, 4, 5}
    assert not dataset.is_complete()
    (tmp_path / "always-4").unlink()
    again = toy_run.render(str(tmp_path / "d"), SAMPLES, mishaps=str(tmp_path), actors=2)
    assert again.digest() == quiet


def test_actors_that_die_while_loading_end_the_run(tmp_path, cluster):
    (tmp_path / "dies-loading").touch()
    with pytest.raises(RenderError, match="died while loading"):
        toy_run.render(str(tmp_path / "d"), SAMPLES, mishaps=str(tmp_path), actors=1)


@pytest.fixture(params=["serial", "ray"])
def how(request) -> dict[str, object]:
    if request.param == "serial":
        return {"serial": True}
    request.getfixturevalue("cluster")
    return {"actors": 1}


def test_a_shard_that_raises_is_named_and_the_others_are_written(tmp_path, how):
    (tmp_path / "error-5").touch()
    with pytest.raises(ShardsFailed, match=r"shard 2: the ventricles have nowhere to grow"):
        toy_run.render(str(tmp_path / "d"), SAMPLES, mishaps=str(tmp_path), **how)
    dataset = open_dataset(str(tmp_path / "d"))
    assert dataset.finished_shards(toy_run.shards(SAMPLES)) == {0, 1, 3, 4, 5}


def test_an_error_that_all_shards_share_is_raised_at_once(tmp_path, how):
    (tmp_path / "error-all").touch()
    with pytest.raises(AnatomyError, match="nowhere to grow"):
        toy_run.render(str(tmp_path / "d"), SAMPLES, mishaps=str(tmp_path), **how)


def test_an_unexpected_error_that_all_shards_share_ends_the_run(tmp_path, how):
    (tmp_path / "odd-all").touch()
    with pytest.raises(RenderError, match=ODD):
        toy_run.render(str(tmp_path / "d"), 24, mishaps=str(tmp_path), **how)
    assert (
        len({index for _, index in list_begun_cases(tmp_path)}) <= 8
    )  # of three shards, and those queued


def list_begun_cases(folder: Path) -> list[tuple[str, int]]:
    """Return process and case of everything that was begun."""
    lines = (folder / "notes").read_text().splitlines()
    return [(process, int(index)) for process, index, _ in map(str.split, lines)]


def test_a_case_that_kills_gets_a_placeholder(tmp_path, cluster, quiet):
    (tmp_path / "always-4").touch()
    how = {"mishaps": str(tmp_path), "actors": 2}
    dataset = toy_run.render(str(tmp_path / "d"), SAMPLES, keep_going=True, **how)
    assert sum(index == 4 for _, index in list_begun_cases(tmp_path)) == 3  # tries, and no more
    assert dataset.is_complete()
    assert dataset.failures() == {4: "took 3 renderers down, out of memory or killed"}
    assert not dataset.sample(4).arrays["label"].any()
    assert dataset.sample(5).arrays["label"].any()  # of the same shard
    (tmp_path / "notes").unlink()
    with pytest.raises(ShardsFailed):
        toy_run.render(str(tmp_path / "d"), SAMPLES, **how)
    assert {index for _, index in list_begun_cases(tmp_path)} <= {
        4,
        5,
    }  # that shard alone is tried again
    assert dataset.is_complete()
    (tmp_path / "always-4").unlink()
    again = toy_run.render(str(tmp_path / "d"), SAMPLES, **how)
    assert again.failures() == {}
    assert again.digest() == quiet


@pytest.mark.parametrize("what", ["error", "odd"])
def test_a_case_that_raises_gets_a_placeholder(tmp_path, how, quiet, what):
    (tmp_path / f"{what}-5").touch()
    how = {**how, "mishaps": str(tmp_path)}
    dataset = toy_run.render(str(tmp_path / "d"), SAMPLES, keep_going=True, **how)
    assert dataset.is_complete()
    reasons = {"error": "the ventricles have nowhere to grow", "odd": ODD}
    assert dataset.failures() == {5: reasons[what]}
    (tmp_path / f"{what}-5").unlink()
    assert toy_run.render(str(tmp_path / "d"), SAMPLES, **how).digest() == quiet


def test_a_process_with_an_unexpected_error_is_replaced(tmp_path, cluster):
    """An error that is not the case's own is tried in three processes, each of which is ended."""
    (tmp_path / "odd-4").touch()
    with pytest.raises(ShardsFailed, match=r"1 shards failed.*shard 2: .*: ZeroDivisionError"):
        toy_run.render(str(tmp_path / "d"), SAMPLES, mishaps=str(tmp_path), actors=1)
    assert len({process for process, index in list_begun_cases(tmp_path) if index == 4}) == 3
    assert len(open_dataset(str(tmp_path / "d")).finished_shards(toy_run.shards(SAMPLES))) == 5


def test_after_running_out_of_memory_a_shard_is_rendered_case_by_case(tmp_path, cluster, quiet):
    (tmp_path / "hungry-7").touch()
    path = str(tmp_path / "d")
    with pytest.raises(ShardsFailed, match=r"shard 3: phantom-1/grade=2/0: \w*MemoryError"):
        toy_run.render(path, SAMPLES, mishaps=str(tmp_path), actors=2)
    dataset = open_dataset(path)
    assert dataset.finished_shards(toy_run.shards(SAMPLES)) == {0, 1, 2, 4, 5}
    (tmp_path / "hungry-7").unlink()
    (tmp_path / "once-7").touch()  # as the kernel does it
    assert toy_run.render(path, SAMPLES, mishaps=str(tmp_path), actors=2).digest() == quiet


def test_shards_are_read_lazily(tmp_path, cluster):
    dataset = toy_run.begin(str(tmp_path / "d"), 40)
    unwritten, ledger = [], tmp_path / "d" / "ledger"

    def shards() -> Iterator[Shard]:
        for shard in toy_run.shards(40):
            unwritten.append(shard.index - len(list(ledger.glob("0*.json"))))
            yield shard

    execute(shards(), partial(toy_run.ToyWorker, dataset), samples=40, run=RunOptions(actors=2))
    subject = 3  # shards of a subject, which are kept for one actor; and one is looked at ahead
    assert max(unwritten) <= 2 * (IN_FLIGHT + subject) + 1


def test_a_subject_s_cases_stay_with_one_actor(tmp_path, cluster):
    """The last cases are an exception: an actor without work takes from the one with most."""
    toy_run.render(str(tmp_path / "d"), 40, mishaps=str(tmp_path), seconds=0.05, actors=2)
    owners: dict[int, set[str]] = {}
    for process, index in list_begun_cases(tmp_path):
        begins = index // toy_run.PER_SHARD * toy_run.PER_SHARD  # its shard
        owners.setdefault(begins // 5, set()).add(process)
    assert len({process for process, _ in list_begun_cases(tmp_path)}) == 2
    assert len(owners) == 8
    assert sum(len(of) == 1 for of in owners.values()) >= 6


def test_an_actor_that_does_not_fit_ends_the_run_with_one_line(tmp_path, cluster, monkeypatch):
    monkeypatch.setattr(staff, "PATIENCE_SECONDS", 5.0)
    with pytest.raises(RenderError, match=r"no renderer was ready in 5 s: each needs 64 CPU"):
        toy_run.render(str(tmp_path / "d"), SAMPLES, actors=1, threads=64)


def test_actors_that_do_not_fit_wait_while_the_others_render(tmp_path, cluster, quiet):
    assert toy_run.render(str(tmp_path / "d"), SAMPLES, actors=5).digest() == quiet


def test_an_error_of_loading_is_passed_on(tmp_path, how):
    (tmp_path / "error-loading").touch()
    with pytest.raises(FileNotFoundError, match="no weights here"):
        toy_run.render(str(tmp_path / "d"), SAMPLES, mishaps=str(tmp_path), **how)


def test_an_output_that_cannot_be_written_ends_the_run(tmp_path, how):
    toy_run.begin(str(tmp_path / "d"), SAMPLES)
    (tmp_path / "d/image/c").write_text("a file where a folder is needed")
    with pytest.raises(DatasetError, match="cannot write image/c/"):
        toy_run.render(str(tmp_path / "d"), SAMPLES, **how)


def test_nothing_to_do_starts_nothing(tmp_path):
    def never() -> None:
        raise AssertionError("made a worker for nothing")

    assert execute([], never, samples=3, finished=3).rendered == 0


def test_an_address_without_ray_is_one_line():
    if ray.is_initialized():
        ray.shutdown()
    with pytest.raises(FactoryError, match=r"--address nonsense: no Ray there"):
        execute(toy_run.shards(2), lambda: None, samples=2, run=RunOptions(address="nonsense"))


def accept_ctrl_c() -> None:
    """Accept Ctrl-C, which a background process would ignore, other than one at a terminal."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(path: Path, samples: int, seconds: float) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "support.toy_render", path, str(samples), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # RAY_ADDRESS: of a cluster long gone, which must not matter
        env=environment(OMP_NUM_THREADS="1", RAY_ADDRESS="127.0.0.1:1"),
        start_new_session=True,
        preexec_fn=accept_ctrl_c,
    )


def wait_for_shards(path: Path, count: int, run: subprocess.Popen) -> None:
    deadline = time.monotonic() + WAIT
    while len(list(path.glob("ledger/0*.json"))) < count:
        assert run.poll() is None, run.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_ctrl_c_then_driver_killed_then_the_same_command(tmp_path):
    """Three runs of one command on one dataset: interrupted, killed by -9, undisturbed."""
    path, samples, seconds = tmp_path / "d.zarr", 24, 0.1
    first = start(path, samples, seconds)
    wait_for_shards(path, 2, first)
    os.killpg(first.pid, signal.SIGINT)  # as a terminal does: the driver and all its children
    output, errors = first.communicate(timeout=WAIT)
    assert first.returncode == 130, errors
    assert "of 24 samples stand; the same command goes on from there" in output
    assert "Traceback" not in errors
    written = len(list(path.glob("ledger/0*.json")))
    assert 2 <= written < 12

    with start(path, samples, seconds) as second:
        wait_for_shards(path, written + 3, second)
        second.kill()
    written = len(list(path.glob("ledger/0*.json")))
    assert written < 12
    assert not open_dataset(str(path)).is_complete()

    third = start(path, samples, 0.0)
    output, errors = third.communicate(timeout=WAIT)
    assert third.returncode == 0, errors
    assert "Traceback" not in errors
    undisturbed = toy_run.render(str(tmp_path / "q"), samples, serial=True, progress=False)
    assert output.strip() == undisturbed.digest()
    assert not [f for f in path.rglob("*") if f.name.startswith(".tmp-")]


def test_progress_in_a_log_is_plain_lines():
    log = io.StringIO()
    with Progress(10, finished=4, stream=log) as progress:
        progress.advance(2)
        progress.note("shard 3 failed: because")
        progress.begun -= 60  # two samples in a minute
        assert progress.line() == "6 of 10 samples, 2.0 a minute, 0:02:00 left"
    lines = log.getvalue().splitlines()
    assert lines[0] == "4 of 10 samples stand already"
    assert lines[1] == "shard 3 failed: because"
    assert lines[-1].startswith("6 of 10 samples")
