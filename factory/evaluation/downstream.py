"""Does a dataset teach a segmenter anything? The same small U-Net, trained on real volumes, on the
dataset, and on both, for as many steps of as many slices; tested on held-out real volumes.

Whatever differs between the trainings is where their slices come from. Real and synthetic are split
by subject: those of the recipe's hold_out are tested on alone, and samples made from one of them
are left out of the training.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factory.errors import RecipeError
from factory.evaluation.generated_images import GeneratedImages
from factory.families.segmenter.inference import VolumeSegmenter
from factory.families.segmenter.job import samplers_of
from factory.families.segmenter.recipe import SegmenterTraining
from factory.families.segmenter.scoring import scores
from factory.families.segmenter.train import network, train
from factory.metrics.effect import effect
from factory.models.checkpoint import load_state, save_model
from factory.storage.dataset.dataset import Dataset
from factory.storage.subjects.types import Grid, LabelTable, Subject
from factory.text import join_names
from factory.training.data import held_out_subjects, training_subjects
from factory.training.run import Run
from factory.training.slices import SliceSampler

WAYS = ("real", "synthetic", "both")

MEASURES = ("dice", "hausdorff_95_mm")

WATCHED = 4
"""Held-out slices of each orientation in the log of each training; nothing is chosen by them."""

MIDDLE_WEEKS = 28.0
"""Where the second trimester ends, a stratum on either side."""


def compare(
    dataset: Dataset, recipe: SegmenterTraining, seeds: int, output: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Scores by way, seed, subject and structure, and remarks on what was left out.

    Trains 3 × seeds segmenters in output, each in a folder of its own, where it resumes. Raises
    RecipeError where nothing is held out, or the dataset's labels are not the recipe's.
    """
    spacing = recipe.subjects.spacing_mm[0]
    held = held_out_subjects(recipe.subjects, spacing)
    if not held:
        raise RecipeError("subjects.hold_out is empty; nothing to test on")
    learnt = training_subjects(recipe.subjects, spacing)
    made, remarks = synthetic(dataset, recipe, learnt[0].table)
    real_by, made_by = samplers_of(recipe, learnt), samplers_of(recipe, made)
    # both: real and synthetic take turns, whichever there is more of
    both = [s for pair in zip(real_by, made_by, strict=True) for s in pair]
    samplers = dict(zip(WAYS, (real_by, made_by, both), strict=True))
    watched = [s.batch(0, WATCHED) for s in samplers_of(recipe, held)]
    label, image = (np.concatenate(slices) for slices in zip(*watched, strict=True))
    rows = []
    for seed in range(recipe.seed, recipe.seed + seeds):
        for way, own in samplers.items():
            folder = output / f"{way}-{seed}"
            own = [SliceSampler(s.stacks, s.crop, s.mirror, seed) for s in own]
            segmenter = trained(recipe, seed, own, (label, image), held[0].table, folder)
            for subject in held:
                assert subject.image is not None
                found = scores(subject, segmenter.segment(subject.image, subject.label))
                rows += [{"way": way, "seed": seed, **row} for row in found]
    remarks.append(
        f"{len(learnt)} real volumes, {len(made)} synthetic, {len(held)} held out to test on; "
        f"{recipe.steps} steps of {recipe.batch} slices each way, {seeds} seeds"
    )
    return pd.DataFrame(rows), remarks


def synthetic(
    dataset: Dataset, recipe: SegmenterTraining, table: LabelTable
) -> tuple[list[Subject], list[str]]:
    """The dataset's samples to learn from, and what was left out: those that are not accepted, and
    those made from a held-out subject."""
    if dataset.layout.table.names != table.names:
        raise RecipeError(
            f"{dataset.path}: labels {join_names(dataset.layout.table.names)}; the training "
            f"recipe's are {join_names(table.names)}"
        )
    made = GeneratedImages(dataset)
    cases, accepted = made.cases, made.accepted
    leaking = cases["subject"].isin(recipe.subjects.hold_out)
    remarks = made.left_out
    if count := int((accepted & leaking).sum()):
        remarks.append(f"{count} samples of held-out subjects were left out")
    chosen = cases["sample"][accepted & ~leaking]
    if chosen.empty:
        raise RecipeError(f"{dataset.path}: no sample to learn from; {'; '.join(remarks)}")
    return [_subject(dataset, int(index)) for index in chosen], remarks


def _subject(dataset: Dataset, index: int) -> Subject:
    stored = dataset.sample(index)
    label, image = stored.arrays["label"], stored.arrays["image"]
    z, y, x = stored.spacing_mm
    grid = Grid.centred(label.shape, (z, y, x))
    return Subject(f"sample-{index}", label, grid, dataset.layout.table, image)


def trained(
    recipe: SegmenterTraining,
    seed: int,
    samplers: list[SliceSampler],
    watched: tuple[np.ndarray, np.ndarray],
    table: LabelTable,
    folder: Path,
) -> VolumeSegmenter:
    """A segmenter by the recipe, from one seed, on the slices of some samplers."""
    own = recipe.model_copy(update={"seed": seed, "name": folder.name})
    train(own, samplers, watched, len(table.names), Run(folder))
    model = network(own, len(table.names))
    load_state(folder / "checkpoint.safetensors", {"segmenter": model}, {})
    card = {
        "name": folder.name,
        "family": "segmenter",
        "config": {"labels": len(table.names), **recipe.model.model_dump()},
        "orientations": list(recipe.orientations),
        "label_table": {"names": list(table.names)},
    }
    save_model(folder / "model", {"segmenter": model}, card)
    return VolumeSegmenter(folder / "model", torch.device("cpu"))


def strata(subject: Subject) -> Iterator[str]:
    """The strata a held-out subject counts in."""
    yield "all"
    if pathology := subject.metadata.get("pathology"):
        yield str(pathology)
    if (age := subject.metadata.get("gestational_age_weeks")) is not None:
        yield (
            f"from {MIDDLE_WEEKS:g} weeks"
            if age >= MIDDLE_WEEKS
            else (f"below {MIDDLE_WEEKS:g} weeks")
        )


def summary(found: pd.DataFrame, held: list[Subject]) -> pd.DataFrame:
    """A row a stratum, structure, measure and way of training but the real one: its mean over the
    subjects, that of real, and the effect. A subject's value is its mean over the seeds: seeds are
    no further subjects."""
    keys = ["way", "subject", "structure"]
    each = found.groupby(keys, sort=False)[list(MEASURES)].mean().reset_index()
    rows = []
    for stratum in dict.fromkeys(name for subject in held for name in strata(subject)):
        ids = [subject.id for subject in held if stratum in strata(subject)]
        for structure in each["structure"].unique():
            part = each[(each["structure"] == structure) & each["subject"].isin(ids)]
            for measure in MEASURES:
                by = part.pivot(index="subject", columns="way", values=measure)
                for way in WAYS[1:]:
                    of = effect(by[way].to_numpy(), by["real"].to_numpy())
                    rows.append(
                        {
                            "stratum": stratum,
                            "structure": structure,
                            "measure": measure,
                            "way": way,
                            "mean": by[way].mean(),
                            "real": by["real"].mean(),
                            "n": of.n,
                            "effect": of.mean,
                            "ci_low": of.low,
                            "ci_high": of.high,
                            "p": of.p,
                        }
                    )
    return pd.DataFrame(rows)
