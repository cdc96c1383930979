"""How near a dataset's slices come to real ones: FID, KID, precision and recall."""

import numpy as np
import pandas as pd

from factory.errors import FactoryError
from factory.evaluate.features import pictures
from factory.train.planes import read, split, table_of
from factory.train.snapshots import Judge
from factory.train.stylegan2_recipe import StyleGanTraining
from storage.dataset_open import open_dataset
from storage.planes import planes_of

MOST = 50_000
"""Slices that are compared; of more, evenly spread ones."""


def compare(path: str, recipe: StyleGanTraining) -> pd.DataFrame:
    """A row against the slices that a training recipe learns from, one against those it holds
    out where it does, one of real against real. Columns as judge gives them.

    Of every sample the axial slices that hold a label are compared (all, where none does), brought
    to the recipe's resolution. Raises DatasetError, SubjectError, FactoryError.
    """
    planes, held = split(read(recipe.slices, recipe.resolution), recipe.slices.hold_out)
    judged = Judge(recipe, planes, table_of(recipe.slices, planes))
    if judged.real.shape[1] > 1:
        raise FactoryError(
            f"slices: {judged.real.shape[1]} image channels; a dataset's image has one"
        )
    made = judged.extract(slices(path, recipe, judged.names))
    return judged.table(made, held)


def slices(path: str, recipe: StyleGanTraining, names: int) -> np.ndarray:
    """What is compared of a dataset, float32 (N, 1, H, W) in [-1, 1]; 1 is the 99.5th percentile
    that datasets have as 1."""
    dataset = open_dataset(path)
    standing = [int(i) for i in dataset.cases()["sample"]]
    if not standing:
        raise FactoryError(f"{path}: nothing stands yet, so there is nothing to compare")
    found = []
    for index in standing:
        arrays = dataset.sample(index).arrays
        found += planes_of(str(index), arrays["image"], arrays["label"], recipe.resolution)
    chosen = [found[i] for i in np.linspace(0, len(found) - 1, min(MOST, len(found))).astype(int)]
    images = np.stack([plane.image for plane in chosen])
    labels = np.stack([p.label for p in chosen if p.label is not None])
    return pictures(images if recipe.slices.image else images[:, :0], labels, names)
