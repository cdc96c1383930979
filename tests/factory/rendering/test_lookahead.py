"""Cases that are begun ahead give the same bytes and errors, on Ray and serially."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

# Actors import the module that made their work, so it must be one they can find.
from support import toy_render as toy_run
from support.places import environment
from support.tiny_models import RECIPE, small, tiny_model

from factory.api import load_recipe, render
from factory.errors import AnatomyError, ShardsFailed
from factory.execution.options import RenderOptions, RunOptions
from factory.execution.ray.session import ray_session
from factory.rendering.lookahead import AHEAD, Lookahead
from factory.storage.dataset.open import open_dataset

SAMPLES = 12
WAIT = 120


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with ray_session(None, 2):
        yield


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the digest of a serial run that begins nothing ahead."""
    path = tmp_path_factory.mktemp("quiet") / "d.zarr"
    return toy_run.render(str(path), SAMPLES, serial=True, progress=False).digest()


@pytest.fixture(params=["serial", "one actor", "two actors"])
def how(request) -> dict[str, object]:
    if request.param == "serial":
        return {"serial": True, "ahead": AHEAD}
    request.getfixturevalue("cluster")
    return {"actors": 1 if request.param == "one actor" else 2, "ahead": AHEAD}


def stages(log: list[str], may_paint: threading.Event) -> Lookahead[str, str]:
    """Return stages that log what they do; case 4 fails, and painting waits for an event."""

    def prepare(case) -> str:
        log.append(f"prepare {case.id} {threading.current_thread().name}")
        if case == toy_run.case(4):
            raise AnatomyError(f"{case.id}: nowhere to grow")
        return case.id

    def paint(prepared: str) -> str:
        assert may_paint.wait(WAIT)
        log.append(f"paint {prepared} {threading.current_thread().name}")
        return f"{prepared} painted"

    return Lookahead(prepare, paint, lambda: log.append("start"))


def test_each_stage_has_a_thread_and_each_error_its_case() -> None:
    log, may_paint = list[str](), threading.Event()
    ahead, cases = stages(log, may_paint), [toy_run.case(i) for i in range(3, 7)]
    ahead.prefetch(cases[:3])
    while not any(cases[2].id in line for line in log):  # the others wait to be painted
        time.sleep(0.01)
    may_paint.set()
    assert ahead.result(cases[0]) == f"{cases[0].id} painted"
    ahead.prefetch(cases[1:])
    with pytest.raises(AnatomyError, match=cases[1].id):
        ahead.result(cases[1])
    assert ahead.result(cases[2]) == f"{cases[2].id} painted"
    assert ahead.result(cases[3]) == f"{cases[3].id} painted"
    assert log.count("start") == 2
    for stage in ("prepare", "paint"):
        assert len({line.split()[2] for line in log if line.startswith(stage)}) == 1
    assert sum(line.startswith("prepare") for line in log) == len(cases)  # each once


def test_cases_that_are_not_expected_any_more_are_cancelled() -> None:
    log, may_paint = list[str](), threading.Event()
    ahead, cases = stages(log, may_paint), [toy_run.case(i) for i in range(4)]
    ahead.prefetch(cases[:3])
    dropped = ahead.pending[1].painted
    ahead.prefetch([cases[0]])
    may_paint.set()
    assert ahead.result(cases[3]) == f"{cases[3].id} painted"  # nor is the first one needed
    with pytest.raises(CancelledError):
        dropped.result()
    assert not any(f"paint {case.id}" in line for case in cases[1:3] for line in log)
    assert ahead.pending == []


def test_without_prefetching_no_other_thread_is_used() -> None:
    log, may_paint = list[str](), threading.Event()
    may_paint.set()
    stages(log, may_paint).result(toy_run.case(0))
    assert {line.split()[-1] for line in log} == {threading.current_thread().name}


def test_lookahead_does_not_change_the_bytes(tmp_path, how, quiet):
    assert toy_run.render(str(tmp_path / "d"), SAMPLES, **how).digest() == quiet


@pytest.mark.parametrize("how", ["serial", "one actor"], indirect=True)
def test_the_next_case_is_begun_even_in_another_shard_or_of_another_subject(tmp_path, how, quiet):
    for index in (1, 2, 5):  # within a shard, of the next, and of the next subject
        (tmp_path / f"awaited-{index}").touch()
    dataset = toy_run.render(str(tmp_path / "d"), SAMPLES, mishaps=str(tmp_path), **how)
    assert dataset.digest() == quiet


@pytest.mark.parametrize("keep_going", [False, True])
@pytest.mark.parametrize("index", [4, 5])  # the first and the last of a shard
def test_an_error_ahead_belongs_to_its_own_case(tmp_path, how, quiet, index, keep_going):
    (tmp_path / f"error-{index}").touch()
    how = {**how, "mishaps": str(tmp_path)}
    if keep_going:
        dataset = toy_run.render(str(tmp_path / "d"), SAMPLES, keep_going=True, **how)
        assert dataset.failures() == {index: "the ventricles have nowhere to grow"}
    else:
        with pytest.raises(ShardsFailed, match=r"1 shards failed.*shard 2: the ventricles have"):
            toy_run.render(str(tmp_path / "d"), SAMPLES, **how)
        dataset = open_dataset(str(tmp_path / "d"))
        assert dataset.finished_shards(toy_run.shards(SAMPLES)) == {0, 1, 3, 4, 5}
    (tmp_path / f"error-{index}").unlink()
    assert toy_run.render(str(tmp_path / "d"), SAMPLES, **how).digest() == quiet


def test_a_case_that_kills_ahead_is_identified_and_the_others_are_rendered(
    tmp_path, cluster, quiet
):
    (tmp_path / "always-4").touch()
    how = {"mishaps": str(tmp_path), "actors": 2, "ahead": AHEAD}
    dataset = toy_run.render(str(tmp_path / "d"), SAMPLES, keep_going=True, **how)
    assert dataset.failures() == {4: "took 3 renderers down, out of memory or killed"}
    begun = [line.split()[1] for line in (tmp_path / "notes").read_text().splitlines()]
    assert begun.count("4") <= 4  # tries, and once in another's name
    (tmp_path / "always-4").unlink()
    assert toy_run.render(str(tmp_path / "d"), SAMPLES, **how).digest() == quiet


def test_killed_actors_are_replaced(tmp_path, cluster, quiet):
    for index in (0, 3, 11):
        (tmp_path / f"once-{index}").touch()
    how = {"mishaps": str(tmp_path), "actors": 2, "ahead": AHEAD}
    assert toy_run.render(str(tmp_path / "d"), SAMPLES, **how).digest() == quiet
    assert len(list(tmp_path.glob("met-*"))) == 3


def test_a_process_with_an_unexpected_error_is_replaced(tmp_path, cluster):
    """What is no error of the case is raised for it alone, though it was met ahead."""
    (tmp_path / "odd-4").touch()
    with pytest.raises(ShardsFailed, match=r"1 shards failed.*shard 2: .*: ZeroDivisionError"):
        toy_run.render(str(tmp_path / "d"), SAMPLES, mishaps=str(tmp_path), actors=1, ahead=AHEAD)
    assert len(open_dataset(str(tmp_path / "d")).finished_shards(toy_run.shards(SAMPLES))) == 5


@pytest.mark.parametrize("how", [{"serial": True}, {"actors": 2}], ids=["serial", "ray"])
def test_after_ctrl_c_the_same_command_goes_on(tmp_path, quiet, how):
    path = tmp_path / "d.zarr"
    command = [sys.executable, "-m", "support.toy_render", str(path), str(SAMPLES)]
    run_options = json.dumps({**how, "ahead": AHEAD})

    def start(seconds: str) -> subprocess.Popen:
        return subprocess.Popen(
            [*command, seconds, run_options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    first = start("0.3")
    while len(list(path.glob("ledger/0*.json"))) < 2:
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGINT)
    output, errors = first.communicate(timeout=WAIT)
    assert first.returncode == 130, errors
    assert "the same command goes on from there" in output
    assert "Traceback" not in errors
    assert 2 <= len(list(path.glob("ledger/0*.json"))) < 6
    output, errors = start("0").communicate(timeout=WAIT)
    assert output.strip() == quiet, errors


@pytest.mark.parametrize("serial", [True, False], ids=["serial", "ray"])
def test_a_recipe_gives_the_same_bytes_and_the_same_failures(tmp_path, monkeypatch, serial):
    """Real renderers: cases of two subjects, of which those with much too wide ventricles fail."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # threads are ours to set
    changes = [change.removeprefix("--set=") for change in small(tiny_model(tmp_path / "tiny"))]
    wide = "{atrial_width_mm: {each: [0, 9, 30]}, mode: dilate}"
    changes += ["subjects.phantom.count=2", f"anatomy.0.ventriculomegaly={wide}"]
    reports = [
        render(
            load_recipe(RECIPE, changes),
            output=str(tmp_path / f"{overlap}.zarr"),
            options=RenderOptions(
                keep_going=True,
                overlap=overlap,
                run=RunOptions(serial=serial, actors=1, progress=False),
            ),
        )
        for overlap in (False, True)
    ]
    plain, overlapping = (report.dataset for report in reports)
    assert sorted(plain.failures()) == [2, 5]
    assert overlapping.failures() == plain.failures()
    assert overlapping.digest() == plain.digest()
