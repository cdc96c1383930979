"""How much faster is SPADE by table of distinct neighbourhoods than by convolution, on one core?

    OMP_NUM_THREADS=1 python benchmarks/sparse_spade.py [--labels DSEG.nii.gz] [--widths 12 32 64]
        [--sides 128 256] [--monai FOLDER] [--output build/sparse_spade]

Axial slices of a label volume (a phantom of 30 weeks at 0.8 mm unless --labels names one), at 128²
and, interpolated, 256². Ways alternate within a row, which gives processor seconds, the least of
some repeats, since other work on the machine only adds. A volume is indexed and tabled whole; its
slices cost the same each, so that some are drawn, by all ways, and scaled. --monai: a folder that
`pip install --no-deps --target FOLDER monai` filled. Writes OUTPUT.json after each row, then
OUTPUT.png; prints the tables.

MONAI's SPADENet is not the paper's network: it upsamples after its blocks, so that none works at
full resolution and its last writes one channel at half; it instance-normalises γ and β; it has no
leaky ReLU before the last convolution. Six of its blocks (nf 16, 16, 8, 4, 2, 1) stand beside our
seven.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import torch
from scipy import ndimage

from factory.orientations import brain_box, cut, grown
from models.checkpoint import remove_parametrizations
from models.neighbourhoods import LabelMaps, one_hot
from models.spade import SpadeConfig, SpadeGenerator, initialise
from storage.environment import environment
from storage.phantom import phantom

HIDDEN = {12: 32, 32: 64, 64: 128}
"""Hidden units by width: that of the shipped model, half and all of the paper's."""

BATCH = 8
STYLES = (1, 2, 4, 8, 16)


def stack(path: str | None, side: int) -> tuple[torch.Tensor, int]:
    """Axial slices (B, side, side) cut about the brain, and how many labels there are."""
    if path is None:
        label = phantom(30.0, seed=0, spacing_mm=0.8).label
    else:
        image: Any = nib.load(path)
        label = np.asarray(image.dataobj).T.astype(np.uint8)
    box = brain_box(label)
    sides = [grown(s, 0, 128) for s in box[1:]]
    label = cut(label, (box[0], *sides))
    labels = int(label.max()) + 1
    if side > 128:  # where the interpolated share of a label is largest
        zoom = (1, side / 128, side / 128)
        shares = [
            ndimage.zoom((label == k).astype(np.float32), zoom, order=1) for k in range(labels)
        ]
        label = np.argmax(shares, axis=0).astype(np.uint8)
    return torch.from_numpy(label), labels


def network(labels: int, width: int, latent: int = 0) -> SpadeGenerator:
    generator = SpadeGenerator(SpadeConfig(labels, width, HIDDEN[width], latent))
    initialise(generator, torch.Generator().manual_seed(0))
    remove_parametrizations(generator)
    return generator.eval().requires_grad_(False)


def monai_network(labels: int, width: int, side: int) -> torch.nn.Module:
    from monai.networks.nets import SPADENet

    return SPADENet(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        label_nc=labels,
        input_shape=[side, side],
        channels=[n * width for n in (1, 2, 4, 8, 16, 16)],
        is_vae=False,
        spade_intermediate_channels=HIDDEN[width],
        norm="BATCH",
    ).eval()


def alternating(ways: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Processor seconds of each, the least of some repeats, taken in turns."""
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for name, work in ways.items():
            begun = time.process_time()
            work()
            least[name] = min(least[name], time.process_time() - begun)
    return least


def channels_last(label_BHW: torch.Tensor, labels: int) -> torch.Tensor:
    return one_hot(label_BHW, labels).contiguous(memory_format=torch.channels_last)


def forward_row(
    label_BHW: torch.Tensor, labels: int, width: int, drawn: int, repeats: int, monai: bool
) -> dict[str, Any]:
    """Seconds for all the label maps, of which some are drawn, and the largest difference, in
    standard deviations of the image."""
    generator, side = network(labels, width), label_BHW.shape[-1]
    middle = slice((len(label_BHW) - drawn) // 2, (len(label_BHW) + drawn) // 2)
    some = label_BHW[middle]
    prepared = generator.prepare(LabelMaps(label_BHW, labels))
    of_some = [each[middle] for each in prepared]
    ways: dict[str, Callable[[], Any]] = {
        "dense": lambda: generator(channels_last(some, labels)),
        "drawn": lambda: generator.draw(of_some),
        "tables": lambda: generator.prepare(LabelMaps(label_BHW, labels)),
    }
    if monai:
        theirs = monai_network(labels, width, side)
        ways["monai"] = lambda: theirs(one_hot(some, labels))
    spent = alternating(ways, repeats)
    scale = len(label_BHW) / drawn
    image = generator(channels_last(some, labels))
    difference = (generator.draw(of_some) - image).abs().max() / image.std()
    row = {
        "side": side,
        "width": width,
        "hidden": HIDDEN[width],
        "slices": len(label_BHW),
        "dense_s": spent["dense"] * scale,
        "sparse_s": spent["drawn"] * scale + spent["tables"],
        "of_it_tables_s": spent["tables"],
        "monai_s": spent["monai"] * scale if monai else None,
        "difference": float(difference),
    }
    return {**row, "ratio": row["dense_s"] / row["sparse_s"]}


def style_row(label_1HW: torch.Tensor, labels: int, count: int, repeats: int) -> dict[str, Any]:
    """Milliseconds a style of one label map."""
    generator = network(labels, 12, latent=16)
    style = torch.randn(count, 16, generator=torch.Generator().manual_seed(0))

    def dense() -> None:
        hot = channels_last(label_1HW, labels)
        for chosen in style.split(BATCH):
            generator(hot.expand(len(chosen), -1, -1, -1), chosen)

    def sparse() -> None:
        prepared = generator.prepare(LabelMaps(label_1HW, labels))
        for chosen in style.split(BATCH):
            generator.draw([each[[0] * len(chosen)] for each in prepared], chosen)

    spent = alternating({"dense": dense, "sparse": sparse}, repeats)
    each = {f"{name}_ms_a_style": 1000 * s / count for name, s in spent.items()}
    return {"styles": count, **each, "ratio": spent["dense"] / spent["sparse"]}


def picture(results: dict[str, Any], path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    rows = results["forward"]
    names = [f"{r['side']}², nf {r['width']}\n{r['slices']} sl." for r in rows]
    left.bar(
        names,
        [r["ratio"] for r in rows],
        color=["0.7" if r["slices"] == 1 else "0.3" for r in rows],
    )
    left.axhline(1, color="0.5", lw=0.8)
    left.set_ylabel("convolutions' time / tables' time")
    left.tick_params(axis="x", labelsize=6)
    for name, marker in (("dense", "s"), ("sparse", "o")):
        values = [r[f"{name}_ms_a_style"] for r in results["styles"]]
        right.plot([r["styles"] for r in results["styles"]], values, marker=marker, label=name)
    right.set_xlabel("styles of one 128² label map, nf 12")
    right.set_ylabel("processor ms a style")
    right.set_ylim(bottom=0)
    right.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    for row in rows:
        cells = (f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values())
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels")
    parser.add_argument("--widths", type=int, nargs="+", default=list(HIDDEN), choices=HIDDEN)
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 256], choices=(128, 256))
    parser.add_argument("--monai", help="a folder with MONAI in it")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("build/sparse_spade"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.monai:
        sys.path.append(options.monai)
    results: dict[str, Any] = {
        "command": sys.argv,
        "environment": environment("cpu", 1),
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
        middle = label_BHW[len(label_BHW) // 2 :][:1]
        if side == 128:
            for count in STYLES:
                keep("styles", style_row(middle, labels, count, options.repeats))
        for width in options.widths:
            monai = options.monai is not None
            keep("forward", forward_row(middle, labels, width, 1, options.repeats, monai))
            keep("forward", forward_row(label_BHW, labels, width, BATCH, options.repeats, monai))
    picture(results, options.output.with_suffix(".png"))
    for rows in (results["forward"], results["styles"]):
        if rows:
            print(table(rows), end="\n\n")


if __name__ == "__main__":
    main()
