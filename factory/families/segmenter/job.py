"""The segmenter for `factory train`: one part, its card, its scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factory.config.loading import CheckedDocument
from factory.errors import RecipeError
from factory.families.segmenter.recipe import SegmenterTraining
from factory.families.segmenter.train import network, train
from factory.lookup import find_model
from factory.models.checkpoint import load_state, read_card, save_model
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

PART = "segmenter"

WATCHED = 12
"""Held-out slices of each orientation that are scored while training."""


def check(recipe: SegmenterTraining) -> None:
    subject_records(recipe.subjects)
    if recipe.subjects.layout == "short_axis" and recipe.orientations != ("axial",):
        raise RecipeError(
            f"orientations: {', '.join(recipe.orientations)}; allowed for stacks: axial, the only "
            "direction in which their slices are thin enough to be segmented"
        )
    if recipe.judges:
        find_model(recipe.judges, "judges")


def parts(recipe: SegmenterTraining) -> tuple[str, ...]:
    return (PART,)


def samplers_of(recipe: SegmenterTraining, subjects: list[Subject]) -> list[SliceSampler]:
    """One an orientation. Sagittal slices are not mirrored: that would swap front and back; nor
    are hearts, whose ventricles it would swap."""
    hearts = recipe.subjects.layout == "short_axis"
    return [
        SliceSampler(
            [cut_stack(s, orientation) for s in subjects],
            recipe.crop,
            mirror=orientation != "sagittal" and not hearts,
            seed=recipe.seed,
        )
        for orientation in recipe.orientations
    ]


def work(recipe: SegmenterTraining, part: str, run: Run) -> None:
    """One worker's share. Where nobody is held out, learnt slices are watched instead."""
    learnt: list[Subject] = []
    for spacing in recipe.subjects.spacing_mm:
        learnt += training_subjects(recipe.subjects, spacing)
    held = held_out_subjects(recipe.subjects, recipe.subjects.spacing_mm[0]) or learnt
    watched = [sampler.batch(0, WATCHED) for sampler in samplers_of(recipe, held)]
    label, image = (np.concatenate(slices) for slices in zip(*watched, strict=True))
    labels = len(learnt[0].table.names)
    train(recipe, samplers_of(recipe, learnt), (label, image), labels, run)


def export(loaded: CheckedDocument[SegmenterTraining], output: Path) -> Path:
    """Write OUTPUT/model from the checkpoint; returns that folder."""
    recipe = loaded.spec
    learnt = training_subjects(recipe.subjects, scoring_spacing_mm(recipe.subjects))
    table = learnt[0].table
    model = network(recipe, len(table.names))
    folder = output / PART
    state = load_state(folder / "checkpoint.safetensors", {PART: model}, {})
    ids = [s.id for s in learnt]
    card = {
        "name": recipe.name,
        "family": "segmenter",
        "config": {"labels": len(table.names), **recipe.model.model_dump()},
        "orientations": list(recipe.orientations),
        "label_table": {"names": list(table.names), "colours": [list(c) for c in table.colours]},
        "licence": recipe.licence,
        "training": {
            **subject_ranges(learnt),
            "spacing_mm": [min(recipe.subjects.spacing_mm), max(recipe.subjects.spacing_mm)],
            "subjects": ids,
            "held_out": list(recipe.subjects.hold_out),
            "images": "real",
            "images_a_step": recipe.batch,
            "steps": state["step"],
            "hours": round(state["hours"], 3),
            "recipe": remove_paths(loaded.data),
            "torch": torch.__version__,
        },
        "shared_with": shared_with(recipe.judges, ids),
        "loss_curve": Run(folder).loss_curve(),
    }
    save_model(output / "model", {PART: model}, card)
    return output / "model"


def shared_with(judged: str | None, ids: list[str]) -> dict[str, list[str]]:
    """The subjects that a generator learnt from too, under its name: where the two agree on one of
    them, that is no second opinion."""
    if judged is None:
        return {}
    card = read_card(find_model(judged, "judges"))
    theirs = card.get("training", {}).get("subjects", ())
    return {str(card.get("name", judged)): [one for one in ids if one in theirs]}


def score(folder: Path, recipe: SegmenterTraining, output: Path) -> pd.DataFrame | None:
    """Scores on held-out subjects; pictures and tables to output."""
    from factory.families.segmenter.scoring import evaluate

    subjects = held_out_subjects(recipe.subjects, scoring_spacing_mm(recipe.subjects))
    return evaluate(folder, subjects, output) if subjects else None


def text(table: pd.DataFrame) -> list[str]:
    return [line.rstrip() for line in table.to_string(index=False).splitlines()]
