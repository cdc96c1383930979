"""How many images a second do the trainings of SPADE and StyleGAN2-ADA use?

    python benchmarks/train_speed.py [--steps 40] [--into DIR]

The settings and training loops are those of the shipped recipes, in this process, on axial slices
of procedural heads, which cost as much as real ones. Loading of data is included. The first quarter
of the steps is not counted. The device waits while the data of a step are made, so their share of a
step is the share of waiting.

Written: train_speed.json, .md and .png.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report_table import bars, write_results

from factory.families.registry import load_training
from factory.families.spade.train import train as train_spade
from factory.families.stylegan2.data import PlaneSampler
from factory.families.stylegan2.job import network_config
from factory.families.stylegan2.train import train as train_stylegan2
from factory.imaging.boxes import bounding_box
from factory.imaging.orientations import cut, grow_side
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.slices import Plane
from factory.storage.subjects.types import Subject
from factory.training.run import Run
from factory.training.slices import SliceSampler, cut_stack

RECIPES = Path(__file__).parents[1] / "recipes/train"
TONES = np.array([0, 0.9, 0.45, 0.55, 1.0, 0.4, 0.45, 0.5], np.float32)


class Watched:
    """A sampler, and the times at which it was called and returned."""

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler
        self.times: list[tuple[float, float]] = []

    def __len__(self) -> int:
        return len(self.sampler)

    def batch(self, step: int, size: int) -> Any:
        """Return a batch of the sampler, and note the times."""
        begun = time.perf_counter()
        batch = self.sampler.batch(step, size)
        self.times.append((begun, time.perf_counter()))
        return batch

    def figures(self, batch: int) -> dict[str, float]:
        """Return the figures from after the first quarter to the beginning of the last step."""
        first = len(self.times) // 4
        seconds = self.times[-1][0] - self.times[first][0]
        waited = sum(end - start for start, end in self.times[first:-1])
        images = batch * (len(self.times) - 1 - first)
        return {
            "images_per_second": images / seconds,
            "waiting": waited / seconds,
            "images": images,
        }


def heads(count: int, spacing_mm: float) -> list[Subject]:
    """Return procedural heads with images."""
    rng = np.random.Generator(np.random.Philox(3))
    subjects = []
    for i in range(count):
        head = phantom(24.0 + 2 * i, seed=i, spacing_mm=spacing_mm)
        noise = rng.normal(0, 0.04, head.label.shape).astype(np.float32)
        image = np.maximum(TONES[head.label] + noise * (head.label > 0), np.float32(0))
        subjects.append(Subject(head.id, head.label, head.grid, head.table, image))
    return subjects


def timed(train: Callable[[Run], None], sampler: Watched, batch: int) -> dict[str, float]:
    """Run a training; return the figures of its sampler."""
    with tempfile.TemporaryDirectory(prefix="train-speed-") as folder:
        train(Run(Path(folder), device=device()))
    return sampler.figures(batch)


def device() -> torch.device:
    """Return the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def spade(steps: int) -> dict[str, float]:
    """Time a training of SPADE."""
    never = [f"{key}={10**9}" for key in ("log_every", "sample_every", "checkpoint_every")]
    overrides = ["subjects.path=.", "niter=1", "niter_decay=0", "orientations=[axial]", *never]
    recipe = load_training(RECIPES / "fetal-spade.yaml", overrides).spec
    subjects = heads(4, 0.8)
    stacks = [cut_stack(subject, "axial") for subject in subjects]
    sampler = SliceSampler(stacks, recipe.crop, mirror=True, seed=recipe.seed)
    sampler.positions = sampler.positions[: steps * recipe.batch]  # an epoch is so many steps
    watched = Watched(sampler)
    logged = np.ones((1, 128, 128), np.uint8), np.zeros((1, 128, 128), np.float32)
    labels = len(subjects[0].table.names)
    return timed(
        lambda run: train_spade(recipe, "axial", watched, logged, labels, run),  # type: ignore
        watched, recipe.batch,
    )  # fmt: skip


def stylegan2(steps: int) -> dict[str, float]:
    """Time a training of StyleGAN2-ADA."""
    name = RECIPES / "cardiac-stylegan2.yaml"
    batch = load_training(name, ["slices.short_axis.path=."]).spec.batch
    never = [f"{key}={10**9}" for key in ("log_every", "checkpoint_every", "snapshot_kimg")]
    overrides = ["slices.short_axis.path=.", f"kimg={steps * batch / 1000}", *never]
    recipe = load_training(name, overrides).spec
    planes = []
    for head in heads(4, 1.6):
        sides = (grow_side(s, 0, 64) for s in bounding_box(head.label)[1:])
        box = (slice(0, len(head.label)), *sides)
        assert head.image is not None
        for label, image in zip(cut(head.label, box), cut(head.image, box), strict=True):
            if label.any() and label.shape == (64, 64):
                planes.append(Plane(head.id, 2 * image[None] - 1, label))
    labels = len(TONES)
    watched = Watched(PlaneSampler(planes, labels, recipe.slices, recipe.seed))
    config = network_config(recipe, planes, labels)
    return timed(
        lambda run: train_stylegan2(recipe, config, watched, run, None, lambda *_: None),  # type: ignore
        watched, recipe.batch,
    )  # fmt: skip


def main() -> None:
    """Time both trainings, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--into", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {
        "SPADE, 128², width 12 (fetal-spade)": spade(options.steps),
        "StyleGAN2-ADA, 64², 9 channels (cardiac-stylegan2)": stylegan2(options.steps),
    }
    lines = ["| training | images/s | waiting for data |", "|---|---|---|"]
    for name, row in results.items():
        lines.append(f"| {name} | {row['images_per_second']:.1f} | {row['waiting']:.1%} |")
    write_results(options.into, "train_speed", results, "\n".join(lines), str(device()))
    rates = {name: row["images_per_second"] for name, row in results.items()}
    bars(options.into / "train_speed.png", rates, "images a second", {})
    print("\n".join(lines))


if __name__ == "__main__":
    main()
