"""The kernel for GPUs: right in Triton's interpreter, and compiled for the cards of today."""

import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.models.spade.modulation import modulate
from factory.models.spade.neighbourhoods import LabelMaps, one_hot
from factory.models.spade.network import Spade, SpadeConfig, SpadeGenerator, initialise

pytest.importorskip("triton")
from factory.models.spade import triton_kernel as fused

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 3),
    channels=st.sampled_from([1, 3, 8, 12, 24, 100]),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    rows=st.integers(1, 20),
    slope=st.sampled_from([1.0, 0.2]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    seed=st.integers(0, 1000),
)
def test_it_does_what_the_passes_over_memory_do(
    batch: int,
    channels: int,
    height: int,
    width: int,
    rows: int,
    slope: float,
    dtype: torch.dtype,
    seed: int,
) -> None:
    """By an index, and with a row a pixel; the image's layout is channels-last or not."""
    g = rng(seed)
    x = torch.randn(batch, channels, height, width, generator=g).to(dtype)
    table = torch.randn(rows, 2 * channels, generator=g).to(dtype)
    index = torch.randint(0, rows, (batch, height, width), generator=g, dtype=torch.int32)
    expected = modulate(x, table, index, slope)
    x, table, index, expected = (t.to(DEVICE) for t in (x, table, index, expected))
    close = {"atol": 1e-5, "rtol": 1e-5} if dtype == torch.float32 else {"atol": 0.1, "rtol": 0.02}
    torch.testing.assert_close(fused.modulate(x, table, index, slope), expected, **close)
    own = table[index.flatten().long()]
    torch.testing.assert_close(fused.modulate(x, own, None, slope), expected, **close)


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("rare", [0.0, 1.1])
def test_a_generator_with_it_is_the_generator_without(norm: str, rare: float) -> None:
    """By convolutions (rare = 0), whose running statistics are folded in, and by tables."""
    generator = SpadeGenerator(SpadeConfig(4, width=2, hidden=4, norm=norm))  # type: ignore[arg-type]
    initialise(generator, rng(0))
    for layer in generator.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.bias is not None:
            torch.nn.init.normal_(layer.bias, 0, 0.3, generator=rng(1))
        if isinstance(layer, Spade) and norm == "batch":
            layer.norm.mean.normal_(0, 0.5, generator=rng(2))
            layer.norm.variance.uniform_(0.5, 2, generator=rng(3))
    generator.eval().requires_grad_(False)
    label = torch.randint(0, 4, (2, 8, 16), generator=rng(4)).repeat_interleave(8, 1)
    label = label.repeat_interleave(8, 2)
    generator, label = generator.to(DEVICE), label.to(DEVICE)
    expected = generator(one_hot(label, 4))
    for layer in generator.modules():
        if isinstance(layer, Spade):
            layer.fused = True
    made = generator.draw(generator.prepare(LabelMaps(label, 4, rare)))
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-5)


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from factory.models.spade.triton_kernel import kernel

constants = {"C": 12, "WIDE": 16, "AT_A_TIME": 128}
for capability in (80, 90, 100):
    for x in ("*fp32", "*bf16"):
        for rows in ("*fp32", "*bf16"):
            for indexed in (True, False):
                signature = {"x": x, "rows": rows, "index": "*i32" if indexed else rows, "out": x}
                signature |= {"pixels": "i32", "slope": "fp32"}
                signature |= dict.fromkeys([*constants, "INDEXED"], "constexpr")
                source = ASTSource(kernel, signature, constants | {"INDEXED": indexed})
                made = triton.compile(source, target=GPUTarget("cuda", capability, 32))
                assert made.asm["cubin"], (capability, signature)
                print(capability, x, rows, indexed)
"""


def test_it_compiles_for_the_cards_of_today(tmp_path: object) -> None:
    """To machine code, from Ampere to Blackwell, which needs no card."""
    without = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE],
        env=without | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 24


def test_slopes_are_leaky_relus() -> None:
    x = torch.tensor([[[[-2.0, 3.0]]]], device=DEVICE)
    row, index = torch.tensor([[1.0, 0.0]], device=DEVICE), torch.zeros(1, 1, 2, device=DEVICE)
    made = fused.modulate(x, row, index.int(), 0.2)
    torch.testing.assert_close(made, F.leaky_relu(x, 0.2))
