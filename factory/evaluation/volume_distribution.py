"""How near a dataset comes to real images: FID, KID and the others on slices in three directions.

Volumes are read one at a time; of each, so many slices a direction, evenly spread over its tissue,
in a frame about it as wide as the dataset's widest side. What is kept of them is their features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from factory.errors import FactoryError
from factory.evaluation.generated_images import GeneratedImages
from factory.evaluation.image_set import ImageSet, Volume
from factory.evaluation.parallel import SERIAL, Workers
from factory.families.feature_extractors import extractor_of, named
from factory.imaging.boxes import tissue_slices
from factory.imaging.orientations import AXES, cut
from factory.metrics.distribution import floor, judge, remarks

SLICES = 24
"""Of a volume and direction, where no more are asked for."""

SEED = 0
"""Of KID's subsets and of the halves."""

BRIGHTEST = 1.2


@dataclass(frozen=True)
class Features:
    """values: (slices, features) by direction. owners: of each slice. held_out: alike, bool."""

    values: dict[str, np.ndarray]
    owners: dict[str, list[str]]
    held_out: dict[str, np.ndarray]


def slices_of(volume: Volume, orientation: str, side: int, most: int) -> np.ndarray:
    """At most so many slices float32 (N, 1, side, side) in [-1, 1], the tissue's box in the middle;
    -1 beyond the volume."""
    axis = AXES[orientation]
    box = [slice(0, n) for n in volume.image.shape]
    if volume.inside.any():
        box = list(tissue_slices(volume.inside))
    first, last = box[axis].start, box[axis].stop
    count = min(most, last - first)
    # the middles of as many equal parts
    chosen = (first + (np.arange(count) + 0.5) * (last - first) / count).astype(int)
    middles = [(s.start + s.stop) // 2 for i, s in enumerate(box) if i != axis]
    frame = tuple(slice(m - side // 2, m - side // 2 + side) for m in middles)
    planes = [cut(volume.image.take(i, axis), frame) for i in chosen]
    return (np.stack(planes)[:, None] * (2 / BRIGHTEST) - 1).astype(np.float32)


def features_of(
    images: ImageSet,
    orientations: Sequence[str],
    side: int,
    most: int,
    extractor: str | None,
    crew: Workers,
) -> Features:
    """Features of every volume's slices. extractor: its name."""
    make = partial(slice_features, orientations, side, most, extractor)
    found: dict[str, list[np.ndarray]] = {name: [] for name in orientations}
    owners: dict[str, list[str]] = {name: [] for name in orientations}
    for owner, values in images.map(make, crew, f"features of {images.name}"):
        for name in orientations:
            found[name].append(values[name])
            owners[name] += [owner] * len(values[name])
    held = {n: np.array([o in images.held_out for o in owners[n]], bool) for n in orientations}
    return Features({n: np.concatenate(v) for n, v in found.items()}, owners, held)


def slice_features(
    orientations: Sequence[str], side: int, most: int, extractor: str | None
) -> Callable[[Volume], tuple[str, dict[str, np.ndarray]]]:
    """What takes a volume's features: its owner, and (slices, features) by direction."""
    extract = extractor_of(extractor)

    def features(volume: Volume) -> tuple[str, dict[str, np.ndarray]]:
        cuts = {name: slices_of(volume, name, side, most) for name in orientations}
        return volume.owner, {name: extract(planes) for name, planes in cuts.items()}

    return features


def compare(
    made: GeneratedImages,
    real: ImageSet,
    extractor: str | None = None,
    most: int = SLICES,
    crew: Workers = SERIAL,
) -> tuple[pd.DataFrame, list[str]]:
    """A row a set of real images and direction, and their mean over the directions; what had to be
    left out. The sets: training, held_out where there are any, real against real in halves.

    Columns as judge gives them. Raises FactoryError, StorageError, WeightsError.
    """
    extractor_of(extractor)  # a name that is none is said before anything is read
    synthetic = made.images()
    side = max(made.dataset.layout.shape)
    flat = synthetic.thick or real.thick
    orientations = ("axial",) if flat else tuple(AXES)
    most = 10**9 if flat else most
    of_made = features_of(synthetic, orientations, side, most, extractor, crew)
    of_real = features_of(real, orientations, side, most, extractor, crew)
    if all(held.all() for held in of_real.held_out.values()):
        raise FactoryError(f"{real.name}: every image is held out; none is left to compare with")
    rows: list[dict[str, Any]] = []
    said = dict.fromkeys([named(extractor), *synthetic.remarks, *real.remarks])
    for against in ("training", "held_out", "real, split in half"):
        scores = {}
        for name in orientations:
            values, held = of_real.values[name], of_real.held_out[name]
            chosen = values[held if against == "held_out" else ~held]
            if against == "held_out" and not held.any():
                continue
            rng = np.random.Generator(np.random.Philox(SEED))
            if against != "real, split in half":
                scores[name] = judge(chosen, of_made.values[name], rng)
            else:
                whose = [o for o, h in zip(of_real.owners[name], held, strict=True) if not h]
                if len(set(whose)) < 2:
                    said[f"no floor: one subject alone ({whose[0]}) cannot be split in half"] = None
                    continue
                scores[name] = floor(chosen, whose, rng)
        if scores:
            fewest = min(scores.values(), key=lambda s: min(s["real"], s["made"]))
            features = of_made.values[orientations[0]].shape[1]
            said |= {f"{against}: {line}": None for line in remarks(fewest, features)}
        rows += [{"against": against, "direction": name, **s} for name, s in scores.items()]
        if len(scores) > 1:
            mean = pd.DataFrame(scores.values()).astype(float).mean(skipna=False).to_dict()
            rows.append({"against": against, "direction": "mean of three", **mean})
    table = pd.DataFrame(rows).astype(object)
    return table.where(table.notna(), None), list(said)
