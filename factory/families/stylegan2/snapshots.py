"""Snapshots of a StyleGAN2 training: written, judged, pictured; the best by each metric kept."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from factory.families.feature_extractors import find_extractor, images_to_compare
from factory.families.stylegan2 import pictures as show
from factory.families.stylegan2.recipe import StyleGanTraining
from factory.metrics.distribution import DistributionScores, distribution_scores, split_half_scores
from factory.models.checkpoint import save_model
from factory.models.stylegan2.network import Generator, StyleGanConfig, image_and_label
from factory.storage.subjects.slices import Plane
from factory.storage.subjects.types import LabelTable

BEST = {"precision": max, "recall": max, "fid": min, "kid": min}
"""What makes a snapshot the best by each metric."""

BATCH = 32
SHOWN = 24
SCORES = "scores.csv"


class SampleJudge:
    """Holds what is generated against real slices, by features."""

    def __init__(
        self, recipe: StyleGanTraining, planes: list[Plane], table: LabelTable | None
    ) -> None:
        self.recipe, self.names = recipe, len(table.names) if table else 0
        self.extract = find_extractor(recipe.metrics.extractor)
        self.owners = [p.subject for p in planes]
        self.real = self.shown(planes)
        self.features = self.extract(self.real)

    def shown(self, planes: list[Plane]) -> np.ndarray:
        """What is compared of real slices."""
        if self.recipe.slices.image:
            return np.stack([p.image for p in planes])
        labels = np.stack([p.label for p in planes if p.label is not None])
        return images_to_compare(np.zeros((len(labels), 0)), labels, self.names)

    def rng(self) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(self.recipe.metrics.seed))

    def split_half_scores(self) -> DistributionScores:
        return split_half_scores(self.features, self.owners, self.rng())

    def table(self, made: np.ndarray, held: list[Plane]) -> pd.DataFrame:
        """Features of generated slices (N, F) against those learnt from, against held-out ones
        where there are any, and real against real where there are two persons or more."""
        rows = [{"against": "training", **distribution_scores(self.features, made, self.rng())}]
        if held:
            of_held = self.extract(self.shown(held))
            rows.append({"against": "held_out", **distribution_scores(of_held, made, self.rng())})
        if len(set(self.owners)) > 1:
            rows.append({"against": "real, split in half", **self.split_half_scores()})
        return pd.DataFrame(rows).astype(object).where(lambda t: t.notna(), None)

    def draw(self, generator: Generator) -> show.Samples:
        metrics = self.recipe.metrics
        return generate_samples(generator, metrics.samples, metrics.seed, 1.0)


class Snapshots:
    """Judges a generator against the slices it learns from, as the abdominal work did."""

    def __init__(
        self, recipe: StyleGanTraining, planes: list[Plane], table: LabelTable | None, folder: Path
    ) -> None:
        self.recipe, self.table, self.folder = recipe, table, folder
        self.judge = SampleJudge(recipe, planes, table)
        self.floor = self.judge.split_half_scores()

    def __call__(self, ema: torch.nn.Module, kimg: float) -> None:
        assert isinstance(ema, Generator)
        images, labels = self.judge.draw(ema)
        compared = images_to_compare(images, labels, self.judge.names)
        made = self.judge.extract(compared)
        scores = {
            "kimg": round(kimg, 3),
            **distribution_scores(self.judge.features, made, self.judge.rng()),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / SCORES
        rows = [r for r in self.rows() if r["kimg"] < scores["kimg"]] + [scores]
        pd.DataFrame(rows).to_csv(path, index=False)
        name = f"kimg-{kimg:08.2f}"
        card = {
            "name": f"{self.recipe.name}, {kimg:g} kimg",
            **generator_entries(self.recipe, ema.config, self.table),
            "training": {**spacing_entry(self.recipe), "kimg": kimg},
            "metrics": scores,
        }
        save_model(self.folder / "snapshots" / name, {"generator": ema}, to_json(card))
        self.prune(rows)
        few = images[:SHOWN], None if labels is None else labels[:SHOWN]
        show.draw_samples(self.folder / "samples" / f"{name}.png", few, self.table)
        real = self.judge.real, self.judge.features, self.judge.owners
        show.draw_neighbours(self.folder / "neighbours.png", compared, made, *real)
        show.draw_curves(self.folder / "scores.png", rows, self.floor, list(BEST))

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


def generator_entries(
    recipe: StyleGanTraining, config: StyleGanConfig, table: LabelTable | None
) -> dict[str, Any]:
    """What a card must say for samples to be drawn from its generator."""
    card: dict[str, Any] = {"family": "stylegan2", "config": asdict(config)}
    if table:
        colours = [list(colour) for colour in table.colours]
        card["label_table"] = {"names": list(table.names), "colours": colours}
    return {**card, "licence": recipe.licence}


def spacing_entry(recipe: StyleGanTraining) -> dict[str, Any]:
    """The width of a pixel in mm, where the source says."""
    stacks = recipe.slices.short_axis
    return {"spacing_mm": [stacks.spacing_mm, stacks.spacing_mm]} if stacks else {}


def to_json(card: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(card, default=float))
    return plain


@torch.inference_mode()
def generate_samples(
    generator: Generator, count: int, seed: int, truncation: float
) -> show.Samples:
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
