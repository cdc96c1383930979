"""How close a dataset comes to real images: FID, KID and others on slices in three directions.

Volumes are read one at a time. A number of slices is cut from each in every direction, evenly
spread over its tissue, in a frame about as wide as the dataset's widest side. Only the features of
the slices are kept in memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from factory.errors import FactoryError
from factory.evaluation.generated_images import BRIGHTEST, GeneratedImages
from factory.evaluation.image_set import ImageSet, Volume
from factory.evaluation.parallel import SERIAL, Workers
from factory.families.feature_extractors import extractor_note, find_extractor
from factory.imaging.boxes import bounding_box
from factory.imaging.orientations import AXES, cut
from factory.metrics.distribution import (
    DistributionScores,
    distribution_scores,
    remarks,
    split_half_scores,
)
from factory.storage.json_value import JsonObject

SLICES = 24
"""Slices of each volume and direction, by default."""

ALL_SLICES = 10**9

SEED = 0
"""Seed of the subsets of KID and of the halves of the floor."""

TRAINING, HELD_OUT, HALVES = "training", "held_out", "real, split in half"
"""The comparisons, as the column `against` names them."""


@dataclass(frozen=True)
class Features:
    """The features of a set's slices, by direction.

    Attributes:
        values: Features float [slice, feature].
        owners: The owner of each slice.
        held_out: bool [slice], whether its owner is held out.
    """

    values: dict[str, np.ndarray]
    owners: dict[str, list[str]]
    held_out: dict[str, np.ndarray]


def compare_volumes(
    generated: GeneratedImages,
    real: ImageSet,
    extractor: str | None = None,
    slices: int = SLICES,
    workers: Workers = SERIAL,
) -> tuple[pd.DataFrame, list[str]]:
    """Compare a dataset's slices with real ones, by their features.

    Args:
        generated: The dataset.
        real: The real images.
        extractor: Name of the extractor of features, see factory.families.feature_extractors.
        slices: Most slices of each volume and direction; of stacks, all axial slices are compared.
        workers: The processes that share the work.

    Returns:
        A row for each comparison and direction, and their means over three directions: the column
        `against` ("training", "held_out" if there are held-out images, "real, split in half"),
        `direction`, and the columns of factory.metrics.distribution.distribution_scores. Then the
        remarks.

    Raises:
        FactoryError, StorageError, WeightsError: In one line.
    """
    find_extractor(extractor)  # an unknown name is reported before anything is read
    synthetic = generated.images()
    side = max(generated.dataset.layout.shape)
    thick = synthetic.thick or real.thick
    orientations = ("axial",) if thick else tuple(AXES)
    slices = ALL_SLICES if thick else slices
    of_generated = extract_features(synthetic, orientations, side, slices, extractor, workers)
    of_real = extract_features(real, orientations, side, slices, extractor, workers)
    if all(held_out.all() for held_out in of_real.held_out.values()):
        raise FactoryError(f"{real.name}: every image is held out; none is left to compare with")
    rows: list[JsonObject] = []
    notes = dict.fromkeys([extractor_note(extractor), *synthetic.remarks, *real.remarks])
    for against in (TRAINING, HELD_OUT, HALVES):
        scores, further = _score_directions(against, of_generated, of_real)
        notes |= dict.fromkeys(further)
        if scores:
            fewest = min(scores.values(), key=lambda score: min(score["real"], score["made"]))
            features = of_generated.values[orientations[0]].shape[1]
            notes |= {f"{against}: {line}": None for line in remarks(fewest, features)}
        rows += [{"against": against, "direction": name, **s} for name, s in scores.items()]
        if len(scores) > 1:
            mean = pd.DataFrame(scores.values()).astype(float).mean(skipna=False).to_dict()
            rows.append({"against": against, "direction": "mean of three", **mean})
    table = pd.DataFrame(rows).astype(object)
    return table.where(table.notna(), None), list(notes)


def _score_directions(
    against: str, generated: Features, real: Features
) -> tuple[dict[str, DistributionScores], list[str]]:
    """Return the scores of one comparison by direction, and remarks; none if it has no images."""
    scores, notes = {}, []
    for direction, values in real.values.items():
        held_out = real.held_out[direction]
        rng = np.random.Generator(np.random.Philox(SEED))
        if against == HALVES:
            owners = [
                owner
                for owner, is_held_out in zip(real.owners[direction], held_out, strict=True)
                if not is_held_out
            ]
            if len(set(owners)) > 1:
                scores[direction] = split_half_scores(values[~held_out], owners, rng)
            else:
                notes.append(f"no floor: one subject alone ({owners[0]}) cannot be split in half")
        elif against == TRAINING or held_out.any():
            compared = values[held_out if against == HELD_OUT else ~held_out]
            scores[direction] = distribution_scores(compared, generated.values[direction], rng)
    return scores, notes


def extract_features(
    images: ImageSet,
    orientations: Sequence[str],
    side: int,
    slices: int,
    extractor: str | None,
    workers: Workers,
) -> Features:
    """Return the features of every volume's slices.

    Args:
        images: The volumes.
        orientations: The directions in which slices are cut.
        side: Width and height of a slice, in pixels.
        slices: Most slices of each volume and direction.
        extractor: Name of the extractor.
        workers: The processes that share the work.
    """
    make_work = partial(make_volume_extractor, orientations, side, slices, extractor)
    values: dict[str, list[np.ndarray]] = {name: [] for name in orientations}
    owners: dict[str, list[str]] = {name: [] for name in orientations}
    for owner, features in images.map(make_work, workers, f"features of {images.name}"):
        for name in orientations:
            values[name].append(features[name])
            owners[name] += [owner] * len(features[name])
    held_out = {
        name: np.array([owner in images.held_out for owner in owners[name]], bool)
        for name in orientations
    }
    return Features({name: np.concatenate(v) for name, v in values.items()}, owners, held_out)


def make_volume_extractor(
    orientations: Sequence[str], side: int, slices: int, extractor: str | None
) -> Callable[[Volume], tuple[str, dict[str, np.ndarray]]]:
    """Return a function from a volume to its owner and its features [slice, feature] by direction.

    The arguments are those of `extract_features`.
    """
    extract = find_extractor(extractor)

    def extract_volume(volume: Volume) -> tuple[str, dict[str, np.ndarray]]:
        planes = {name: cut_slices(volume, name, side, slices) for name in orientations}
        return volume.owner, {name: extract(images) for name, images in planes.items()}

    return extract_volume


def cut_slices(volume: Volume, orientation: str, side: int, most: int) -> np.ndarray:
    """Cut slices of a volume, evenly spread over its tissue.

    Args:
        volume: The volume.
        orientation: "axial", "coronal" or "sagittal".
        side: Width and height of a slice, in pixels; the box of the tissue is in its centre.
        most: Most slices.

    Returns:
        float32 [slice, 1, side, side] in [-1, 1]; -1 outside the volume.
    """
    axis = AXES[orientation]
    box = [slice(0, n) for n in volume.image.shape]
    if volume.inside.any():
        box = list(bounding_box(volume.inside))
    first, last = box[axis].start, box[axis].stop
    count = min(most, last - first)
    # the centres of `count` equal parts
    indices = (first + (np.arange(count) + 0.5) * (last - first) / count).astype(int)
    centres = [(s.start + s.stop) // 2 for i, s in enumerate(box) if i != axis]
    frame = tuple(slice(c - side // 2, c - side // 2 + side) for c in centres)
    planes = [cut(volume.image.take(i, axis), frame) for i in indices]
    return (np.stack(planes)[:, None] * (2 / BRIGHTEST) - 1).astype(np.float32)
