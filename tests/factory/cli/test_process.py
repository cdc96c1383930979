"""The command line as a separate process: signals, pipes, and what it imports."""

import os
import signal
import subprocess
import sys
import time

import pytest
from support.places import ROOT
from support.tiny_models import RECIPE, small, tiny_model

from factory.api import load_recipe, plan


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def command(*arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "factory.cli", *arguments]
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        line, capture_output=True, text=True, env=environment, check=False, **options
    )


def test_a_process_ends_with_the_exit_code_and_one_line(tmp_path) -> None:
    ended = command("plan", "nobody", cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("factory: nobody: no such recipe; there are ")
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


def test_ctrl_c_explains_how_to_continue_and_loses_nothing(model, tmp_path) -> None:
    output = tmp_path / "o.zarr"
    options = [RECIPE, *small(model), "--set=replicates=500", "--output", str(output)]
    with subprocess.Popen(
        [sys.executable, "-m", "factory.cli", "render", *options, "--serial"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        # A process started in the background inherits deafness to Ctrl-C; one at a terminal not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        while process.poll() is None and not list(output.glob("ledger/*.json")):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    stopped = err.splitlines()[-1]
    assert stopped.startswith("factory: stopped: ")
    assert stopped.endswith("of 1000 samples stand; the same command goes on from there")
    changes = [o.removeprefix("--set=") for o in options[1:-2]]
    assert plan(load_recipe(options[0], changes), output=str(output)).finished_shards


def test_a_closed_output_pipe_is_no_error() -> None:
    line = f"{sys.executable} -m factory.cli --help | true; exit ${{PIPESTATUS[0]}}"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    ended = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env=environment, check=False
    )
    assert ended.stderr == ""
    assert ended.returncode in (0, 141)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from factory.cli import main; main(['--help']); "
        "heavy = {'torch', 'ray', 'zarr', 'numpy', 'pandas', 'scipy', 'pydantic'}; "
        "print(*sorted(heavy & set(sys.modules)), file=sys.stderr, end='')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT,
                           check=False)  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
