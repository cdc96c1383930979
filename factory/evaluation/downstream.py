"""Whether a dataset teaches a segmenter anything.

The same small U-Net is trained on real volumes, on the dataset, and on both, for the same number of
steps of the same number of slices, and tested on held-out real volumes. Nothing differs between the
trainings but where their slices come from. Real and synthetic data are split by subject: subjects
of the recipe's hold_out are only tested on, and samples made from one of them are left out of the
training.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factory.errors import RecipeError
from factory.evaluation.generated_images import GeneratedImages
from factory.families.segmenter.inference import VolumeSegmenter
from factory.families.segmenter.job import slice_samplers
from factory.families.segmenter.recipe import SegmenterTraining
from factory.families.segmenter.scoring import structure_scores
from factory.families.segmenter.train import build_network, train
from factory.metrics.effect import effect
from factory.models.checkpoint import load_state, save_model
from factory.storage.dataset.dataset import Dataset
from factory.storage.subjects.channels import describe_channels, first_channel, select_channels
from factory.storage.subjects.types import Grid, LabelTable, Subject
from factory.text import join_names
from factory.training.data import held_out_subjects, training_subjects
from factory.training.run import Run
from factory.training.slices import SliceSampler, count_channels
from factory.training.tables import map_subject

WAYS = ("real", "synthetic", "both")
"""What a segmenter is trained on."""

MEASURES = ("dice", "hausdorff_95_mm")

LOGGED_SLICES = 4
"""Held-out slices of each orientation in the log of a training; nothing is selected by them."""

SECOND_TRIMESTER_END_WEEKS = 28.0
"""Subjects on either side of this age are a stratum."""


@dataclass(frozen=True)
class EffectRow:
    """The effect of one way of training on one structure, over the subjects of one stratum.

    Attributes:
        stratum: The subjects: "all", a pathology or a range of ages.
        structure: The segmented structure.
        measure: One of MEASURES.
        way: "synthetic" or "both".
        mean: Mean of the measure over the subjects.
        real: Its mean for the segmenter that was trained on real volumes alone.
        n: Number of subjects.
        effect: Mean difference from `real`.
        ci_low: Lower end of its 95 % interval.
        ci_high: Upper end of its 95 % interval.
        p: p-value of the difference.
    """

    stratum: str
    structure: str
    measure: str
    way: str
    mean: float
    real: float
    n: int
    effect: float
    ci_low: float
    ci_high: float
    p: float


def score_trainings(
    dataset: Dataset, recipe: SegmenterTraining, seeds: int, output: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Train 3 × seeds segmenters and score them on the held-out subjects.

    Each is trained in a folder of its own in `output`; an interrupted training continues there.

    Returns:
        A row for each way, seed, subject and structure: columns way, seed, subject, structure and
        MEASURES. Then remarks on what was left out.

    Raises:
        RecipeError: If no subject is held out, or the dataset's labels are not the recipe's.
    """
    spacing_mm = recipe.subjects.spacing_mm[0]
    held_out = held_out_subjects(recipe.subjects, spacing_mm)
    if not held_out:
        raise RecipeError("subjects.hold_out is empty; nothing to test on")
    real = training_subjects(recipe.subjects, spacing_mm)
    synthetic, remarks = training_samples(dataset, recipe, real[0].table, real[0].channels)
    of_real, of_synthetic = slice_samplers(recipe, real), slice_samplers(recipe, synthetic)
    # both: real and synthetic slices alternate, however many there are of each
    of_both = [sampler for pair in zip(of_real, of_synthetic, strict=True) for sampler in pair]
    samplers = dict(zip(WAYS, (of_real, of_synthetic, of_both), strict=True))
    batches = [sampler.batch(0, LOGGED_SLICES) for sampler in slice_samplers(recipe, held_out)]
    label, image = (np.concatenate(slices) for slices in zip(*batches, strict=True))
    rows = []
    for seed in range(recipe.seed, recipe.seed + seeds):
        for way, of_way in samplers.items():
            folder = output / f"{way}-{seed}"
            seeded = [SliceSampler(s.stacks, s.crop, s.mirror, seed, s.mirrored) for s in of_way]
            table = held_out[0].table
            segmenter = train_segmenter(recipe, seed, seeded, (label, image), table, folder)
            for subject in held_out:
                assert subject.image is not None
                scored = structure_scores(subject, segmenter.segment(subject.image, subject.label))
                rows += [{"way": way, "seed": seed, **row} for row in scored]
    remarks.append(
        f"{len(real)} real volumes, {len(synthetic)} synthetic, {len(held_out)} held out to test "
        f"on; {recipe.steps} steps of {recipe.batch} slices each way, {seeds} seeds"
    )
    return pd.DataFrame(rows), remarks


def training_samples(
    dataset: Dataset,
    recipe: SegmenterTraining,
    table: LabelTable,
    channels: tuple[str, ...] = (),
) -> tuple[list[Subject], list[str]]:
    """Return the dataset's samples to learn from, and remarks on those left out.

    Left out are samples that are not accepted, and those made from a held-out subject.

    Args:
        dataset: The dataset.
        recipe: The recipe of the trainings.
        table: The label table of the real subjects.
        channels: The names of the channels of their images; () takes the first of the dataset's.

    Raises:
        RecipeError: If the dataset has a label that `table` lacks, its images lack a channel, or no
            sample is left.
    """
    names = dataset.layout.table.names
    if not set(names) <= set(table.names):
        raise RecipeError(
            f"{dataset.path}: labels {join_names(names)}; the training recipe's are "
            f"{join_names(table.names)}"
        )
    stored = dataset.layout.channels.get("image", ())
    if missing := [name for name in channels if name not in stored]:
        raise RecipeError(
            f"{dataset.path}: no channel {missing[0]}; its images have {describe_channels(stored)}"
        )
    generated = GeneratedImages(dataset)
    cases, is_accepted = generated.cases, generated.is_accepted
    is_held_out = cases["subject"].isin(recipe.subjects.hold_out)
    remarks = generated.remarks
    if count := int((is_accepted & is_held_out).sum()):
        remarks.append(f"{count} samples of held-out subjects were left out")
    indices = cases["sample"][is_accepted & ~is_held_out]
    if indices.empty:
        raise RecipeError(f"{dataset.path}: no sample to learn from; {'; '.join(remarks)}")
    samples = [_read_subject(dataset, int(index), channels) for index in indices]
    return [map_subject(sample, table) for sample in samples], remarks


def _read_subject(dataset: Dataset, index: int, channels: tuple[str, ...]) -> Subject:
    """Read a sample as a subject whose image has some of the sample's channels; () is the first."""
    stored = dataset.sample(index)
    label, image = stored.arrays["label"], stored.arrays["image"]
    names = dataset.layout.channels.get("image", ())
    image = select_channels(image, names, channels) if channels else first_channel(image)
    z, y, x = stored.spacing_mm
    grid = Grid.centred(label.shape, (z, y, x))
    table = dataset.layout.table
    return Subject(f"sample-{index}", label, grid, table, image, channels=channels)


def train_segmenter(
    recipe: SegmenterTraining,
    seed: int,
    samplers: list[SliceSampler],
    logged: tuple[np.ndarray, np.ndarray],
    table: LabelTable,
    folder: Path,
) -> VolumeSegmenter:
    """Train a segmenter by a recipe, with another seed, and save it as a model.

    Args:
        recipe: The training recipe.
        seed: The seed that replaces the recipe's.
        samplers: The samplers of the slices to learn from.
        logged: Label and image of held-out slices for the log, each [slice, row, column].
        table: The labels.
        folder: The folder of the training; the model is saved in its subfolder "model".
    """
    seeded = recipe.model_copy(update={"seed": seed, "name": folder.name})
    train(seeded, samplers, logged, len(table.names), Run(folder))
    channels = count_channels(logged[1])
    model = build_network(seeded, len(table.names), channels)
    load_state(folder / "checkpoint.safetensors", {"segmenter": model}, {})
    card = {
        "name": folder.name,
        "family": "segmenter",
        "config": {
            "labels": len(table.names),
            "channels": channels,
            **recipe.model.model_dump(),
        },
        "orientations": list(recipe.orientations),
        "label_table": {"names": list(table.names)},
    }
    save_model(folder / "model", {"segmenter": model}, card)
    return VolumeSegmenter(folder / "model", torch.device("cpu"))


def strata_of(subject: Subject) -> Iterator[str]:
    """Yield the strata that a held-out subject counts in."""
    yield "all"
    if pathology := subject.metadata.get("pathology"):
        yield str(pathology)
    if (age_weeks := subject.metadata.get("gestational_age_weeks")) is not None:
        side = "from" if age_weeks >= SECOND_TRIMESTER_END_WEEKS else "below"
        yield f"{side} {SECOND_TRIMESTER_END_WEEKS:g} weeks"


def summarise_effects(scored: pd.DataFrame, held_out: list[Subject]) -> pd.DataFrame:
    """Return a row for each stratum, structure, measure and way of training but the real one.

    The value of a subject is its mean over the seeds, since seeds are no further subjects.

    Args:
        scored: The rows of `score_trainings`.
        held_out: The held-out subjects, for their strata.

    Returns:
        The columns of EffectRow.
    """
    keys = ["way", "subject", "structure"]
    means = scored.groupby(keys, sort=False)[list(MEASURES)].mean().reset_index()
    rows = []
    for stratum in dict.fromkeys(name for subject in held_out for name in strata_of(subject)):
        ids = [subject.id for subject in held_out if stratum in strata_of(subject)]
        for structure in means["structure"].unique():
            of_structure = means[(means["structure"] == structure) & means["subject"].isin(ids)]
            for measure in MEASURES:
                by_way = of_structure.pivot(index="subject", columns="way", values=measure)
                for way in WAYS[1:]:
                    difference = effect(by_way[way].to_numpy(), by_way["real"].to_numpy())
                    rows.append(
                        EffectRow(
                            stratum=stratum,
                            structure=structure,
                            measure=measure,
                            way=way,
                            mean=by_way[way].mean(),
                            real=by_way["real"].mean(),
                            n=difference.n,
                            effect=difference.mean,
                            ci_low=difference.low,
                            ci_high=difference.high,
                            p=difference.p,
                        )
                    )
    return pd.DataFrame(rows)
