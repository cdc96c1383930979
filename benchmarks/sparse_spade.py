"""How much faster is SPADE with tables of distinct neighbourhoods than with convolutions?

    OMP_NUM_THREADS=1 python benchmarks/sparse_spade.py [--labels DSEG.nii.gz] [--widths 12 32 64]
        [--sides 128 256] [--device cuda] [--monai] [--output build/sparse_spade]

Axial slices of a label volume (a phantom of 30 weeks at 0.8 mm unless --labels names one), at 128²
and, interpolated, at 256². The ways of a row take turns. Reported are processor seconds on one
core, the least of some repeats, since other work can only slow it down; on a GPU, wall-clock
seconds. The tables are made for the whole volume. Since every slice costs the same, only some are
drawn, and their time is scaled to all.

dense: by convolutions.
sparse: by tables; also, how much of that is for making the tables.
mixed: the faster of the two in bfloat16.
rest: the same generator without its modulations, whose time no table can reduce.
at most: dense ÷ rest.
recorded, on a GPU: as rendering does it, a compiled kernel in a CUDA graph
(factory.models.spade.stack).
matrix share: multiplications a second of the dense way, divided by those of a large matrix product
that is measured in the same run.

OUTPUT.json is written after each row, then OUTPUT.md and OUTPUT.png; the tables are printed.

MONAI's SPADENet is not the paper's network: it upsamples after its blocks, so that none works at
full resolution and its last writes one channel at half; it instance-normalises γ and β; it has no
leaky ReLU before the last convolution. Six of its blocks (nf 16, 16, 8, 4, 2, 1) stand beside our
seven.
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from report_table import machine
from spade_networks import HIDDEN, monai_network, network, stack, unmodulated
from torch.utils.flop_counter import FlopCounterMode

from factory.models.spade.neighbourhoods import RARE, LabelMaps, one_hot
from factory.models.spade.network import DOWNSCALES, STRIDE
from factory.models.spade.stack import SpadeStack

BATCH = 8
STYLES = (1, 2, 4, 8, 16)


def matrix_rate(device: torch.device) -> float:
    """Return the multiplications and additions a second of a large float32 matrix product."""
    side = 8192 if device.type == "cuda" else 1024
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32, as its convolutions are
    a, b = torch.ones(2, side, side, device=device)
    return 2 * side**3 / alternating({"product": lambda: a @ b}, 5, device)["product"]


def multiplications(work: Callable[[], Any]) -> float:
    """Count the multiplications and additions of convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def alternating(
    ways: dict[str, Callable[[], Any]], repeats: int, device: torch.device
) -> dict[str, float]:
    """Return the seconds of each way, the least of some repeats: CPU, or on a GPU wall time."""

    def now() -> float:
        if device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    least = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for name, work in ways.items():
            begun = now()
            work()
            least[name] = min(least[name], now() - begun)
    return least


def channels_last(label_BHW: torch.Tensor, labels: int) -> torch.Tensor:
    """Return label maps one-hot, with the channels last in memory."""
    return one_hot(label_BHW, labels).contiguous(memory_format=torch.channels_last)


def forward_row(
    label_BHW: torch.Tensor, labels: int, width: int, drawn: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Return the seconds for all label maps, of which only some are drawn.

    The largest difference between the ways is given in standard deviations of the image.
    """
    device = label_BHW.device
    generator, side = network(labels, width).to(device), label_BHW.shape[-1]
    middle = slice((len(label_BHW) - drawn) // 2, (len(label_BHW) + drawn) // 2)
    some, rest = label_BHW[middle], unmodulated(generator)

    def prepared() -> list[Any]:
        return generator.prepare(LabelMaps(label_BHW, labels, RARE["cpu"]))

    def mixed(work: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            with torch.autocast(device.type, torch.bfloat16):
                return work()

        return run

    def dense() -> torch.Tensor:
        return generator(channels_last(some, labels))

    of_some = [each[middle] for each in prepared()]
    of_mixed = [each[middle] for each in mixed(prepared)()]
    hot = [channels_last(some[:, ::d, ::d], labels) for d in (STRIDE, *DOWNSCALES)]
    ways: dict[str, Callable[[], Any]] = {
        "dense": dense,
        "drawn": lambda: generator.draw(of_some),
        "tables": prepared,
        "mixed_dense": mixed(dense),
        "mixed_drawn": mixed(lambda: generator.draw(of_mixed)),
        "mixed_tables": mixed(prepared),
        "rest": lambda: rest.draw(hot),
    }
    if options.monai:
        theirs = monai_network(labels, width, side).to(device)
        ways["monai"] = lambda: theirs(one_hot(some, labels))
    stack, label = SpadeStack(generator, device), label_BHW.cpu().numpy()
    if device.type == "cuda":
        ways["recorded"] = lambda: stack.draw(label)
        ways["recorded_mixed"] = lambda: stack.draw(label, mixed_precision=True)
    image = dense()
    difference = (generator.draw(of_some) - image).abs().max() / image.std()
    rate = multiplications(dense)
    spent = alternating(ways, options.repeats, device)
    scale = len(label_BHW) / drawn
    of_all_slices = ("tables", "mixed_tables", "recorded", "recorded_mixed")
    s = {name: t * (1 if name in of_all_slices else scale) for name, t in spent.items()}
    if any(recorded.given_up for recorded in stack.recorded.values()):  # it was drawn plainly
        s.pop("recorded"), s.pop("recorded_mixed")
    sparse = s["drawn"] + s["tables"]
    row = {
        "side": side,
        "width": width,
        "hidden": HIDDEN[width],
        "slices": len(label_BHW),
        "dense_s": s["dense"],
        "sparse_s": sparse,
        "of_it_tables_s": s["tables"],
        "mixed_s": min(s["mixed_dense"], s["mixed_drawn"] + s["mixed_tables"]),
        "rest_s": s["rest"],
        "recorded_s": s.get("recorded"),
        "recorded_mixed_s": s.get("recorded_mixed"),
        "monai_s": s.get("monai"),
        "difference": float(difference),
        "ratio": s["dense"] / sparse,
        "at_most": s["dense"] / s["rest"],
        "matrix_share": rate / spent["dense"] / options.matrix_rate,
    }
    if "recorded" in s:
        row["recorded_matrix_share"] = rate * scale / s["recorded"] / options.matrix_rate
    return row


def style_row(label_1HW: torch.Tensor, labels: int, count: int, repeats: int) -> dict[str, Any]:
    """Return the milliseconds a style of one label map."""
    device = label_1HW.device
    generator = network(labels, 12, latent=16).to(device)
    style = torch.randn(count, 16, generator=torch.Generator().manual_seed(0)).to(device)

    def dense() -> None:
        hot = channels_last(label_1HW, labels)
        for styles in style.split(BATCH):
            generator(hot.expand(len(styles), -1, -1, -1), styles)

    def sparse() -> None:
        prepared = generator.prepare(LabelMaps(label_1HW, labels, RARE["cpu"]))
        for styles in style.split(BATCH):
            repeated: Any = [0] * len(styles)  # the same label map for each style
            generator.draw([each[repeated] for each in prepared], styles)

    spent = alternating({"dense": dense, "sparse": sparse}, repeats, device)
    each = {f"{name}_ms_a_style": 1000 * s / count for name, s in spent.items()}
    return {"styles": count, **each, "ratio": spent["dense"] / spent["sparse"]}


def picture(results: dict[str, Any], path: Path) -> None:
    """Plot the results as a PNG."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), width_ratios=(2, 1))
    rows = results["forward"]
    names = [f"{r['side']}², nf {r['width']}\n{r['slices']} sl." for r in rows]
    place = np.arange(len(rows))
    bars = {"tables": "sparse_s", "and bfloat16": "mixed_s", "MONAI": "monai_s"}
    bars = {name: key for name, key in bars.items() if all(r[key] for r in rows)}
    for k, (name, key) in enumerate(bars.items()):
        values = [r["dense_s"] / r[key] for r in rows]
        left.bar(
            place + 0.8 * (k - len(bars) / 2 + 0.5) / len(bars), values, 0.8 / len(bars), label=name
        )
    most = [r["at_most"] for r in rows]
    bound = "float32, if γ and β cost nothing"
    left.hlines(most, place - 0.45, place + 0.45, color="black", label=bound)
    left.axhline(1, color="0.5", lw=0.8)
    left.set_xticks(place, names, fontsize=6)
    left.set_ylabel("convolutions' time / its time")
    left.legend(fontsize=7)
    for name, marker in (("dense", "s"), ("sparse", "o")):
        values = [r[f"{name}_ms_a_style"] for r in results["styles"]]
        right.plot([r["styles"] for r in results["styles"]], values, marker=marker, label=name)
    right.set_xlabel("styles of one 128² label map, nf 12")
    right.set_ylabel("ms a style")
    right.set_ylim(bottom=0)
    right.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a Markdown table, without the columns of what was not measured."""
    columns = [name for name in rows[0] if rows[0][name] is not None]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for row in rows:
        values = [row[name] for name in columns]
        cells = (f"{v:.3g}" if isinstance(v, float) else str(v) for v in values)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


@torch.inference_mode()
def main() -> None:
    """Measure all ways, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels")
    parser.add_argument("--widths", type=int, nargs="+", default=list(HIDDEN), choices=HIDDEN)
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 256], choices=(128, 256))
    parser.add_argument("--device", type=torch.device, default="cpu")
    parser.add_argument("--monai", action="store_true", help="beside MONAI's SPADENet")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("build/sparse_spade"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.matrix_rate = matrix_rate(options.device)
    results: dict[str, Any] = {
        "command": sys.argv,
        "environment": machine(options.device.type),
        "matrix_rate": options.matrix_rate,
        "forward": [],
        "styles": [],
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)

    def keep(kind: str, row: dict[str, Any]) -> None:
        results[kind].append(row)
        options.output.with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")
        print(row, file=sys.stderr)

    stacks = {side: stack(options.labels, side) for side in options.sides}
    for side, (label_BHW, labels) in stacks.items():
        label_BHW = label_BHW.to(options.device)
        middle = label_BHW[len(label_BHW) // 2 :][:1]
        if side == 128:
            for count in STYLES:
                keep("styles", style_row(middle, labels, count, options.repeats))
        for width in options.widths:
            gc.collect()  # graphs of the row before
            keep("forward", forward_row(middle, labels, width, 1, options))
            keep("forward", forward_row(label_BHW, labels, width, BATCH, options))
    picture(results, options.output.with_suffix(".png"))
    tables = "\n\n".join(table(results[kind]) for kind in ("forward", "styles") if results[kind])
    options.output.with_suffix(".md").write_text(tables + "\n")
    print(tables)


if __name__ == "__main__":
    main()
