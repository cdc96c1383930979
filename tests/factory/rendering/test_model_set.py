"""Every model that a recipe names is found, counted and sent."""

from pathlib import Path

import pytest
from golden import workplace

from factory.api import load_recipe
from factory.execution.submit_bundle import list_local_files
from factory.rendering.model_set import ModelSet, list_roles

GATE = "gate={model: mine/judge, ventricles: {dice: 0.9}}"
ROLES = {
    "hydrocephalus": {"appearance.model"},
    "cnn-fusion": {"appearance.model", "appearance.fuse.cnn", "gate.model"},
    "cardiac-interpolation": {"appearance.model", "interpolate.model"},
    "cardiac-latents": {"latents.model"},
    "ultrasound-to-mri": {"appearance.model"},
}


@pytest.fixture
def workplace_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a model of every role."""
    folder = workplace.set_up(tmp_path / "workplace")
    (folder / "mine").mkdir()
    (folder / "models" / "weights" / "fetal-segmenter").rename(folder / "mine" / "judge")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("name", ROLES)
def test_every_model_is_a_role_and_its_weights_count(workplace_folder: Path, name: str) -> None:
    recipe = load_recipe(name, [GATE] if name == "cnn-fusion" else [])
    assert {role.key for role in list_roles(recipe.data)} == ROLES[name]
    networks = ModelSet.of(recipe)
    files = [file for folder in networks.folders.values() for file in folder.glob("*.safetensors")]
    assert len(networks.folders) == len(ROLES[name])
    assert networks.bytes == sum(file.stat().st_size for file in files) > 0
    assert len(networks.weights) == len(files)


def test_a_users_own_model_goes_with_a_job_whatever_its_role(workplace_folder: Path) -> None:
    gated = {key: folder for key, _, folder in list_local_files(load_recipe("cnn-fusion", [GATE]))}
    assert gated["gate.model"] == Path("mine/judge")
    assert {"appearance.model", "appearance.fuse.cnn"} <= gated.keys()  # of this folder, too
    hearts = {key for key, _, _ in list_local_files(load_recipe("cardiac-interpolation"))}
    assert hearts == {"appearance.model", "interpolate.model", "subjects.short_axis.path"}
