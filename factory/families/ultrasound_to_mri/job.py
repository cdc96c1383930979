"""Ultrasound to MR for `factory train`: its training, its card and its scores."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factory.config.loading import CheckedDocument
from factory.errors import RecipeError
from factory.families.scores import plain_text_lines
from factory.families.ultrasound_to_mri.data import UnpairedSampler, mri_planes, ultrasound_plane
from factory.families.ultrasound_to_mri.methods import build_networks, network_config
from factory.families.ultrasound_to_mri.recipe import Heads, UltrasoundToMriTraining
from factory.families.ultrasound_to_mri.train import SNAPSHOTS, train
from factory.models.checkpoint import load_state, save_model
from factory.storage.json_value import JsonObject
from factory.storage.subjects.head_frame import LENGTH, SIDE
from factory.storage.subjects.head_ultrasound import HEAD, list_head_ultrasounds
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.records import UltrasoundRecord
from factory.storage.subjects.types import Subject
from factory.training.cards import label_table_entry, origin_entry
from factory.training.data import held_out_subjects, subject_records, training_subjects, value_range
from factory.training.loop import load_checkpoint
from factory.training.run import Run

PART = "networks"

LIMITS = (
    "In an ultrasound the skull is clear on the far side alone, and shadows what lies behind it.",
    "Its heads are of mixed ages, healthy as far as is known; the MR is of other fetuses, all with "
    "spina bifida aperta and most with enlarged ventricles, whose look is drawn into every head.",
    "The MR is a weekly average: smoother than a single fetus.",
    "The outline, an ellipse, tells neither front from back nor left from right: MR is drawn with "
    "the front up, whichever way the head lies in the ultrasound.",
    "Inside the outline nearly the same brain is drawn for every head: a dozen volumes of MR, seen "
    "in one pose, leave little else to draw.",
    "Never trained on pairs: what is drawn looks like MR, and is no finding about the fetus.",
)
"""The limits of a model, for its card."""


def check(recipe: UltrasoundToMriTraining) -> None:
    """Check that a recipe can be trained. See factory.families.base.Job."""
    if recipe.subjects.layout != "bids":
        raise RecipeError(f"subjects.layout: {recipe.subjects.layout}; allowed: bids")
    stride = 2**recipe.model.depth
    if SIDE // stride < 4:
        raise RecipeError(f"model.depth: {recipe.model.depth}; allowed: at most 5")
    subject_records(recipe.subjects)
    split_head_records(recipe.ultrasound)


def parts(recipe: UltrasoundToMriTraining) -> tuple[str, ...]:
    """Return the only part: all networks are trained together."""
    return (PART,)


def work(recipe: UltrasoundToMriTraining, part: str, run: Run) -> None:
    """Train the networks as one of the workers.

    The sample grids show held-out planes, or training planes if none are held out.
    """
    training_us, held_out_us = map(load_head_planes, split_head_records(recipe.ultrasound))
    training_mri = stack_mri_planes(training_subjects(recipe.subjects, None))
    volumes = held_out_subjects(recipe.subjects)
    sampler = UnpairedSampler(training_us, training_mri, recipe.augment, recipe.seed)
    us = held_out_us if len(held_out_us) else training_us
    mri = stack_mri_planes(volumes) if volumes else training_mri
    train(recipe, sampler, (select_evenly(us), select_evenly(mri)), run)


def split_head_records(section: Heads) -> tuple[list[UltrasoundRecord], list[UltrasoundRecord]]:
    """Return the records of the ultrasounds to train on, and of those held out."""
    records = list_head_ultrasounds(section.path, section.circumference_mm)
    persons = sorted({record["person"] for record in records})
    interval = section.hold_out_every
    held_out = set(persons[interval - 1 :: interval]) if interval else set()
    return (
        [record for record in records if record["person"] not in held_out],
        [record for record in records if record["person"] in held_out],
    )


def load_head_planes(records: list[UltrasoundRecord]) -> np.ndarray:
    """Return the planes of ultrasounds, float32 [head, y, x] in [-1, 1]."""
    planes = [ultrasound_plane(load_subject(record, None)) for record in records]
    return np.stack(planes) if planes else np.zeros((0, SIDE, SIDE), np.float32)


def stack_mri_planes(subjects: list[Subject]) -> np.ndarray:
    """Return the MR planes of all subjects, float32 [plane, y, x] in [-1, 1]."""
    return np.concatenate([mri_planes(subject)[0] for subject in subjects])


def select_evenly(planes: np.ndarray, count: int = 8) -> np.ndarray:
    """Return up to `count` evenly spaced planes."""
    indices = np.linspace(0, len(planes) - 1, min(count, len(planes))).astype(int)
    selected: np.ndarray = planes[indices]
    return selected


def export(loaded: CheckedDocument[UltrasoundToMriTraining], output: Path) -> Path:
    """Write the model folder: A, B, C and the attention, with averaged weights."""
    recipe = loaded.spec
    folder = output / PART
    generator = build_networks(recipe)["generator"]
    state = load_checkpoint(folder, {})
    training, held_out = split_head_records(recipe.ultrasound)
    volumes = training_subjects(recipe.subjects, None)
    scores = {}
    for when in SNAPSHOTS:  # the last one is exported
        load_state(folder / f"{when}.safetensors", {"generator": generator}, {})
        scores[when] = snapshot_score(generator, recipe)
    card = {
        "name": recipe.name,
        "family": "ultrasound_to_mri",
        "method": recipe.method,
        "config": asdict(network_config(recipe)),
        "frame": {"side": SIDE, "head_length": LENGTH},
        "label_table": label_table_entry(HEAD),
        "licence": recipe.licence,
        "limits": list(LIMITS),
        "training": {
            "subjects": [record["id"] for record in training],
            "held_out": [record["id"] for record in held_out],
            "circumference_mm": value_range([record["circumference_mm"] for record in training]),
            "mri_subjects": [subject.id for subject in volumes],
            "mri_held_out": list(recipe.subjects.hold_out),
            "mri_planes": len(stack_mri_planes(volumes)),
            "mri_pathology": sorted({str(s.metadata.get("pathology")) for s in volumes}),
            "images_a_step": recipe.batch,
            "steps": state["step"],
            "hours": round(state["hours"], 3),
            **origin_entry(remove_ultrasound_path(loaded.data)),
        },
        "scores": scores,
        "loss_curve": Run(folder).loss_curve(),
    }
    save_model(output / "model", {"generator": generator}, card)
    return output / "model"


def remove_ultrasound_path(recipe: JsonObject) -> JsonObject:
    """Return a recipe without the folder of the ultrasounds."""
    ultrasound = {key: value for key, value in recipe["ultrasound"].items() if key != "path"}
    return {**recipe, "ultrasound": ultrasound}


def snapshot_score(generator: torch.nn.Module, recipe: UltrasoundToMriTraining) -> float | None:
    """Return the mean deformation score of some held-out heads; None if nothing is held out."""
    from factory.families.ultrasound_to_mri.painter import paint_planes
    from factory.families.ultrasound_to_mri.scoring import deformation_scores, reference_planes

    _, records = split_head_records(recipe.ultrasound)
    volumes = held_out_subjects(recipe.subjects)
    if not records or not volumes:
        return None
    painted = paint_planes(generator, select_evenly(load_head_planes(records)))
    return round(float(np.mean(deformation_scores(painted, reference_planes(volumes)))), 5)


def score(folder: Path, recipe: UltrasoundToMriTraining, output: Path) -> pd.DataFrame | None:
    """Score a model on all held-out heads. See factory.families.base.Job."""
    from factory.families.ultrasound_to_mri.scoring import evaluate

    _, records = split_head_records(recipe.ultrasound)
    volumes = held_out_subjects(recipe.subjects)
    if not records or not volumes:
        return None
    heads = [load_subject(record, None) for record in records]
    return evaluate(folder, heads, volumes, output)


def text(table: pd.DataFrame) -> list[str]:
    """Return the table of scores as lines of plain text."""
    return plain_text_lines(table)
