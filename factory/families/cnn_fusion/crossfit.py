"""Volumes that SPADE painted for subjects it has not learnt from: cross-fitting in blocks of age.

OUTPUT/fold-K/                 a SPADE training that holds out one block, and its model
OUTPUT/volumes/ID_Smm.safetensors   what it painted of a subject of that block, at a spacing of S
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter

from factory.config.loading import CheckedDocument, load_document
from factory.errors import FactoryError
from factory.families.cnn_fusion.data import Pair
from factory.families.cnn_fusion.recipe import CnnFusionTraining
from factory.families.spade.recipe import SpadeTraining
from factory.families.spade.volume_painter import SpadePainter
from factory.imaging.boxes import tissue_slices
from factory.imaging.intensities import RANGE, normalise
from factory.imaging.orientations import cut, grown
from factory.lookup import find_recipe
from factory.models.checkpoint import write_atomically
from factory.storage.subjects.load import load_subject
from factory.training.data import person_id, subject_records
from factory.training.run import Run


def learning_records(recipe: CnnFusionTraining) -> list[dict[str, Any]]:
    """Records of the subjects that are not held out, the youngest first."""
    learnt = [
        r for r in subject_records(recipe.subjects) if person_id(r) not in recipe.subjects.hold_out
    ]
    return sorted(learnt, key=lambda r: (r.get("gestational_age_weeks") or 0.0, r["id"]))


def unseen_by(recipe: CnnFusionTraining, fold: int) -> list[dict[str, Any]]:
    """Records of the block that fold 1, 2, … holds out; fold 1 holds out the oldest."""
    learnt = learning_records(recipe)
    blocks = np.array_split(np.arange(len(learnt)), recipe.spade.folds)
    return [learnt[i] for i in blocks[-fold]]


def fold_recipe(
    recipe: CnnFusionTraining, fold: int, output: Path
) -> CheckedDocument[SpadeTraining]:
    """The SPADE recipe on all subjects but the held-out ones and the fold's own block."""
    block = [person_id(record) for record in unseen_by(recipe, fold)]
    subjects = recipe.subjects.model_dump(mode="json", exclude_none=True)
    subjects["hold_out"] = [*recipe.subjects.hold_out, *block]
    changes = {"subjects": subjects, "output": str(output), "workers": recipe.workers}
    overrides = [f"{key}={json.dumps(value)}" for key, value in changes.items()]
    return load_document(find_recipe(recipe.spade.recipe), SpadeTraining, overrides)


def paint_pair(
    painter: SpadePainter, record: dict[str, Any], spacing_mm: float, patch: int, folder: Path
) -> Path:
    """Write what a model paints of a subject beside the subject's own image; returns the file.

    Both are cut to the brain's box and half a patch about it, in units of the brain's 99.5th
    percentile. A file that the same weights painted is left as it is.
    """
    path = folder / f"{record['id']}_{spacing_mm:g}mm.safetensors"
    origin = json.dumps({"patch": patch, "weights": painter.card["sha256"]}, sort_keys=True)
    if path.exists() and origin_of(path) == origin:
        return path
    subject = load_subject(record, spacing_mm)
    if subject.image is None:
        raise FactoryError(f"{record['id']}: no image to learn from")
    half = patch // 2
    box = tuple(grown(side, half, half) for side in tissue_slices(subject.label))
    image = np.clip(normalise(subject.image, subject.label), *RANGE)
    volumes = painter.paint_all(subject.label, style_seed=0).numpy()
    tensors = {
        "volumes": torch.from_numpy(np.stack([cut(v, box) for v in volumes])).half(),
        "image": torch.from_numpy(cut(image, box)).half(),
        "inside": torch.from_numpy(cut(subject.label > 0, box)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda p: save_file(tensors, p, {"origin": origin}))
    return path


def origin_of(path: Path) -> str:
    with safe_open(path, "pt") as file:
        return file.metadata()["origin"]


def read_pair(path: Path, tone: float) -> Pair:
    """What paint_pair wrote; its image without the tone smoother than so many voxels, if not 0."""
    with safe_open(path, "pt") as file:
        volumes, image, inside = (
            file.get_tensor(key).numpy() for key in ("volumes", "image", "inside")
        )
    if tone:
        painted = volumes.mean(0, dtype=np.float32)
        image = untoned(image.astype(np.float32), painted, inside, tone).astype(np.float16)
    return Pair(volumes, image, inside)


def untoned(image: np.ndarray, painted: np.ndarray, inside: np.ndarray, tone: float) -> np.ndarray:
    """The image with the tone of a painted one: their difference inside a mask, smoothed by a
    Gaussian of so many voxels, is taken off."""
    difference = gaussian_filter((image - painted) * inside, tone)
    weight = gaussian_filter(inside.astype(np.float32), tone)
    return image - inside * difference / np.maximum(weight, 1e-3)


def pairs_of(
    model: Path, subjects: list[dict[str, Any]], recipe: CnnFusionTraining, folder: Path, run: Run
) -> list[Pair]:
    """What a model paints of subjects at every spacing, each worker painting its part of them.

    Every worker must ask for the same. Raises FactoryError where the model has learnt from one of
    them, and the recipe is no demonstration on the same subject.
    """
    painter = SpadePainter(model, run.device)
    seen = [r["id"] for r in subjects if r["id"] in painter.card["training"]["subjects"]]
    if seen and not recipe.same_subject:
        raise FactoryError(
            f"{model}: has learnt from {', '.join(seen)}; fusion is learnt from, and scored on, "
            "volumes of subjects that SPADE has not seen"
        )
    wanted = [(record, spacing) for record in subjects for spacing in recipe.subjects.spacing_mm]
    ours = wanted[run.rank :: run.world]
    for record, spacing in ours:
        paint_pair(painter, record, spacing, recipe.model.patch, folder)
    run.wait()
    read = []
    for record, spacing in wanted:  # painted by now, every one of them
        path = paint_pair(painter, record, spacing, recipe.model.patch, folder)
        read.append(read_pair(path, recipe.tone_mm / spacing))
    return read
