"""What `factory train` does with the toy family."""

import json
from pathlib import Path

import numpy as np
import torch
from factory.families.flat.recipe import FlatTraining
from torch import nn

from factory.config.loading import CheckedDocument
from factory.imaging.intensities import normalise
from factory.models.checkpoint import save_model
from factory.storage.subjects.types import FETA
from factory.training.data import training_subjects
from factory.training.run import Run


class Tones(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tones = nn.Parameter(torch.zeros(len(FETA.names)))


def check(recipe: FlatTraining) -> None:
    """Anything can be trained."""


def parts(recipe: FlatTraining) -> tuple[str, ...]:
    return ("tones",)


def work(recipe: FlatTraining, part: str, run: Run) -> None:
    sums, counts = np.zeros(len(FETA.names)), np.zeros(len(FETA.names))
    for subject in training_subjects(recipe.subjects, recipe.subjects.spacing_mm[0]):
        assert subject.image is not None
        image = normalise(subject.image, subject.label)
        sums += np.bincount(subject.label.ravel(), image.ravel(), len(FETA.names))
        counts += np.bincount(subject.label.ravel(), minlength=len(FETA.names))
    run.folder.mkdir(parents=True, exist_ok=True)
    tones = (sums / np.maximum(counts, 1)).tolist()
    (run.folder / "tones.json").write_text(json.dumps(tones))


def export(loaded: CheckedDocument[FlatTraining], output: Path) -> Path:
    network = Tones()
    network.tones.data[:] = torch.tensor(json.loads((output / "tones/tones.json").read_text()))
    card = {"name": loaded.spec.name, "family": "flat", "config": {}}
    card["label_table"] = {"names": list(FETA.names)}
    save_model(output / "model", {"tones": network}, card)
    return output / "model"


def score(folder: Path, recipe: FlatTraining, output: Path) -> None:
    return None


def text(table: object) -> list[str]:
    return []
