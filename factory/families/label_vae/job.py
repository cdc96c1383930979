"""The label VAE for `factory train`: its training, its card and its scores."""

from pathlib import Path

import numpy as np
import pandas as pd

from factory.config.loading import CheckedDocument
from factory.families.label_vae.data import MapSampler
from factory.families.label_vae.label_maps import subject_maps
from factory.families.label_vae.recipe import LabelVaeTraining
from factory.families.label_vae.train import BEST, build_network, train
from factory.models.checkpoint import load_state, read_card, save_model
from factory.storage.subjects.types import Subject
from factory.training.cards import (
    curve_summary,
    label_table_entry,
    match_labels,
    origin_entry,
    subjects_entry,
)
from factory.training.data import (
    held_out_subjects,
    subject_records,
    training_subjects,
    training_subjects_at_all_spacings,
)
from factory.training.loop import load_checkpoint
from factory.training.run import Run

PART = "vae"


def check(recipe: LabelVaeTraining) -> None:
    """Check that a recipe can be trained. See factory.families.base.Job."""
    subject_records(recipe.subjects)


def parts(recipe: LabelVaeTraining) -> tuple[str, ...]:
    """Return the only part, the network."""
    return (PART,)


def work(recipe: LabelVaeTraining, part: str, run: Run) -> None:
    """Train the network as one of the workers.

    If no subject is held out, training subjects are scored during the training.
    """
    training = training_subjects_at_all_spacings(recipe.subjects)
    held_out = held_out_subjects(recipe.subjects, recipe.subjects.spacing_mm[0]) or training
    sampler = MapSampler(stack_label_maps(training, recipe), recipe.augment, recipe.seed)
    train(recipe, sampler, stack_label_maps(held_out, recipe), len(training[0].table.names), run)


def stack_label_maps(subjects: list[Subject], recipe: LabelVaeTraining) -> np.ndarray:
    """Return the label maps of all subjects, uint8 (N, *shape)."""
    return np.concatenate([subject_maps(subject, recipe.shape) for subject in subjects])


def export(loaded: CheckedDocument[LabelVaeTraining], output: Path) -> Path:
    """Write the model folder: the averaged weights with the least held-out loss."""
    recipe = loaded.spec
    subjects = training_subjects(recipe.subjects, recipe.subjects.spacing_mm[0])
    table = subjects[0].table
    network = build_network(recipe, len(table.names))
    folder = output / PART
    best = load_state(folder / BEST, {"ema": network}, {})
    state = load_checkpoint(folder, {})
    curve = Run(folder).loss_curve()
    card = {
        "name": recipe.name,
        "family": "label_vae",
        "config": {
            "labels": len(table.names),
            "shape": list(recipe.shape),
            **recipe.model.model_dump(),
        },
        "label_table": label_table_entry(table),
        "licence": recipe.licence,
        "training": {
            **subjects_entry(recipe.subjects, subjects),
            "images_a_step": recipe.batch,
            "steps": state["step"],
            "exported_step": best["step"],
            "hours": round(state["hours"], 3),
            **origin_entry(loaded.data),
        },
        "scores": curve_summary(curve),
        "loss_curve": curve,
    }
    save_model(output / "model", {"vae": network}, card)
    return output / "model"


def score(folder: Path, recipe: LabelVaeTraining, output: Path) -> pd.DataFrame | None:
    """Score a model on the held-out subjects and on samples from the prior."""
    from factory.families.label_vae.scoring import evaluate

    subjects = held_out_subjects(recipe.subjects, recipe.subjects.spacing_mm[0])
    subjects = match_labels(read_card(folder), subjects, "subjects")
    return evaluate(folder, subjects, output) if subjects else None


def text(table: pd.DataFrame) -> list[str]:
    """Return the lines of a table of scores: the measure, the model's value and the real one's."""
    width = table["measure"].str.len().max()
    lines = [f"{'':{width}}   model   real"]
    for row in table.itertuples():
        real = "" if np.isnan(row.real) else f"{row.real:7.3f}"
        lines.append(f"{row.measure:{width}} {row.model:7.3f}{real}")
    return lines
