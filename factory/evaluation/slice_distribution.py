"""How near a dataset's slices come to real ones: FID, KID, precision and recall."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from factory.errors import FactoryError
from factory.evaluation.generated_images import GeneratedImages
from factory.evaluation.parallel import SERIAL, Workers, map_in_workers
from factory.families.feature_extractors import extractor_of, named, pictures
from factory.families.stylegan2.data import read, split, table_of
from factory.families.stylegan2.recipe import StyleGanTraining
from factory.families.stylegan2.snapshots import Judge
from factory.metrics.distribution import remarks
from factory.storage.subjects.slices import planes_of

MOST = 50_000
"""Slices that are compared; of more, evenly spread ones."""


def compare(
    made: GeneratedImages,
    recipe: StyleGanTraining,
    extractor: str | None = None,
    crew: Workers = SERIAL,
) -> tuple[pd.DataFrame, list[str]]:
    """A row against the slices that a training recipe learns from, one against those it holds
    out where it does, one of real against real, columns as judge gives them; and what was left out.

    Of every sample the axial slices that hold a label are compared (all, where none does), brought
    to the recipe's resolution. extractor: instead of the recipe's. Raises DatasetError,
    SubjectError, FactoryError.
    """
    if extractor is not None:
        metrics = recipe.metrics.model_copy(update={"extractor": extractor})
        recipe = recipe.model_copy(update={"metrics": metrics})
    planes, held = split(read(recipe.slices, recipe.resolution), recipe.slices.hold_out)
    judged = Judge(recipe, planes, table_of(recipe.slices, planes))
    if judged.real.shape[1] > 1:
        raise FactoryError(
            f"slices: {judged.real.shape[1]} image channels; a dataset's image has one"
        )
    make = partial(sample_features, made, recipe, judged.names)
    samples = map_in_workers(make, len(made.standing), crew, f"features of {made.dataset.path}")
    drawn = np.concatenate(list(samples))
    drawn = drawn[np.linspace(0, len(drawn) - 1, min(MOST, len(drawn))).astype(int)]
    table = judged.table(drawn, held)
    said = [named(recipe.metrics.extractor), *made.left_out]
    if len(set(judged.owners)) == 1:
        said.append(f"no floor: one subject alone ({judged.owners[0]}) cannot be split in half")
    for row in table.to_dict("records"):
        said += [f"{row['against']}: {line}" for line in remarks(row, drawn.shape[1])]
    return table, said


def sample_features(
    made: GeneratedImages, recipe: StyleGanTraining, names: int
) -> Callable[[int], np.ndarray]:
    """What takes the features (slices, F) of the n-th sample that stands. Its slices are float32
    (N, 1, H, W) in [-1, 1]; 1 is the 99.5th percentile that datasets have as 1."""
    extract = extractor_of(recipe.metrics.extractor)

    def features(number: int) -> np.ndarray:
        index = made.standing[number]
        arrays = made.dataset.sample(index).arrays
        planes = planes_of(str(index), arrays["image"], arrays["label"], recipe.resolution)
        images = np.stack([plane.image for plane in planes])
        labels = np.stack([p.label for p in planes if p.label is not None])
        return extract(pictures(images if recipe.slices.image else images[:, :0], labels, names))

    return features
