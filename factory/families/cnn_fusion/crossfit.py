"""Volumes that SPADE painted for subjects it was not trained on: cross-fitting in blocks of age.

Files in the output folder of the training:

OUTPUT/fold-K/                      a SPADE training that holds out one block, and its model
OUTPUT/volumes/ID_Smm.safetensors   what that model painted of a subject of the block, at a spacing
                                    of S mm
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter

from factory.config.loading import CheckedDocument, load_document
from factory.errors import FactoryError
from factory.families.cnn_fusion.data import PaintedPair
from factory.families.cnn_fusion.recipe import CnnFusionTraining
from factory.families.spade.recipe import SpadeTraining
from factory.families.spade.volume_painter import SpadePainter
from factory.imaging.boxes import bounding_box
from factory.imaging.intensities import RANGE, normalise
from factory.imaging.orientations import cut, grow_side
from factory.lookup import find_recipe
from factory.models.checkpoint import write_atomically
from factory.storage.subjects.channels import list_channels, map_channels
from factory.storage.subjects.records import Record
from factory.training.cards import match_subjects
from factory.training.data import load_subjects, person_id, subject_records
from factory.training.recipe import TrainingSubjects
from factory.training.run import Run


def training_records(recipe: CnnFusionTraining) -> list[Record]:
    """List the records of the subjects that are not held out, the youngest first."""
    records = [
        r for r in subject_records(recipe.subjects) if person_id(r) not in recipe.subjects.hold_out
    ]
    return sorted(records, key=lambda r: (r.get("gestational_age_weeks") or 0.0, r["id"]))


def block_records(recipe: CnnFusionTraining, fold: int) -> list[Record]:
    """List the records of the block that a fold holds out; fold 1 holds out the oldest subjects."""
    records = training_records(recipe)
    blocks = np.array_split(np.arange(len(records)), recipe.spade.folds)
    return [records[i] for i in blocks[-fold]]


def fold_recipe(
    recipe: CnnFusionTraining, fold: int, output: Path
) -> CheckedDocument[SpadeTraining]:
    """Return the recipe of a fold's SPADE training.

    It trains on all subjects but the held-out ones and the fold's block.
    """
    block = [person_id(record) for record in block_records(recipe, fold)]
    subjects = recipe.subjects.model_dump(mode="json", exclude_none=True)
    if isinstance(recipe.subjects.mapping, dict):
        del subjects["mapping"]
    subjects["hold_out"] = [*recipe.subjects.hold_out, *block]
    changes = {"subjects": subjects, "output": str(output), "workers": recipe.workers}
    overrides = [f"{key}={json.dumps(value)}" for key, value in changes.items()]
    if isinstance(mapping := recipe.subjects.mapping, dict):  # JSON has no numbers as keys
        names = ", ".join(f"{value}: {json.dumps(name)}" for value, name in mapping.items())
        overrides.append(f"subjects.mapping={{{names}}}")
    return load_document(find_recipe(recipe.spade.recipe), SpadeTraining, overrides)


def paint_pair(
    painter: SpadePainter,
    section: TrainingSubjects,
    record: Record,
    spacing_mm: float,
    patch: int,
    folder: Path,
) -> Path:
    """Write the volumes that a model paints of a subject, and the subject's own image.

    All are cut to the brain's box and half a patch around it, in units of the brain's 99.5th
    percentile. An existing file is kept if the same weights painted it.

    Args:
        painter: The model.
        section: The recipe's `subjects`.
        record: The subject's record.
        spacing_mm: Voxel size.
        patch: Side of the training patches in voxels.
        folder: Where the file is written.

    Returns:
        The file.

    Raises:
        FactoryError: The subject has no image, or labels that the model does not know.
    """
    path = folder / f"{record['id']}_{spacing_mm:g}mm.safetensors"
    origin = json.dumps({"patch": patch, "weights": painter.card["sha256"]}, sort_keys=True)
    if path.exists() and read_origin(path) == origin:
        return path
    subjects = load_subjects(section, [record], spacing_mm)
    [subject] = match_subjects(painter.card, subjects, "spade.model")
    if subject.image is None:
        raise FactoryError(f"{record['id']}: no image to learn from")
    half = patch // 2
    box = tuple(grow_side(side, half, half) for side in bounding_box(subject.label))
    image = map_channels(
        lambda channel: cut(np.clip(normalise(channel, subject.label), *RANGE), box), subject.image
    )
    volumes = painter.paint_all(subject.label, style_seed=0).numpy()
    painted = np.stack([map_channels(lambda channel: cut(channel, box), v) for v in volumes])
    tensors = {
        "volumes": torch.from_numpy(painted).half(),
        "image": torch.from_numpy(image).half(),
        "inside": torch.from_numpy(cut(subject.label > 0, box)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda p: save_file(tensors, p, {"origin": origin}))
    return path


def read_origin(path: Path) -> str:
    """Return what a pair's file says of the weights that painted it."""
    with safe_open(path, "pt") as file:
        origin: str = file.metadata()["origin"]
    return origin


def read_pairs(path: Path, tone_voxels: float) -> list[PaintedPair]:
    """Read what `paint_pair` wrote: a pair for each channel of the image.

    Args:
        path: The file.
        tone_voxels: Differences between the image and the painted volumes that are smoother than
            this are removed from the image; 0 keeps them.
    """
    with safe_open(path, "pt") as file:
        volumes, image, inside = (
            file.get_tensor(key).numpy() for key in ("volumes", "image", "inside")
        )
    pairs = []
    by_channel = [volumes] if volumes.ndim == 4 else np.moveaxis(volumes, 1, 0)
    for painted, real in zip(by_channel, list_channels(image), strict=True):
        if tone_voxels:
            mean = painted.mean(0, dtype=np.float32)
            real = match_tone(real.astype(np.float32), mean, inside, tone_voxels)
        pairs.append(PaintedPair(painted, real.astype(np.float16), inside))
    return pairs


def match_tone(
    image: np.ndarray, painted: np.ndarray, inside: np.ndarray, tone_voxels: float
) -> np.ndarray:
    """Give an image the tone of a painted one, by subtracting their smoothed difference.

    Args:
        image: The real image, [z, y, x].
        painted: The painted image, [z, y, x].
        inside: Mask in which the difference is taken, [z, y, x].
        tone_voxels: Standard deviation of the Gaussian that smooths the difference.
    """
    difference = gaussian_filter((image - painted) * inside, tone_voxels)
    weight = gaussian_filter(inside.astype(np.float32), tone_voxels)
    matched: np.ndarray = image - inside * difference / np.maximum(weight, 1e-3)
    return matched


def load_pairs(
    model: Path, records: list[Record], recipe: CnnFusionTraining, folder: Path, run: Run
) -> list[PaintedPair]:
    """Paint subjects at every spacing of the recipe, shared among the workers, and read the pairs.

    Every worker must call this with the same arguments.

    Args:
        model: Folder of the SPADE model that paints.
        records: Records of the subjects.
        recipe: The training recipe.
        folder: Where the painted volumes are written.
        run: The worker's rank and device.

    Raises:
        FactoryError: The model was trained on one of the subjects, and the recipe is no
            demonstration on the same subject.
    """
    painter = SpadePainter(model, run.device)
    leaked = [r["id"] for r in records if r["id"] in painter.card["training"]["subjects"]]
    if leaked and not recipe.same_subject:
        raise FactoryError(
            f"{model}: has learnt from {', '.join(leaked)}; fusion is learnt from, and scored on, "
            "volumes of subjects that SPADE has not seen"
        )
    tasks = [(record, spacing) for record in records for spacing in recipe.subjects.spacing_mm]
    for record, spacing in tasks[run.rank :: run.world]:
        paint_pair(painter, recipe.subjects, record, spacing, recipe.model.patch, folder)
    run.wait()
    pairs = []
    for record, spacing in tasks:  # by now all of them are painted
        path = paint_pair(painter, recipe.subjects, record, spacing, recipe.model.patch, folder)
        pairs += read_pairs(path, recipe.tone_mm / spacing)
    return pairs
