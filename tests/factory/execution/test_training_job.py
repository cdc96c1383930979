"""`factory train` on a real Ray."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import ray

from factory.config.loading import CheckedDocument
from factory.errors import FactoryError
from factory.execution import training_job as launch
from factory.execution.log_follower import follow_log
from factory.execution.options import RunOptions
from factory.families.spade.recipe import SpadeTraining
from factory.models.checkpoint import read_card

Recipe = Callable[..., CheckedDocument[SpadeTraining]]


@pytest.fixture(scope="module")
def own_ray() -> Iterator[None]:
    yield
    ray.shutdown()


@pytest.mark.usefixtures("own_ray")
def test_two_ray_workers_train_a_model_and_show_progress(
    recipe: Recipe,
    bids: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(bids.parent)  # Ray starts its workers in another folder
    folder = launch.train(recipe("workers=2", f"subjects.path={bids.name}"), RunOptions())
    card = read_card(folder)
    assert card["training"]["steps"]["axial"] > 0
    assert (folder / "axial.safetensors").exists()
    assert "images" in capsys.readouterr().out
    rows = np.loadtxt(tmp_path / "axial" / "losses.csv", delimiter=",", skiprows=1)
    assert np.isfinite(rows).all()
    assert list((tmp_path / "axial" / "samples").glob("*.png"))


@pytest.mark.usefixtures("own_ray")
def test_a_training_that_diverges_on_ray_stops_with_one_line(recipe: Recipe) -> None:
    """A rate of 1 blows a small network up within a few steps."""
    wild = recipe("optimiser.lr_generator=1.0", "loss.feature_matching=1e38", "log_every=1")
    with pytest.raises(FactoryError, match=r"step \d+: loss \w+ is (nan|inf)") as caught:
        launch.train(wild, RunOptions())
    assert "\n" not in str(caught.value)


def test_a_log_is_followed_from_where_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "progress.log"
    path.write_text("old\n")
    with follow_log(path), path.open("a") as file:
        file.write("one\ntwo\n")
    assert capsys.readouterr().out == "one\ntwo\n"
