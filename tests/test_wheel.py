"""The wheel, beside a user's own folders and files that are called as ours are."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from support.places import ROOT
from support.tiny_models import tiny_model

TRAIN = """
family: segmenter
name: tiny
seed: 1
licence: none
subjects: {{path: {bids}, mapping: feta, spacing_mm: [4.0]}}
orientations: [axial]
crop: 32
model: {{width: 2}}
batch: 2
steps: 2
output: {output}
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment that has the wheel, and this one's libraries.

    Lines of a .pth file are folders, and the .pth files in these are not read: the editable
    installation of this environment stays out.
    """
    root = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(root), str(ROOT)], check=True, capture_output=True)
    (wheel,) = root.glob("*.whl")
    venv.create(root / "env", with_pip=False)
    python = root / "env" / "bin" / "python"
    (site,) = (root / "env" / "lib").glob("python*/site-packages")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*install, str(site), str(wheel)], check=True, capture_output=True)
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A user's working folder with names that are ours, too."""
    for name in ("models", "storage", "recipes", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('not this one')\n")
    (tmp_path / "storage.py").write_text("raise SystemExit('nor this one')\n")
    return tmp_path


def run(python: Path, folder: Path, *arguments: str) -> str:
    ended = subprocess.run(
        [str(python), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_it_renders_opens_and_trains(python: Path, beside: Path, bids: Path) -> None:
    where = run(python, beside, "-c", "import factory; print(factory.__file__)")
    assert str(python.parents[1]) in where
    command = ["-m", "factory.cli"]
    assert "fetal-spade" in run(python, beside, *command, "models")
    changes = (
        f"appearance.model={tiny_model(beside / 'tiny')}",
        "output.spacing_mm=3",
        "groups=null",
        "subjects.learned.count=1",
        "anatomy=[{ventriculomegaly: {atrial_width_mm: {each: [0, 14]}}}]",
    )
    options = [*(f"--set={change}" for change in changes), "--serial", "--output", "d.zarr"]
    run(python, beside, *command, "render", "hydrocephalus", *options)
    code = "import factory; d = factory.open('d.zarr'); print(len(d), d[0].arrays['label'].max())"
    assert run(python, beside, "-c", code).split() == ["2", "7"]
    (beside / "train.yaml").write_text(TRAIN.format(bids=bids, output=beside / "run"))
    run(python, beside, *command, "train", "train.yaml", "--serial")
    assert (beside / "run" / "model" / "card.json").is_file()
    assert "nnunet" in run(python, beside, *command, "export", "--help")
    names = (
        "import pkgutil, factory; print(*[m.name for m in pkgutil.iter_modules(factory.__path__)])"
    )
    found = run(python, beside, "-c", names).split()
    assert {"models", "storage"} <= set(found)
    assert not {"recipe", "pipeline"} & set(found)


def test_nothing_else_is_installed_at_the_top(python: Path) -> None:
    (site,) = (python.parents[1] / "lib").glob("python*/site-packages")
    names = {path.name for path in site.iterdir() if path.suffix not in (".dist-info", ".pth")}
    assert names <= {"factory", "bin", "__pycache__"}
