"""Snapshots of a StyleGAN2 training: saved, scored and drawn. The best by each score are kept."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factory.families.feature_extractors import find_extractor, images_to_compare
from factory.families.stylegan2.data import list_image_channels
from factory.families.stylegan2.pictures import (
    Samples,
    draw_curves,
    draw_neighbours,
    draw_samples,
)
from factory.families.stylegan2.recipe import StyleGanTraining
from factory.metrics.distribution import DistributionScores, distribution_scores, split_half_scores
from factory.models.checkpoint import save_model
from factory.models.stylegan2.network import Generator, StyleGanConfig, image_and_label
from factory.storage.json_value import JsonObject
from factory.storage.subjects.slices import Plane
from factory.storage.subjects.types import LabelTable
from factory.training.cards import channels_entry, label_table_entry

BEST = {"precision": max, "recall": max, "fid": min, "kid": min}
"""For each score, whether the best snapshot has the largest or the smallest value."""

BATCH = 32
"""Samples of a forward pass."""

GRID_SAMPLES = 24
"""Samples in the picture of a snapshot."""

SCORES_FILE = "scores.csv"
"""The file of the snapshots' scores in a run's folder."""

BEST_FILE = "best.json"
"""The file of the kimg of the best snapshot by each score, in a run's folder."""


class SampleJudge:
    """Compares generated samples with real slices by their features.

    Attributes:
        recipe: The training recipe.
        labels: Number of labels, including the background; 0 for images alone.
        extract: The extractor of features.
        owners: The subject of each training slice.
        real: The training slices as they are compared, (N, C, H, W).
        features: The features of the training slices, (N, F).
    """

    def __init__(
        self, recipe: StyleGanTraining, planes: list[Plane], table: LabelTable | None
    ) -> None:
        """Extract the features of the training slices.

        Args:
            recipe: The training recipe.
            planes: The training slices.
            table: Their label table; None if only images are trained on.
        """
        self.recipe, self.labels = recipe, len(table.names) if table else 0
        self.extract = find_extractor(recipe.metrics.extractor)
        self.owners = [plane.subject for plane in planes]
        self.real = self.comparable_slices(planes)
        self.features = self.extract(self.real)

    def comparable_slices(self, planes: list[Plane]) -> np.ndarray:
        """Return real slices as they are compared, (N, C, H, W): images, or grey label maps."""
        if self.recipe.slices.image:
            return np.stack([plane.image for plane in planes])
        labels = np.stack([plane.label for plane in planes if plane.label is not None])
        return images_to_compare(np.zeros((len(labels), 0)), labels, self.labels)

    def training_scores(self, features: np.ndarray) -> DistributionScores:
        """Compare the features of samples (N, F) with the training slices."""
        return distribution_scores(self.features, features, self._rng())

    def split_half_scores(self) -> DistributionScores:
        """Compare one half of the training subjects with the other."""
        return split_half_scores(self.features, self.owners, self._rng())

    def score_table(self, features: np.ndarray, held_out: list[Plane]) -> pd.DataFrame:
        """Compare samples with all real slices.

        Args:
            features: The features of the samples, (N, F).
            held_out: Slices that were not trained on; may be empty.

        Returns:
            A row against the training slices, one against the held-out slices if there are any, and
            one of real against real if there are several subjects.
        """
        rows: list[JsonObject] = [{"against": "training", **self.training_scores(features)}]
        if held_out:
            real = self.extract(self.comparable_slices(held_out))
            scores = distribution_scores(real, features, self._rng())
            rows.append({"against": "held_out", **scores})
        if len(set(self.owners)) > 1:
            rows.append({"against": "real, split in half", **self.split_half_scores()})
        return pd.DataFrame(rows).astype(object).where(lambda t: t.notna(), None)

    def draw(self, generator: Generator) -> Samples:
        """Draw the samples that are scored."""
        metrics = self.recipe.metrics
        return generate_samples(generator, metrics.samples, metrics.seed, 1.0)

    def compared(self, samples: Samples) -> np.ndarray:
        """Return samples as they are compared, (N, C, H, W)."""
        return images_to_compare(*samples, self.labels)

    def _rng(self) -> np.random.Generator:
        """Return a new generator, so that each comparison uses the same random numbers."""
        return np.random.Generator(np.random.Philox(self.recipe.metrics.seed))


class Snapshots:
    """Saves and scores the generator during a training, as Gonçalves et al. did.

    Attributes:
        recipe: The training recipe.
        table: The label table; None if only images are trained on.
        channels: The names of the images' channels; () for one without a name.
        folder: The run's folder.
        judge: Compares samples with the training slices.
        half_scores: The scores of one half of the training subjects against the other.
    """

    def __init__(
        self, recipe: StyleGanTraining, planes: list[Plane], table: LabelTable | None, folder: Path
    ) -> None:
        """Prepare the comparison with the training slices `planes`."""
        self.recipe, self.table, self.folder = recipe, table, folder
        self.channels = list_image_channels(recipe.slices, planes)
        self.judge = SampleJudge(recipe, planes, table)
        self.half_scores = self.judge.split_half_scores()

    def take(self, generator: Generator, kimg: float) -> None:
        """Score, save and draw a generator, and delete snapshots that are no longer needed.

        Args:
            generator: The averaged generator.
            kimg: Thousands of images that the training has seen.
        """
        samples = self.judge.draw(generator)
        images = self.judge.compared(samples)
        features = self.judge.extract(images)
        scores = {"kimg": round(kimg, 3), **self.judge.training_scores(features)}
        rows = [
            row for row in read_snapshot_scores(self.folder) if row["kimg"] < scores["kimg"]
        ] + [scores]
        self.folder.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(self.folder / SCORES_FILE, index=False)
        card = {
            "name": f"{self.recipe.name}, {kimg:g} kimg",
            **generator_entries(self.recipe, generator.config, self.table, self.channels),
            "training": {**spacing_entry(self.recipe), "kimg": kimg},
            "metrics": scores,
        }
        save_model(snapshot_folder(self.folder, kimg), {"generator": generator}, to_json(card))
        self.prune(rows)
        self.draw_pictures(samples, images, features, rows)

    def draw_pictures(
        self, samples: Samples, images: np.ndarray, features: np.ndarray, rows: list[JsonObject]
    ) -> None:
        """Draw samples, their nearest training slices, and the scores so far.

        Args:
            samples: Images and label maps.
            images: The samples as they are compared.
            features: The features of the samples.
            rows: The scores of all snapshots; the last row is that of the samples.
        """
        name = snapshot_folder(self.folder, rows[-1]["kimg"]).name
        first = [None if array is None else array[:GRID_SAMPLES] for array in samples]
        assert first[0] is not None
        draw_samples(self.folder / "samples" / f"{name}.png", (first[0], first[1]), self.table)
        judge = self.judge
        neighbours = self.folder / "neighbours.png"
        draw_neighbours(neighbours, images, features, judge.real, judge.features, judge.owners)
        draw_curves(self.folder / "scores.png", rows, self.half_scores, list(BEST))

    def prune(self, rows: list[JsonObject]) -> None:
        """Keep the newest snapshot and the best by each score, and write best.json.

        Args:
            rows: The scores of all snapshots. The one at the start is never the best.
        """
        best = {
            name: choose((row[name], row["kimg"]) for row in candidates)[1]
            for name, choose in BEST.items()
            if (candidates := [row for row in rows if row["kimg"] and row[name] is not None])
        }
        needed = {snapshot_folder(self.folder, kimg) for kimg in (*best.values(), rows[-1]["kimg"])}
        for folder in (self.folder / "snapshots").iterdir():
            if folder.is_dir() and folder not in needed:
                shutil.rmtree(folder)
        (self.folder / BEST_FILE).write_text(json.dumps(best, indent=2) + "\n", "utf-8")


def snapshot_folder(folder: Path, kimg: float) -> Path:
    """Return the model folder of a snapshot in a run's folder."""
    return folder / "snapshots" / f"kimg-{kimg:08.2f}"


def read_snapshot_scores(folder: Path) -> list[JsonObject]:
    """Return the scores of all snapshots in a run's folder; none if there is no file."""
    path = folder / SCORES_FILE
    if not path.exists():
        return []
    table = pd.read_csv(path)
    rows: list[JsonObject] = table.astype(object).where(table.notna(), None).to_dict("records")
    return rows


def generator_entries(
    recipe: StyleGanTraining,
    config: StyleGanConfig,
    table: LabelTable | None,
    channels: tuple[str, ...],
) -> JsonObject:
    """Return the entries of a card that are needed to draw from its generator."""
    card: JsonObject = {"family": "stylegan2", "config": asdict(config)}
    if table:
        card["label_table"] = label_table_entry(table)
    return {**card, **channels_entry(channels), "licence": recipe.licence}


def spacing_entry(recipe: StyleGanTraining) -> JsonObject:
    """Return the width of a pixel in mm for the card, if the source states it."""
    stacks = recipe.slices.short_axis
    return {"spacing_mm": [stacks.spacing_mm, stacks.spacing_mm]} if stacks else {}


def to_json(card: JsonObject) -> JsonObject:
    """Return a card with numpy's numbers as plain ones."""
    plain: JsonObject = json.loads(json.dumps(card, default=float))
    return plain


@torch.inference_mode()
def generate_samples(generator: Generator, count: int, seed: int, truncation: float) -> Samples:
    """Draw samples; sample i depends on (seed, i) alone.

    Args:
        generator: The generator.
        count: Number of samples, N.
        seed: Seed of the latents and the noise.
        truncation: ψ: 1 leaves styles as they are, 0 gives the mean style.

    Returns:
        Images (N, C, H, W) in [-1, 1], and label maps (N, H, W) if the generator draws labels.
    """
    device = generator.mapping.average.device
    images, labels = [], []
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        rngs = [torch.Generator().manual_seed(seed * 1_000_003 + start + i) for i in range(size)]
        z_BZ = torch.cat([torch.randn(1, generator.config.latent, generator=r) for r in rngs])
        sample_noise = [generator.noise(1, rng) for rng in rngs]
        noise = [torch.cat(layer).to(device) for layer in zip(*sample_noise, strict=True)]
        w_BZ = generator.mapping.truncated(generator.mapping(z_BZ.to(device)), truncation)
        output_BCHW = generator(generator.styles(w_BZ), noise).float().cpu()
        image, label = image_and_label(output_BCHW, generator.config)
        images.append(image.numpy())
        if label is not None:
            labels.append(label.numpy())
    return np.concatenate(images), np.concatenate(labels) if labels else None
