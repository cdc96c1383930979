"""A recipe sent to a real Ray's job server: rendered there, followed here, with its exit code."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from support.places import ROOT
from support.recipes import recipe
from support.tiny_models import RECIPE, small, tiny_model

from factory import cli
from factory.config.loading import load_document
from factory.execution.submit_bundle import pack
from factory.schema.render_recipe import RenderRecipe
from factory.storage.dataset.open import open_dataset

WAIT = 300
SECRET = "wJalrXUtnFEMI-never-written"
TOKEN = "0123456789abcdef" * 4


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@dataclass(frozen=True)
class Server:
    """A job server. environment: to reach it, which takes a token."""

    url: str
    environment: dict[str, str]

    def submit(self, folder: Path, *arguments: str, **how: Any) -> subprocess.Popen:
        command = [sys.executable, "-m", "factory.cli", "submit", f"--address={self.url}"]
        return subprocess.Popen(
            [*command, *arguments], cwd=folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how,
        )  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """`ray start --head` with a job server, on free ports."""
    pytest.importorskip("aiohttp_cors", reason="the job server needs ray[default]")
    ports = {
        name: free_port()
        for name in ("port", "dashboard-port", "dashboard-agent-listen-port",
                     "dashboard-agent-grpc-port", "metrics-export-port", "ray-client-server-port")
    }  # fmt: skip
    binaries = str(Path(sys.executable).parent)
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("RAY_")},
        "PATH": os.pathsep.join([binaries, os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "RAY_worker_niceness": "0",  # else other work on this machine keeps actors waiting
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
    }
    asking = environment | {"AWS_SECRET_ACCESS_KEY": SECRET, "RAY_ADDRESS": "127.0.0.1:1"}
    del asking["RAY_AUTH_MODE"]
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as temp:
        head = subprocess.Popen(
            [f"{binaries}/ray", "start", "--head", "--block", f"--temp-dir={temp}",
             "--node-ip-address=127.0.0.1", "--num-cpus=2", "--object-store-memory=200000000",
             *(f"--{name}={port}" for name, port in ports.items())],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + WAIT
            while not answers(ports["dashboard-port"]):
                assert head.poll() is None, head.communicate()[0]
                assert time.monotonic() < deadline
                time.sleep(0.5)
            yield Server(f"http://127.0.0.1:{ports['dashboard-port']}", asking)
        finally:
            head.terminate()  # with --block, it ends all it started
            head.communicate(timeout=60)


def answers(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def test_a_recipe_is_rendered_there_and_its_log_comes_here(server, model, tmp_path) -> None:
    """The recipe includes a file and names a model of this folder; the dataset is complete."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "tiny").symlink_to(model)
    (mine / "part.yaml").write_text("seed: 5\n", encoding="utf-8")
    text = Path(RECIPE).read_text(encoding="utf-8").replace("seed: 2021\n", "")
    (mine / "r.yaml").write_text(f"include: part.yaml\n{text}", encoding="utf-8")
    output, changes = tmp_path / "out/d.zarr", small("mine/tiny")
    sent = ["mine/r.yaml", f"--output={output}", "--actors=1", *changes]

    run = server.submit(tmp_path, *sent)
    out, err = run.communicate(timeout=WAIT)
    assert run.returncode == 0, out + err
    assert "2 samples, 2 of them made now" in out
    assert err.startswith("factory: job raysubmit_")
    assert err.count("\n") == 1
    dataset = open_dataset(str(output))
    assert dataset.is_complete()
    overrides = [change.removeprefix("--set=") for change in changes]
    here = load_document(mine / "r.yaml", RenderRecipe, overrides)
    assert dataset.record["recipe_digest"] == here.digest

    # the same output for another recipe: the job's own line, and its exit code
    run = server.submit(tmp_path, *sent, "--set=seed=6")
    other, err = run.communicate(timeout=WAIT)
    assert run.returncode == 2
    assert "made by another recipe" in other

    headers = {"Authorization": f"Bearer {TOKEN}"}
    jobs = requests.get(f"{server.url}/api/jobs/", headers=headers, timeout=30).text
    assert "raysubmit_" in jobs
    written = "".join(f.read_text() for f in output.rglob("*.json"))
    for secret in (SECRET, TOKEN):
        assert secret not in jobs + out + other + err + written


def test_ctrl_c_leaves_the_job_and_says_how_to_follow_it(server, model, tmp_path) -> None:
    output = tmp_path / "d.zarr"
    (tmp_path / "tiny").symlink_to(model)
    run = server.submit(
        tmp_path, RECIPE, f"--output={output}", "--actors=1", *small("tiny"),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert run.stderr is not None
    job = run.stderr.readline().split()[-1]
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=WAIT)
    assert run.returncode == 130, said
    at = f"--address {server.url} {job}"
    assert said == (
        f"factory: the job goes on; to follow it: ray job logs --follow {at}; "
        f"to stop it: ray job stop {at}\n"
    )
    deadline = time.monotonic() + WAIT
    while not (output / "seal/0001.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_without_the_token_it_is_one_line(server, tmp_path) -> None:
    stranger = {**server.environment, "RAY_AUTH_TOKEN": "another" * 8}
    run = Server(server.url, stranger).submit(tmp_path, "hydrocephalus", "--output=/nowhere/d")
    _, err = run.communicate(timeout=WAIT)
    assert run.returncode == 2, err
    assert "no job server to be reached (Authentication failed" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--address=http://127.0.0.1:1", "--output=/d"], "no job server to be reached"),
        (["--address=127.0.0.1:6379", "--output=/d"], "allowed: the job server's URL"),
        (["--set=sed=3"], "unknown key"),
    ],
)
def test_what_cannot_be_sent_is_one_line(capsys, arguments, says) -> None:
    assert cli.main(["submit", "hydrocephalus", *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_parcel_holds_the_recipe_and_what_it_names_alone(tmp_path, monkeypatch, model) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unrelated.bin").write_bytes(bytes(100))
    (tmp_path / "models/weights").mkdir(parents=True)
    (tmp_path / "models/weights/mine").symlink_to(model)
    parcel = tmp_path / "parcel"
    parcel.mkdir()
    mine = recipe("appearance.model=mine", "output.path=s3://bucket/d.zarr")
    name = pack(mine, parcel)
    files = {p.relative_to(parcel).as_posix() for p in parcel.rglob("*") if p.is_file()}
    weights = {f"models/weights/mine/{p.name}" for p in Path(model).iterdir()}
    assert files == {name} | weights
    monkeypatch.chdir(parcel)
    assert load_document(name, RenderRecipe, ["output.path=s3://b"]).digest == mine.digest


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("output.path=here.zarr", "output.path: here.zarr lies in this machine's working folder"),
        ("subjects.bids={path: data}", "subjects.bids.path: data holds too much to be sent"),
        ("subjects.bids={path: ../data}", "data: allowed: a path below the working folder"),
        ("subjects.bids={path: gone}", "subjects.bids.path: gone: no such folder"),
    ],
)
def test_what_the_cluster_would_not_find_is_refused(tmp_path, monkeypatch, change, says) -> None:
    (tmp_path / "w/data").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    with open(tmp_path / "w/data/large", "wb") as file:
        file.truncate(100 * 2**20)
    monkeypatch.chdir(tmp_path / "w")
    parcel = tmp_path / "parcel"
    parcel.mkdir()
    with pytest.raises(Exception, match=says):
        pack(recipe("output.path=s3://bucket/d", change), parcel)
