"""The label VAE for `factory train`: one part, its card, its scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factory.config.loading import CheckedDocument
from factory.families.label_vae.data import MapSampler
from factory.families.label_vae.label_maps import maps
from factory.families.label_vae.recipe import LabelVaeTraining
from factory.families.label_vae.train import network, train
from factory.models.checkpoint import load_state, save_model
from factory.storage.subjects.types import Subject
from factory.training.cards import remove_paths
from factory.training.data import (
    held_out_subjects,
    subject_ranges,
    subject_records,
    training_subjects,
)
from factory.training.run import Run

PART = "vae"


def check(recipe: LabelVaeTraining) -> None:
    subject_records(recipe.subjects)


def parts(recipe: LabelVaeTraining) -> tuple[str, ...]:
    return (PART,)


def all_maps(subjects: list[Subject], recipe: LabelVaeTraining) -> np.ndarray:
    return np.concatenate([maps(subject, recipe.shape) for subject in subjects])


def work(recipe: LabelVaeTraining, part: str, run: Run) -> None:
    """One worker's share. Where nobody is held out, learnt maps are watched instead."""
    learnt: list[Subject] = []
    for spacing in recipe.subjects.spacing_mm:
        learnt += training_subjects(recipe.subjects, spacing)
    held = held_out_subjects(recipe.subjects, recipe.subjects.spacing_mm[0]) or learnt
    sampler = MapSampler(all_maps(learnt, recipe), recipe.augment, recipe.seed)
    train(recipe, sampler, all_maps(held, recipe), len(learnt[0].table.names), run)


def export(loaded: CheckedDocument[LabelVaeTraining], output: Path) -> Path:
    """Write OUTPUT/model: the averaged weights where the held-out loss was least."""
    recipe = loaded.spec
    learnt = training_subjects(recipe.subjects, recipe.subjects.spacing_mm[0])
    table = learnt[0].table
    model = network(recipe, len(table.names))
    folder = output / PART
    best = load_state(folder / "best.safetensors", {"ema": model}, {})
    state = load_state(folder / "checkpoint.safetensors", {}, {})
    curve = Run(folder).loss_curve()
    card = {
        "name": recipe.name,
        "family": "label_vae",
        "config": {
            "labels": len(table.names),
            "shape": list(recipe.shape),
            **recipe.model.model_dump(),
        },
        "label_table": {"names": list(table.names), "colours": [list(c) for c in table.colours]},
        "licence": recipe.licence,
        "training": {
            **subject_ranges(learnt),
            "spacing_mm": [min(recipe.subjects.spacing_mm), max(recipe.subjects.spacing_mm)],
            "subjects": [s.id for s in learnt],
            "held_out": list(recipe.subjects.hold_out),
            "images_a_step": recipe.batch,
            "steps": state["step"],
            "exported_step": best["step"],
            "hours": round(state["hours"], 3),
            "recipe": remove_paths(loaded.data),
            "torch": torch.__version__,
        },
        "scores": {"start": curve[0], "middle": curve[len(curve) // 2], "end": curve[-1]},
        "loss_curve": curve,
    }
    save_model(output / "model", {"vae": model}, card)
    return output / "model"


def score(folder: Path, recipe: LabelVaeTraining, output: Path) -> pd.DataFrame | None:
    """Scores on held-out subjects and on draws from the prior; tables and pictures to output."""
    from factory.families.label_vae.scoring import evaluate

    subjects = held_out_subjects(recipe.subjects, recipe.subjects.spacing_mm[0])
    return evaluate(folder, subjects, output) if subjects else None


def text(table: pd.DataFrame) -> list[str]:
    width = table["measure"].str.len().max()
    lines = [f"{'':{width}}   model   real"]
    for row in table.itertuples():
        real = "" if np.isnan(row.real) else f"{row.real:7.3f}"
        lines.append(f"{row.measure:{width}} {row.model:7.3f}{real}")
    return lines
