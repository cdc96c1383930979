"""What a GPU's fast path does where it cannot be used, or is wrong."""

import logging

import pytest
import torch

from factory.models.spade.cuda_graph import CudaGraph


@pytest.fixture(autouse=True)
def warnings_are_captured(caplog: pytest.LogCaptureFixture) -> None:
    """Other libraries raise the level of every handler of the process once they are imported."""
    caplog.set_level(logging.WARNING)


def double(x: torch.Tensor) -> torch.Tensor:
    return 2 * x


def wrong(x: torch.Tensor) -> torch.Tensor:
    return 2 * x + 1


def undefined(x: torch.Tensor) -> torch.Tensor:
    return x * float("nan")


def broken(x: torch.Tensor) -> torch.Tensor:
    raise ImportError("No module named 'triton'\nand more")


@pytest.mark.parametrize(
    ("fast", "why"),
    [
        (wrong, "it differs from the plain one by 1"),
        (undefined, "it differs from the plain one by nan"),
        (broken, "No module named 'triton' and more"),
    ],
)
def test_one_that_is_wrong_or_raises_gives_way_to_the_plain_one(
    fast: object, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In one line, said once."""
    recorded = CudaGraph(fast, double, tolerance=0.5)  # type: ignore[arg-type]
    x = torch.arange(3.0)
    torch.testing.assert_close(recorded(x), 2 * x)
    torch.testing.assert_close(recorded(x + 1), 2 * x + 2)
    assert caplog.messages == [f"the GPU's fast path is not used: {why}"]


def test_what_led_to_an_error_is_what_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """A recording that fails ends with an error of its own."""

    def ends_badly(x: torch.Tensor) -> torch.Tensor:
        try:
            raise MemoryError
        finally:
            raise RuntimeError("capture was invalidated")

    torch.testing.assert_close(CudaGraph(ends_badly, double, 0.5)(torch.ones(2)), 2 * torch.ones(2))
    assert caplog.messages == ["the GPU's fast path is not used: MemoryError"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_recorded(caplog: pytest.LogCaptureFixture) -> None:
    torch.testing.assert_close(CudaGraph(double, double, 0.5)(torch.ones(2)), 2 * torch.ones(2))
    assert "requires CUDA" in caplog.text


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_graph_is_recorded_once_a_shape() -> None:
    recorded = CudaGraph(double, double, 0.0)
    for size in (2, 3, 2):
        for value in (1.0, 5.0):
            x = torch.full((size,), value, device="cuda")
            torch.testing.assert_close(recorded(x), 2 * x)
    assert len(recorded.graphs) == 2
