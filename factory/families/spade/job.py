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
from factory.models.checkpoint import save_model
from factory.models.features.vgg import weights_file
from factory.storage.subjects.types import Subject
from factory.training.cards import label_table_entry, origin_entry, subjects_entry
from factory.training.data import (
    held_out_subjects,
    scoring_spacing_mm,
    subject_records,
    training_subjects,
    training_subjects_at_all_spacings,
)
from factory.training.loop import load_checkpoint
from factory.training.run import Run
from factory.training.slices import SliceSampler, cut_stack

HELD_OUT_SLICES = 9
"""Held-out slices that are scored and drawn during the training."""


def check(recipe: SpadeTraining) -> None:
    """Check that a recipe can be trained. See factory.families.base.Job."""
    subject_records(recipe.subjects)
    if recipe.niter + recipe.niter_decay == 0:
        raise RecipeError("niter and niter_decay are both 0: nothing to train")
    if recipe.subjects.layout == "short_axis" and recipe.orientations != ("axial",):
        raise RecipeError(
            f"orientations: {', '.join(recipe.orientations)}; allowed for stacks: axial, the only "
            "direction in which their slices are thin enough to draw"
        )
    if recipe.loss.perceptual:
        weights_file()


def parts(recipe: SpadeTraining) -> tuple[str, ...]:
    """List the orientations, each of which is trained by itself."""
    return recipe.orientations


def work(recipe: SpadeTraining, orientation: str, run: Run) -> None:
    """Train one orientation as one of the workers."""
    subjects = training_subjects_at_all_spacings(recipe.subjects)
    stacks = [cut_stack(s, orientation) for s in subjects]
    # Mirroring would swap front and back of a sagittal slice, and the ventricles of a heart.
    mirror = orientation != "sagittal" and recipe.subjects.layout != "short_axis"
    sampler = SliceSampler(stacks, recipe.crop, mirror=mirror, seed=recipe.seed)
    held_out = held_out_slices(recipe, orientation, subjects)
    train(recipe, orientation, sampler, held_out, len(subjects[0].table.names), run)


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
    table = subjects[0].table
    networks: dict[str, nn.Module] = {}
    curves, steps, hours = {}, {}, {}
    for orientation in recipe.orientations:
        modules = build_networks(recipe, len(table.names), recipe.seed)
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
        "config": {"labels": len(table.names), **recipe.model.model_dump()},
        "orientations": list(recipe.orientations),
        "label_table": label_table_entry(table),
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


def mean_intensities(subjects: list[Subject]) -> list[float]:
    """Return the mean normalised intensity of each label: the baseline that a network must beat.

    The background is 0: the little brain that blurs into it would only spoil it.
    """
    from factory.metrics.paired import class_means

    images = [s.image for s in subjects if s.image is not None]
    means = class_means(images, [s.label for s in subjects], len(subjects[0].table.names))
    means[0] = 0
    return [round(float(m), 5) for m in np.nan_to_num(means)]


def score(folder: Path, recipe: SpadeTraining, output: Path) -> pd.DataFrame | None:
    """Score a model on the held-out subjects. See factory.families.base.Job."""
    if recipe.subjects.layout == "short_axis":
        from factory.families.spade.scoring_short_axis import evaluate
    else:
        from factory.families.spade.scoring_volumes import evaluate

    subjects = held_out_subjects(recipe.subjects, scoring_spacing_mm(recipe.subjects))
    return evaluate(folder, subjects, output) if subjects else None


def text(table: pd.DataFrame) -> list[str]:
    """Return the lines of a table of scores, as plain text or as Markdown."""
    if "style" in table:
        return plain_text_lines(table)
    from factory.families.spade.scoring_volumes import markdown

    return markdown(table).splitlines()
