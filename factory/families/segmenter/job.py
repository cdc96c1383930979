"""The segmenter for `factory train`: one network, its card and its scores."""

from pathlib import Path

import numpy as np
import pandas as pd

from factory.config.loading import CheckedDocument
from factory.families.scores import plain_text_lines
from factory.families.segmenter.recipe import SegmenterTraining
from factory.families.segmenter.train import Slices, build_network, train
from factory.lookup import find_model
from factory.models.checkpoint import read_card, save_model
from factory.storage.subjects.types import Subject
from factory.training.cards import (
    channels_entry,
    config_channels_entry,
    label_table_entry,
    match_subjects,
    origin_entry,
    subjects_entry,
)
from factory.training.data import (
    check_images,
    check_slice_orientations,
    held_out_subjects,
    scoring_spacing_mm,
    subject_records,
    training_subjects,
    training_subjects_at_all_spacings,
)
from factory.training.loop import load_checkpoint
from factory.training.run import Run
from factory.training.slices import SliceSampler, cut_stack, is_mirrored

PART = "segmenter"

HELD_OUT_SLICES = 12
"""Held-out slices of each orientation that are scored during the training."""


def check(recipe: SegmenterTraining) -> None:
    """Check that a recipe can be trained. See factory.families.base.Job."""
    check_images(recipe.subjects)
    subject_records(recipe.subjects)
    check_slice_orientations(recipe.subjects, recipe.orientations)
    if recipe.judges:
        find_model(recipe.judges, "judges")


def parts(recipe: SegmenterTraining) -> tuple[str, ...]:
    """List the only part: one network for the slices of all orientations."""
    return (PART,)


def slice_samplers(recipe: SegmenterTraining, subjects: list[Subject]) -> list[SliceSampler]:
    """Build a sampler of the subjects' slices for each orientation of the recipe."""
    table = subjects[0].table
    return [
        SliceSampler(
            [cut_stack(s, orientation) for s in subjects],
            recipe.crop,
            is_mirrored(recipe.subjects, orientation, table),
            recipe.seed,
            table.mirrored_values,
        )
        for orientation in recipe.orientations
    ]


def first_slices(samplers: list[SliceSampler], count: int) -> Slices:
    """Draw the same `count` slices of each sampler at every call, and join them."""
    batches = [sampler.batch(0, count) for sampler in samplers]
    label, image = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return label, image


def work(recipe: SegmenterTraining, part: str, run: Run) -> None:
    """Train the network as one of the workers.

    The slices that are scored during the training are of held-out subjects, or of training subjects
    if the recipe holds none out.
    """
    subjects = training_subjects_at_all_spacings(recipe.subjects)
    held_out = held_out_subjects(recipe.subjects, recipe.subjects.spacing_mm[0]) or subjects
    slices = first_slices(slice_samplers(recipe, held_out), HELD_OUT_SLICES)
    labels = len(subjects[0].table.names)
    train(recipe, slice_samplers(recipe, subjects), slices, labels, run)


def export(loaded: CheckedDocument[SegmenterTraining], output: Path) -> Path:
    """Write the model folder from the checkpoint, and return it."""
    recipe = loaded.spec
    subjects = training_subjects(recipe.subjects, scoring_spacing_mm(recipe.subjects))
    table, channels = subjects[0].table, subjects[0].channels
    network = build_network(recipe, len(table.names), len(channels) or 1)
    folder = output / PART
    state = load_checkpoint(folder, {PART: network})
    card = {
        "name": recipe.name,
        "family": "segmenter",
        "config": {
            "labels": len(table.names),
            **recipe.model.model_dump(),
            **config_channels_entry(channels),
        },
        "orientations": list(recipe.orientations),
        "label_table": label_table_entry(table),
        **channels_entry(channels),
        "licence": recipe.licence,
        "training": {
            **subjects_entry(recipe.subjects, subjects),
            "images": "real",
            "images_a_step": recipe.batch,
            "steps": state["step"],
            "hours": round(state["hours"], 3),
            **origin_entry(loaded.data),
        },
        "shared_with": shared_subjects(recipe.judges, [s.id for s in subjects]),
        "loss_curve": Run(folder).loss_curve(),
    }
    save_model(output / "model", {PART: network}, card)
    return output / "model"


def shared_subjects(generator: str | None, ids: list[str]) -> dict[str, list[str]]:
    """List the training subjects that a generator was trained on too.

    Where the segmenter agrees with the generator on one of them, it is no second opinion.

    Args:
        generator: The name or folder of the generator that is to be judged; None if there is none.
        ids: The segmenter's training subjects.

    Returns:
        The ids under the generator's name; empty without a generator.
    """
    if generator is None:
        return {}
    card = read_card(find_model(generator, "judges"))
    others = card.get("training", {}).get("subjects", ())
    return {str(card.get("name", generator)): [subject for subject in ids if subject in others]}


def score(folder: Path, recipe: SegmenterTraining, output: Path) -> pd.DataFrame | None:
    """Score a model on the held-out subjects. See factory.families.base.Job."""
    from factory.families.segmenter.scoring import evaluate

    subjects = held_out_subjects(recipe.subjects, scoring_spacing_mm(recipe.subjects))
    subjects = match_subjects(read_card(folder), subjects, "subjects")
    return evaluate(folder, subjects, output) if subjects else None


def text(table: pd.DataFrame) -> list[str]:
    """Return the lines of a table of scores."""
    return plain_text_lines(table)
