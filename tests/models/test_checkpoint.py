"""Weights and training states on disk."""

import json
from pathlib import Path

import pytest
import torch

from factory.models.checkpoint import (
    WeightsError,
    load_state,
    load_weights,
    read_card,
    save_model,
    save_state,
)
from factory.models.spade.network import SpadeConfig, SpadeGenerator, initialise, one_hot

CONFIG = SpadeConfig(labels=3, width=2, hidden=4)
CARD = {"family": "spade", "config": {"labels": 3, "width": 2, "hidden": 4}}


def generator(seed: int = 0) -> SpadeGenerator:
    network = SpadeGenerator(CONFIG)
    initialise(network, torch.Generator().manual_seed(seed))
    network(one_hot(torch.zeros(1, 32, 32), 3))  # moves running statistics off their start
    return network


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_model(tmp_path, {"axial": generator()}, CARD)
    return tmp_path


def test_inference_weights_paint_what_the_trained_network_painted(model: Path) -> None:
    """Spectral norm folded in and float16 rounding apart, nothing changes."""
    trained = generator().eval()
    loaded = load_weights(model, "axial", SpadeGenerator(CONFIG), read_card(model))
    onehot = one_hot(
        torch.randint(0, 3, (1, 64, 64), generator=torch.Generator().manual_seed(1)), 3
    )
    torch.testing.assert_close(loaded(onehot), trained(onehot), atol=5e-3, rtol=1e-2)
    assert not any("parametrizations" in name for name in loaded.state_dict())


def test_a_tampered_file_is_refused(model: Path) -> None:
    path = model / "axial.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"axial\.safetensors: its sha256 differs"):
        load_weights(model, "axial", SpadeGenerator(CONFIG), read_card(model))


def test_what_is_missing_or_does_not_fit_is_said_in_one_line(model: Path, tmp_path: Path) -> None:
    card = read_card(model)
    cases = [
        (lambda: read_card(tmp_path / "nowhere"), "no model here"),
        (lambda: load_weights(model, "coronal", SpadeGenerator(CONFIG), card), "coronal.*missing"),
        (
            lambda: load_weights(model, "axial", SpadeGenerator(SpadeConfig(labels=4)), card),
            "does not fit",
        ),
    ]
    for attempt, message in cases:
        with pytest.raises(WeightsError, match=message) as caught:
            attempt()
        assert "\n" not in str(caught.value)
    (model / "card.json").write_text(json.dumps({"family": "spade"}))
    with pytest.raises(WeightsError, match="config, sha256 is missing"):
        read_card(model)
    (model / "card.json").write_text("{")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_card(model)


def test_a_training_state_comes_back_exactly(tmp_path: Path) -> None:
    def trained(steps: int) -> tuple[SpadeGenerator, torch.optim.Adam]:
        network = generator()
        return network, step(network, torch.optim.Adam(network.parameters(), 1e-2), steps)

    def step(network: SpadeGenerator, optimiser: torch.optim.Adam, steps: int) -> torch.optim.Adam:
        for _ in range(steps):
            optimiser.zero_grad()
            network(one_hot(torch.zeros(1, 32, 32), 3)).sum().backward()
            optimiser.step()
        return optimiser

    network, optimiser = trained(3)
    path = tmp_path / "state.safetensors"
    save_state(path, {"g": network}, {"o": optimiser}, {"step": 3})

    resumed = generator(seed=5)
    fresh = torch.optim.Adam(resumed.parameters(), 1e-2)
    assert load_state(path, {"g": resumed}, {"o": fresh}) == {"step": 3}
    step(network, optimiser, 2)
    step(resumed, fresh, 2)
    for a, b in zip(network.state_dict().values(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)

    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError, match="cannot be resumed"):
        load_state(path, {"g": resumed}, {"o": fresh})
