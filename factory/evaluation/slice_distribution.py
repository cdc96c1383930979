"""How close a dataset's slices come to real ones: FID, KID, precision and recall."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from factory.errors import FactoryError
from factory.evaluation.generated_images import GeneratedImages
from factory.evaluation.parallel import SERIAL, Workers, map_in_workers
from factory.families.feature_extractors import extractor_note, find_extractor, images_to_compare
from factory.families.stylegan2.data import find_label_table, read_recipe_planes, split_by_subject
from factory.families.stylegan2.recipe import StyleGanTraining
from factory.families.stylegan2.snapshots import SampleJudge
from factory.metrics.distribution import remarks
from factory.storage.subjects.slices import cut_planes

MOST_SLICES = 50_000
"""Most slices that are compared; of more, evenly spread ones are selected."""


def compare_slices(
    generated: GeneratedImages,
    recipe: StyleGanTraining,
    extractor: str | None = None,
    workers: Workers = SERIAL,
) -> tuple[pd.DataFrame, list[str]]:
    """Compare a dataset's slices with those of a training recipe, by their features.

    Of every sample the axial slices that hold a label are compared (all slices, if no slice holds
    one), resampled to the recipe's resolution.

    Args:
        generated: The dataset.
        recipe: The training recipe of slices.
        extractor: Name of the extractor of features; None is the recipe's.
        workers: The processes that share the work.

    Returns:
        A row for the slices that the recipe learns from, one for those that it holds out if there
        are any, and one for real against real: the column `against`, and the columns of
        factory.metrics.distribution.distribution_scores. Then the remarks.

    Raises:
        DatasetError, SubjectError, FactoryError: In one line.
    """
    if extractor is not None:
        metrics = recipe.metrics.model_copy(update={"extractor": extractor})
        recipe = recipe.model_copy(update={"metrics": metrics})
    planes, held_out = split_by_subject(
        read_recipe_planes(recipe.slices, recipe.resolution), recipe.slices.hold_out
    )
    judge = SampleJudge(recipe, planes, find_label_table(recipe.slices, planes))
    if judge.real.shape[1] > 1:
        raise FactoryError(
            f"slices: {judge.real.shape[1]} image channels; a dataset's image has one"
        )
    make_work = partial(make_sample_extractor, generated, recipe, judge.labels)
    activity = f"features of {generated.dataset.path}"
    samples = map_in_workers(make_work, len(generated.accepted_samples), workers, activity)
    features = np.concatenate(list(samples))
    evenly = np.linspace(0, len(features) - 1, min(MOST_SLICES, len(features))).astype(int)
    table = judge.score_table(features[evenly], held_out)
    notes = [extractor_note(recipe.metrics.extractor), *generated.remarks]
    if len(set(judge.owners)) == 1:
        notes.append(f"no floor: one subject alone ({judge.owners[0]}) cannot be split in half")
    for row in table.to_dict("records"):
        notes += [f"{row['against']}: {line}" for line in remarks(row, features.shape[1])]
    return table, notes


def make_sample_extractor(
    generated: GeneratedImages, recipe: StyleGanTraining, labels: int
) -> Callable[[int], np.ndarray]:
    """Return a function from the number of an accepted sample to features [slice, feature].

    Slices are float32 [slice, 1, row, column] in [-1, 1], where 1 is the 99.5th percentile that
    datasets store as 1. `labels` is the number of labels of the recipe's slices.
    """
    extract = find_extractor(recipe.metrics.extractor)

    def extract_sample(number: int) -> np.ndarray:
        index = generated.accepted_samples[number]
        arrays = generated.read_sample(index).arrays
        planes = cut_planes(str(index), arrays["image"], arrays["label"], recipe.resolution)
        images = np.stack([plane.image for plane in planes])
        label_maps = np.stack([plane.label for plane in planes if plane.label is not None])
        compared = images if recipe.slices.image else images[:, :0]
        return extract(images_to_compare(compared, label_maps, labels))

    return extract_sample
