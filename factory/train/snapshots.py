"""Snapshots of a StyleGAN2 training: written, judged, pictured; the best by each metric kept."""

import json
import shutil
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import torch

from factory.evaluate.distribution import floor, judge
from factory.train.stylegan2_recipe import StyleGanTraining
from models.checkpoint import save_model
from models.stylegan2 import Generator, image_and_label
from models.vgg import VggFeatures, weights_file
from storage.planes import Plane
from storage.subject import LabelTable

matplotlib.use("Agg")
from matplotlib import colors
from matplotlib import pyplot as plt

BEST = {"precision": max, "recall": max, "fid": min, "kid": min}
"""What makes a snapshot the best by each metric."""

BATCH = 32
SHOWN = 24
SCORES = "scores.csv"


class Snapshots:
    """Judges a generator against the slices it learns from, as the abdominal work did."""

    def __init__(
        self, recipe: StyleGanTraining, planes: list[Plane], table: LabelTable | None, folder: Path
    ) -> None:
        self.recipe, self.table, self.folder = recipe, table, folder
        self.planes = planes
        self.real = features(np.stack([p.image for p in planes]))
        self.floor = floor(self.real, [p.subject for p in planes], self.rng())

    def rng(self) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(self.recipe.metrics.seed))

    def __call__(self, ema: torch.nn.Module, kimg: float) -> None:
        assert isinstance(ema, Generator)
        images, labels = generated(ema, self.recipe.metrics.samples, self.recipe.metrics.seed, 1.0)
        made = features(images)
        scores = {"kimg": round(kimg, 3), **judge(self.real, made, self.rng())}
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / SCORES
        rows = [r for r in self.rows() if r["kimg"] < scores["kimg"]] + [scores]
        pd.DataFrame(rows).to_csv(path, index=False)
        name = f"kimg-{kimg:08.2f}"
        card = {"family": "stylegan2", "config": vars(ema.config), "kimg": kimg, "metrics": scores}
        save_model(self.folder / "snapshots" / name, {"generator": ema}, json_only(card))
        self.prune(rows)
        draw(self.folder / "samples" / f"{name}.png", images[:SHOWN], labels, self.table)
        neighbours(self.folder / "neighbours.png", images, made, self.planes, self.real)
        curves(self.folder / "scores.png", rows, self.floor)

    def rows(self) -> list[dict[str, Any]]:
        path = self.folder / SCORES
        if not path.exists():
            return []
        table = pd.read_csv(path)
        return table.astype(object).where(table.notna(), None).to_dict("records")

    def prune(self, rows: list[dict[str, Any]]) -> None:
        """Keep the newest snapshot and the best by each metric; best.json says which is which."""
        best = {
            name: choose((r[name], r["kimg"]) for r in scored)[1]
            for name, choose in BEST.items()
            if (scored := [r for r in rows if r["kimg"] and r[name] is not None])
        }
        keep = {f"kimg-{kimg:08.2f}" for kimg in (*best.values(), rows[-1]["kimg"])}
        for folder in (self.folder / "snapshots").iterdir():
            if folder.is_dir() and folder.name not in keep:
                shutil.rmtree(folder)
        (self.folder / "best.json").write_text(json.dumps(best, indent=2) + "\n", "utf-8")


def json_only(card: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(card, default=float))
    return plain


@torch.inference_mode()
def features(images_NCHW: np.ndarray) -> np.ndarray:
    """Pooled VGG16 features of slices in [-1, 1]; of several channels their mean."""
    extractor = VggFeatures(weights_file()).eval()
    grey = torch.from_numpy(np.asarray(images_NCHW, np.float32)).mean(1, keepdim=True)
    parts = [extractor.pooled(part) for part in grey.split(BATCH)]
    return torch.cat(parts).double().numpy()


@torch.inference_mode()
def generated(
    generator: Generator, count: int, seed: int, truncation: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """count images (N, C, H, W) in [-1, 1] and label maps (N, H, W), None without label channels.

    Sample i depends on (seed, i) alone.
    """
    device = generator.mapping.average.device
    images, labels = [], []
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        rngs = [torch.Generator().manual_seed(seed * 1_000_003 + start + i) for i in range(size)]
        z_BZ = torch.cat([torch.randn(1, generator.config.latent, generator=r) for r in rngs])
        each = [generator.noise(1, r) for r in rngs]
        noise = [torch.cat(layer).to(device) for layer in zip(*each, strict=True)]
        w_BZ = generator.mapping.truncated(generator.mapping(z_BZ.to(device)), truncation)
        out = generator(generator.styles(w_BZ), noise).float().cpu()
        image, label = image_and_label(out, generator.config)
        images.append(image.numpy())
        if label is not None:
            labels.append(label.numpy())
    return np.concatenate(images), np.concatenate(labels) if labels else None


def draw(
    path: Path, images: np.ndarray, labels: np.ndarray | None, table: LabelTable | None
) -> None:
    """A grid of samples, each image over its label map."""
    rows = 2 if labels is not None else 1
    columns = 12
    lines = -(-len(images) // columns)
    figure, axes = plt.subplots(lines * rows, columns, figsize=(columns, lines * rows))
    for axis in axes.ravel():
        axis.set_axis_off()
    for i, image in enumerate(images):
        line, column = divmod(i, columns)
        show = image[0] if len(image) != 3 else np.moveaxis(image, 0, -1) / 2 + 0.5
        axes[line * rows, column].imshow(show, cmap="gray", vmin=-1, vmax=1)
        if labels is not None and table is not None:
            palette = colors.ListedColormap(np.array(table.colours) / 255)
            axes[line * rows + 1, column].imshow(
                labels[i], cmap=palette, vmin=-0.5, vmax=len(table.colours) - 0.5,
                interpolation="nearest",
            )  # fmt: skip
    save(figure, path)


def neighbours(
    path: Path, images: np.ndarray, made: np.ndarray, planes: list[Plane], real: np.ndarray
) -> None:
    """Samples over the training slices nearest to them: a copy would stand under itself."""
    from scipy.spatial.distance import cdist

    columns = min(12, len(images))
    nearest = cdist(made[:columns], real).argmin(1)
    figure, axes = plt.subplots(2, columns, figsize=(columns, 2.2), squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    for i, j in enumerate(nearest):
        axes[0, i].imshow(images[i][0], cmap="gray", vmin=-1, vmax=1)
        axes[1, i].imshow(planes[j].image[0], cmap="gray", vmin=-1, vmax=1)
        axes[1, i].set_title(planes[j].subject, fontsize=6)
    save(figure, path)


def curves(path: Path, rows: list[dict[str, Any]], floor_: dict[str, Any]) -> None:
    """Each metric over kimg, with what real against real gives as a dashed line."""
    figure, axes = plt.subplots(1, 4, figsize=(14, 3))
    for axis, name in zip(axes, BEST, strict=True):
        points = [(r["kimg"], r[name]) for r in rows if r[name] is not None]
        if points:
            axis.plot(*zip(*points, strict=True), marker="o", markersize=3)
        if floor_[name] is not None:
            axis.axhline(floor_[name], linestyle="--", color="grey")
        axis.set(title=name, xlabel="kimg")
    save(figure, path)


def save(figure: "plt.Figure", path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=90)
    plt.close(figure)
