"""The direction of the arrows: what may import what."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("factory", "models", "storage")

ALLOWED = {
    "ray": (
        "factory/ray_pool.py",
        "factory/ray_actor.py",
        "factory/ray_session.py",
        "factory/submit.py",
        "factory/evaluate/spread.py",
        "factory/train/",
    ),
    "zarr": ("storage/",),
    "fsspec": ("storage/",),
    "torch": (
        "models/",
        "factory/gating.py",
        "factory/segmenting.py",
        "factory/render.py",
        "factory/painting.py",
        "factory/slice_painting.py",
        "factory/latents.py",
        "factory/interpolated.py",
        "factory/drawn.py",
        "factory/painters.py",
        "factory/ultrasound_painting.py",
        "factory/torch/",
        "factory/train/",
        "factory/evaluate/",
    ),
    "pickle": (),
    "factory": ("factory/",),
    "models": ("models/", "factory/"),
    "storage": ("storage/", "factory/"),
}


def files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    for package in imported(path) & ALLOWED.keys():
        assert place.startswith(ALLOWED[package]), f"{place} imports {package}"
