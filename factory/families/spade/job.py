"""SPADE for `factory train`: one network for each orientation, their card and their scores."""

from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from factory.config.loading import CheckedDocument
from factory.errors import RecipeError
from factory.families.scores import plain_text_lines
from factory.families.spade.recipe import SpadeTraining
from factory.families.spade.train import Slices, build_networks, train
from factory.imaging.intensities import RANGE, normalise
from factory.models.checkpoint import read_card, save_model
from factory.models.features.vgg import weights_file
from factory.storage.json_value import JsonObject
from factory.storage.subjects.channels import list_channels
from factory.storage.subjects.types import FETA, Subject
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

SURROUNDINGS = 0.05
"""The mean of the background, in the factory's unit, above which it shows something."""

HELD_OUT_SLICES = 9
"""Held-out slices that are scored and drawn during the training."""


def check(recipe: SpadeTraining) -> None:
    """Check that a recipe can be trained. See factory.families.base.Job."""
    check_images(recipe.subjects)
    subject_records(recipe.subjects)
    if recipe.niter + recipe.niter_decay == 0:
        raise RecipeError("niter and niter_decay are both 0: nothing to train")
    check_slice_orientations(recipe.subjects, recipe.orientations)
    if recipe.loss.perceptual:
        weights_file()


def parts(recipe: SpadeTraining) -> tuple[str, ...]:
    """List the orientations, each of which is trained by itself."""
    return recipe.orientations


def work(recipe: SpadeTraining, orientation: str, run: Run) -> None:
    """Train one orientation as one of the workers."""
    subjects = training_subjects_at_all_spacings(recipe.subjects)
    stacks = [cut_stack(s, orientation) for s in subjects]
    table = subjects[0].table
    mirror = is_mirrored(recipe.subjects, orientation, table)
    sampler = SliceSampler(stacks, recipe.crop, mirror, recipe.seed, table.mirrored_values)
    held_out = held_out_slices(recipe, orientation, subjects)
    train(recipe, orientation, sampler, held_out, len(table.names), run)


def held_out_slices(recipe: SpadeTraining, orientation: str, training: list[Subject]) -> Slices:
    """Return slices that are scored during the training.

    They are of held-out subjects, or of training subjects if the recipe holds none out.
    """
    subjects = held_out_subjects(recipe.subjects, recipe.subjects.spacing_mm[0]) or training
    stacks = [cut_stack(s, orientation) for s in subjects]
    return SliceSampler(stacks, recipe.crop, mirror=False, seed=recipe.seed).batch(
        0, HELD_OUT_SLICES
    )


def export(loaded: CheckedDocument[SpadeTraining], output: Path) -> Path:
    """Write the model folder from the checkpoints of all orientations, and return it."""
    recipe = loaded.spec
    subjects = training_subjects(recipe.subjects, scoring_spacing_mm(recipe.subjects))
    table, channels = subjects[0].table, subjects[0].channels
    networks: dict[str, nn.Module] = {}
    curves, steps, hours = {}, {}, {}
    for orientation in recipe.orientations:
        modules = build_networks(recipe, len(table.names), recipe.seed, len(channels) or 1)
        folder = output / orientation
        state = load_checkpoint(folder, modules)
        networks[orientation] = modules["generator"]
        if "encoder" in modules:
            networks[f"{orientation}-encoder"] = modules["encoder"]
        steps[orientation], hours[orientation] = state["step"], round(state["hours"], 3)
        curves[orientation] = Run(folder).loss_curve()
    card = {
        "name": recipe.name,
        "family": "spade",
        "config": {
            "labels": len(table.names),
            **recipe.model.model_dump(),
            **config_channels_entry(channels),
        },
        "orientations": list(recipe.orientations),
        "label_table": label_table_entry(table),
        **channels_entry(channels),
        **surroundings_entry(subjects),
        "licence": recipe.licence,
        "training": {
            **subjects_entry(recipe.subjects, subjects),
            "rec": sorted({str(s.metadata["rec"]) for s in subjects if s.metadata.get("rec")}),
            "images_a_step": recipe.batch,
            "steps": steps,
            "hours": hours,
            **origin_entry(loaded.data),
        },
        "loss_curve": curves,
        "class_means": mean_intensities(subjects),
    }
    save_model(output / "model", networks, card)
    return output / "model"


def surroundings_entry(subjects: list[Subject]) -> JsonObject:
    """Return the card's "paints_surroundings": true if the images show more than what is labelled.

    Skull-stripped heads do not. Fetal brains are painted as such, whatever is around them.
    """
    if subjects[0].table.names == FETA.names:
        return {}
    means = [
        float(np.clip(normalise(channel, s.label), *RANGE)[s.label == 0].mean())
        for s in subjects
        if s.image is not None and not s.label.all()
        for channel in list_channels(s.image)
    ]
    return {"paints_surroundings": True} if means and max(means) > SURROUNDINGS else {}


def mean_intensities(subjects: list[Subject]) -> list[float] | list[list[float]]:
    """Return the mean normalised intensity of each label: the baseline that a network must beat.

    The background is 0: the little brain that blurs into it would only spoil it.

    Returns:
        The means of the labels, or such a list for each named channel.
    """
    from factory.metrics.paired import class_means

    by_channel = []
    images = [list_channels(s.image) for s in subjects if s.image is not None]
    for channel in zip(*images, strict=True):
        labels = len(subjects[0].table.names)
        means = class_means([*channel], [s.label for s in subjects], labels)
        means[0] = 0
        by_channel.append([round(float(m), 5) for m in np.nan_to_num(means)])
    return by_channel if subjects[0].channels else by_channel[0]


def score(folder: Path, recipe: SpadeTraining, output: Path) -> pd.DataFrame | None:
    """Score a model on the held-out subjects. See factory.families.base.Job."""
    if recipe.subjects.layout == "short_axis":
        from factory.families.spade.scoring_short_axis import evaluate
    else:
        from factory.families.spade.scoring_volumes import evaluate

    subjects = held_out_subjects(recipe.subjects, scoring_spacing_mm(recipe.subjects))
    subjects = match_subjects(read_card(folder), subjects, "subjects")
    return evaluate(folder, subjects, output) if subjects else None


def text(table: pd.DataFrame) -> list[str]:
    """Return the lines of a table of scores, as plain text or as Markdown."""
    if "style" in table:
        return plain_text_lines(table)
    from factory.families.spade.scoring_volumes import markdown

    return markdown(table).splitlines()
