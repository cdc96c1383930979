"""The steps of a training: what is due when, resuming, stopping early, and divergence."""

from pathlib import Path

import pytest
import torch
from torch import nn

from factory.models.checkpoint import WeightsError
from factory.training.loop import TrainingLoop, load_checkpoint
from factory.training.recipe import Training
from factory.training.run import LOSSES, Run, TrainingDiverged
from factory.training.schedules import set_learning_rate

RECIPE = Training(family="none", name="small", seed=1, licence="none", output="nowhere", batch=2)


def start(folder: Path, total: int = 10, bias: float = 0.0) -> tuple[TrainingLoop, nn.Linear]:
    network = nn.Linear(2, 1)
    nn.init.constant_(network.bias, bias)
    optimiser = torch.optim.Adam(network.parameters(), 0.1)
    modules, optimisers = {"network": network}, {"optimiser": optimiser}
    return TrainingLoop(RECIPE, Run(folder), modules, optimisers, total, state={"best": 7}), network


def finite() -> dict[str, torch.Tensor]:
    return {"loss": torch.tensor(1.0)}


def test_steps_are_counted_and_the_last_one_is_always_due(tmp_path: Path) -> None:
    loop, _ = start(tmp_path)
    due = [(step, loop.step) for step in loop.steps() if loop.is_due(4)]
    assert due == [(3, 4), (7, 8), (9, 10)]


def test_a_training_that_stops_early_has_its_last_step_due(tmp_path: Path) -> None:
    loop, _ = start(tmp_path)
    steps = []
    for step in loop.steps():
        steps.append(step)
        if step == 2:
            loop.stop()
            assert loop.is_due(100)
    assert steps == [0, 1, 2]


def test_a_training_resumes_from_its_checkpoint_and_forgets_later_rows(tmp_path: Path) -> None:
    loop, _ = start(tmp_path, bias=3.0)
    for _ in loop.steps():
        loop.log({"loss": 1.0})
        if loop.step == 4:
            loop.save(finite())
        if loop.step == 6:
            break

    resumed, network = start(tmp_path)
    assert network.bias.item() == 3
    assert resumed.state["best"] == 7
    assert list(resumed.steps()) == list(range(4, 10))
    rows = (tmp_path / LOSSES).read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["images", "2", "4", "6", "8"]


def test_a_diverged_training_keeps_its_checkpoint(tmp_path: Path) -> None:
    loop, network = start(tmp_path)
    for step in loop.steps():
        if step == 0:
            loop.save(finite())
        if step == 1:
            with pytest.raises(TrainingDiverged, match="step 2: loss loss is nan"):
                loop.save({"loss": torch.tensor(float("nan"))})
    assert load_checkpoint(tmp_path, {"network": network})["step"] == 1


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    loop, _ = start(tmp_path)
    loop.save(finite())
    with pytest.raises(WeightsError, match="cannot be resumed"):
        load_checkpoint(tmp_path, {"network": nn.Linear(3, 1)})


def test_a_learning_rate_is_set_for_all_parameters() -> None:
    groups = [{"params": [nn.Parameter(torch.zeros(1))]} for _ in range(2)]
    optimiser = torch.optim.Adam(groups, 0.1)
    set_learning_rate(optimiser, 0.02)
    assert [group["lr"] for group in optimiser.param_groups] == [0.02, 0.02]
