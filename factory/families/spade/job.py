"""SPADE for `factory train`: one network an orientation, their card, their scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from factory.config.loading import CheckedDocument
from factory.errors import RecipeError
from factory.families.spade.recipe import SpadeTraining
from factory.families.spade.train import networks, train
from factory.models.checkpoint import load_state, save_model
from factory.models.features.vgg import weights_file
from factory.storage.subjects.types import Subject
from factory.training.cards import remove_paths
from factory.training.data import (
    held_out_subjects,
    scoring_spacing_mm,
    subject_ranges,
    subject_records,
    training_subjects,
)
from factory.training.run import Run
from factory.training.slices import SliceSampler, cut_stack

HELD_OUT_SLICES = 9
"""Held-out slices scored and drawn while training: three of each subject where three are held."""


def check(recipe: SpadeTraining) -> None:
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
    return recipe.orientations


def work(recipe: SpadeTraining, orientation: str, run: Run) -> None:
    """One worker's share of one orientation."""
    learnt: list[Subject] = []
    for spacing in recipe.subjects.spacing_mm:
        learnt += training_subjects(recipe.subjects, spacing)
    stacks = [cut_stack(s, orientation) for s in learnt]
    # A sagittal slice mirrored in its plane would swap front and back; a heart's, its ventricles.
    mirror = orientation != "sagittal" and recipe.subjects.layout != "short_axis"
    sampler = SliceSampler(stacks, recipe.crop, mirror=mirror, seed=recipe.seed)
    shown = held_out_slices(recipe, orientation, learnt)
    train(recipe, orientation, sampler, shown, len(learnt[0].table.names), run)


def held_out_slices(
    recipe: SpadeTraining, orientation: str, learnt: list[Subject]
) -> tuple[np.ndarray, np.ndarray]:
    """Slices to watch the training by: of held-out subjects, or of learnt ones if none is held."""
    subjects = held_out_subjects(recipe.subjects, recipe.subjects.spacing_mm[0]) or learnt
    stacks = [cut_stack(s, orientation) for s in subjects]
    watch = SliceSampler(stacks, recipe.crop, mirror=False, seed=recipe.seed)
    return watch.batch(0, HELD_OUT_SLICES)


def export(loaded: CheckedDocument[SpadeTraining], output: Path) -> Path:
    """Write OUTPUT/model from the checkpoints of all orientations; returns that folder."""
    recipe = loaded.spec
    learnt = training_subjects(recipe.subjects, scoring_spacing_mm(recipe.subjects))
    table = learnt[0].table
    trained: dict[str, nn.Module] = {}
    curves, steps, hours = {}, {}, {}
    for orientation in recipe.orientations:
        modules = networks(recipe, len(table.names), recipe.seed)
        folder = output / orientation
        state = load_state(folder / "checkpoint.safetensors", modules, {})
        trained[orientation] = modules["generator"]
        if "encoder" in modules:
            trained[f"{orientation}-encoder"] = modules["encoder"]
        steps[orientation], hours[orientation] = state["step"], round(state["hours"], 3)
        curves[orientation] = Run(folder).loss_curve()
    seen = subject_ranges(learnt)
    seen["spacing_mm"] = [min(recipe.subjects.spacing_mm), max(recipe.subjects.spacing_mm)]
    card = {
        "name": recipe.name,
        "family": "spade",
        "config": {"labels": len(table.names), **recipe.model.model_dump()},
        "orientations": list(recipe.orientations),
        "label_table": {"names": list(table.names), "colours": [list(c) for c in table.colours]},
        "licence": recipe.licence,
        "training": {
            **seen,
            "subjects": [s.id for s in learnt],
            "held_out": list(recipe.subjects.hold_out),
            "rec": sorted({str(s.metadata["rec"]) for s in learnt if s.metadata.get("rec")}),
            "images_a_step": recipe.batch,
            "steps": steps,
            "hours": hours,
            "recipe": remove_paths(loaded.data),
            "torch": torch.__version__,
        },
        "loss_curve": curves,
        "class_means": class_means_of(learnt),
    }
    save_model(output / "model", trained, card)
    return output / "model"


def class_means_of(learnt: list[Subject]) -> list[float]:
    """Mean normalised training intensity of each label: the baseline that a network must beat.

    The background is left black: what little of the brain blurs into it would only spoil it.
    """
    from factory.metrics.paired import class_means

    images = [s.image for s in learnt if s.image is not None]
    means = class_means(images, [s.label for s in learnt], len(learnt[0].table.names))
    means[0] = 0
    return [round(float(m), 5) for m in np.nan_to_num(means)]


def score(folder: Path, recipe: SpadeTraining, output: Path) -> pd.DataFrame | None:
    """Scores on held-out subjects; pictures and tables to output."""
    if recipe.subjects.layout == "short_axis":
        from factory.families.spade.scoring_short_axis import evaluate
    else:
        from factory.families.spade.scoring_volumes import evaluate

    subjects = held_out_subjects(recipe.subjects, scoring_spacing_mm(recipe.subjects))
    return evaluate(folder, subjects, output) if subjects else None


def text(table: pd.DataFrame) -> list[str]:
    if "style" in table:
        return [line.rstrip() for line in table.to_string(index=False).splitlines()]
    from factory.families.spade.scoring_volumes import markdown

    return markdown(table).splitlines()
