"""Ultrasound to MR for `factory train`: one part, its card, its scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factory.config.loading import CheckedDocument
from factory.errors import RecipeError
from factory.families.ultrasound_to_mri.data import UnpairedSampler, mri_planes, ultrasound_plane
from factory.families.ultrasound_to_mri.methods import build_networks, network_config
from factory.families.ultrasound_to_mri.recipe import Heads, UltrasoundToMriTraining
from factory.families.ultrasound_to_mri.train import SNAPSHOTS, train
from factory.models.checkpoint import load_state, save_model
from factory.storage.subjects.head_frame import LENGTH, SIDE
from factory.storage.subjects.head_ultrasound import HEAD, list_head_ultrasounds
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.records import UltrasoundRecord
from factory.storage.subjects.types import Subject
from factory.training.cards import remove_paths
from factory.training.data import held_out_subjects, subject_records, training_subjects, value_range
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


def check(recipe: UltrasoundToMriTraining) -> None:
    if recipe.subjects.layout != "bids":
        raise RecipeError(f"subjects.layout: {recipe.subjects.layout}; allowed: bids")
    stride = 2**recipe.model.depth
    if SIDE // stride < 4:
        raise RecipeError(f"model.depth: {recipe.model.depth}; allowed: at most 5")
    subject_records(recipe.subjects)
    split_head_records(recipe.ultrasound)


def split_head_records(part: Heads) -> tuple[list[UltrasoundRecord], list[UltrasoundRecord]]:
    """Records of the ultrasounds to learn from, and of those held out."""
    found = list_head_ultrasounds(part.path, part.circumference_mm)
    persons = sorted({r["person"] for r in found})
    every = part.hold_out_every
    held = set(persons[every - 1 :: every]) if every else set()
    learnt = [r for r in found if r["person"] not in held]
    return learnt, [r for r in found if r["person"] in held]


def heads(wanted: list[UltrasoundRecord]) -> np.ndarray:
    """Planes (N, SIDE, SIDE) of ultrasounds, by their records."""
    planes = [ultrasound_plane(load_subject(r, None)) for r in wanted]
    return np.stack(planes) if planes else np.zeros((0, SIDE, SIDE), np.float32)


def mri(subjects: list[Subject]) -> np.ndarray:
    return np.concatenate([mri_planes(s)[0] for s in subjects])


def parts(recipe: UltrasoundToMriTraining) -> tuple[str, ...]:
    return (PART,)


def work(recipe: UltrasoundToMriTraining, part: str, run: Run) -> None:
    """One worker's share. Where nobody is held out, what is learnt from is drawn instead."""
    learnt, held = (heads(r) for r in split_head_records(recipe.ultrasound))
    mri_MHW = mri(training_subjects(recipe.subjects, None))
    others = held_out_subjects(recipe.subjects)
    sampler = UnpairedSampler(learnt, mri_MHW, recipe.augment, recipe.seed)
    shown_us, shown_mri = held if len(held) else learnt, mri(others) if others else mri_MHW
    train(recipe, sampler, (spread(shown_us), spread(shown_mri)), run)


def spread(planes: np.ndarray, count: int = 8) -> np.ndarray:
    """Up to `count` of planes, evenly spaced."""
    return planes[np.linspace(0, len(planes) - 1, min(count, len(planes))).astype(int)]


def export(loaded: CheckedDocument[UltrasoundToMriTraining], output: Path) -> Path:
    """Write OUTPUT/model: A, B, C and the attention, their weights averaged."""
    recipe = loaded.spec
    folder = output / PART
    generator = build_networks(recipe)["generator"]
    state = load_state(folder / "checkpoint.safetensors", {}, {})
    learnt, held = split_head_records(recipe.ultrasound)
    volumes = training_subjects(recipe.subjects, None)
    scores = {}
    for when in SNAPSHOTS:
        load_state(folder / f"{when}.safetensors", {"generator": generator}, {})
        scores[when] = snapshot_score(generator, recipe)
    config = network_config(recipe)
    card = {
        "name": recipe.name,
        "family": "ultrasound_to_mri",
        "method": recipe.method,
        "config": {k: getattr(config, k) for k in config.__dataclass_fields__},
        "frame": {"side": SIDE, "head_length": LENGTH},
        "label_table": {"names": list(HEAD.names), "colours": [list(c) for c in HEAD.colours]},
        "licence": recipe.licence,
        "limits": list(LIMITS),
        "training": {
            "subjects": [r["id"] for r in learnt],
            "held_out": [r["id"] for r in held],
            "circumference_mm": value_range([r["circumference_mm"] for r in learnt]),
            "mri_subjects": [s.id for s in volumes],
            "mri_held_out": list(recipe.subjects.hold_out),
            "mri_planes": len(mri(volumes)),
            "mri_pathology": sorted({str(s.metadata.get("pathology")) for s in volumes}),
            "images_a_step": recipe.batch,
            "steps": state["step"],
            "hours": round(state["hours"], 3),
            "recipe": shareable(loaded.data),
            "torch": torch.__version__,
        },
        "scores": scores,
        "loss_curve": Run(folder).loss_curve(),
    }
    save_model(output / "model", {"generator": generator}, card)
    return output / "model"


def shareable(data: dict) -> dict:
    """A recipe without where things lay on the machine that trained it."""
    kept = remove_paths(data)
    return {**kept, "ultrasound": {k: v for k, v in data["ultrasound"].items() if k != "path"}}


def snapshot_score(generator: torch.nn.Module, recipe: UltrasoundToMriTraining) -> float | None:
    """The mean deformation of a few held-out heads; None where nothing is held out."""
    from factory.families.ultrasound_to_mri.painter import paint_planes
    from factory.families.ultrasound_to_mri.scoring import deformation_scores, reference_planes

    held = split_head_records(recipe.ultrasound)[1]
    volumes = held_out_subjects(recipe.subjects)
    if not held or not volumes:
        return None
    made = paint_planes(generator, spread(heads(held)))
    return round(float(np.mean(deformation_scores(made, reference_planes(volumes)))), 5)


def score(folder: Path, recipe: UltrasoundToMriTraining, output: Path) -> pd.DataFrame | None:
    """Deformation of every held-out head; table and pictures to output."""
    from factory.families.ultrasound_to_mri.scoring import evaluate

    held = split_head_records(recipe.ultrasound)[1]
    volumes = held_out_subjects(recipe.subjects)
    if not held or not volumes:
        return None
    return evaluate(folder, [load_subject(r, None) for r in held], volumes, output)


def text(table: pd.DataFrame) -> list[str]:
    return [line.rstrip() for line in table.to_string(index=False).splitlines()]
