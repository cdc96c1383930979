"""Whether a dataset copies the images that its model learnt from.

Every sample's nearest training image is sought in pixels, after rigid alignment, and in features;
its distance is held against those of real images to their nearest real image of someone else. A
sample is close where it is nearer than all but CLOSE of these; of an honest set's samples as many
are, so that the share of close samples says how much is copied. Held-out real images are counted
in the same way, and are the floor.

Membership inference (Hayes et al. 2019): how well the distance of a real image to its nearest
sample tells training images from held-out ones, as the area under the ROC curve; 0.5 is not at all.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from factory.errors import FactoryError
from factory.evaluation.audit_pictures import draw
from factory.evaluation.generated_images import GeneratedImages
from factory.evaluation.image_set import ImageSet
from factory.evaluation.neighbours import Gallery, Nearest, gallery, nearest
from factory.evaluation.parallel import SERIAL, Workers
from factory.evaluation.real_images import refuse_other_anatomy
from factory.families.feature_extractors import extractor_of, named

CLOSE = 0.05
"""The share of real images nearer to one another than what counts as close."""

MOST_REAL = 150
"""Training images that are queries themselves; of more, evenly spread ones. All are neighbours."""

RESAMPLED = 1000
"""Times, for the interval of the membership score."""


@dataclass(frozen=True)
class Audit:
    """samples: a row a sample with its nearest. strata: a row a kind of labels, and the floor.
    membership: {"pixels", "features"}: area, its 95 % interval, numbers of images, None where no
    image is held out. said: what was left out or taken for granted."""

    samples: pd.DataFrame
    strata: pd.DataFrame
    membership: dict[str, dict[str, Any]] | None
    said: list[str]

    @property
    def share(self) -> float:
        """Of close samples, in the worst stratum, by pixels or by features."""
        made = self.strata[self.strata["what"] != FLOOR]
        return float(made[["close_in_pixels", "close_in_features"]].to_numpy(float).max())


FLOOR = "held-out real images"


def audit(
    made: GeneratedImages,
    real: ImageSet,
    resolution: int | None = None,
    extractor: str | None = None,
    output: Path = Path("."),
    crew: Workers = SERIAL,
) -> Audit:
    """Writes audit.csv, audit-strata.csv, audit-pairs.png and audit-distances.png into output.

    resolution: of slices that a recipe brings to squares. Raises FactoryError where fewer than two
    people are learnt from, StorageError, WeightsError.
    """
    extractor_of(extractor)  # a name that is none is said before anything is read
    synthetic = made.images(resolution)
    flat = synthetic.thick or real.thick
    side = resolution or max(made.dataset.layout.shape[1:] if flat else made.dataset.layout.shape)
    every = gallery(real, flat, side, extractor, crew)
    learnt, held = every.of(~every.held_out), every.of(every.held_out)
    refuse_other_anatomy(real)
    if len(set(learnt.owners)) < 2:
        raise FactoryError(
            f"{real.name}: images of {len(set(learnt.owners))} people to learn from; the audit "
            "takes distances between people: allowed: 2 or more"
        )
    samples = gallery(synthetic, flat, side, extractor, crew)
    said = list(dict.fromkeys([named(extractor), *synthetic.remarks, *real.remarks]))
    chosen = np.linspace(0, len(learnt) - 1, min(len(learnt), MOST_REAL)).astype(int)
    if len(chosen) < len(learnt):
        said.append(f"distances of {len(chosen)} of {len(learnt)} training images, evenly spread")
    queries = learnt.of(chosen)
    among = nearest(queries, learnt, others_only=True)
    of_samples = nearest(samples, learnt)
    limits = {"pixels": np.quantile(among.distance, CLOSE),
              "features": np.quantile(among.feature_distance, CLOSE)}  # fmt: skip
    table = rows(samples, learnt, of_samples, limits)
    table.insert(2, "labels", [kind(str(o), learnt, held) for o in samples.owners])
    floor = rows(held, learnt, nearest(held, learnt), limits) if len(held) else None
    strata = summary(table, floor, among, said)
    membership = members(queries, held, samples) if len(held) else None
    if membership is None:
        said.append("no membership score: no real image is held out")
    if len(chosen) < 20:
        said.append(
            f"{len(chosen)} real images alone: what is close is little more than their least "
            "distance"
        )
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "audit.csv", index=False)
    strata.to_csv(output / "audit-strata.csv", index=False)
    draw(output, samples, learnt, of_samples, table, among, floor, limits)
    return Audit(table, strata, membership, said)


def rows(
    queries: Gallery, learnt: Gallery, found: Nearest, limits: dict[str, float]
) -> pd.DataFrame:
    """A row a query: its nearest training image by pixels and by features, and whether it is
    close."""
    return pd.DataFrame(
        {
            "sample": queries.ids,
            "subject": queries.owners,
            "nearest": [learnt.ids[i] for i in found.pixels],
            "mirrored": found.mirrored,
            "distance": found.distance,
            "close_in_pixels": found.distance < limits["pixels"],
            "nearest_by_features": [learnt.ids[i] for i in found.by_features],
            "feature_distance": found.feature_distance,
            "close_in_features": found.feature_distance < limits["features"],
        }
    )


def kind(subject: str, learnt: Gallery, held: Gallery) -> str:
    """Whose labels a sample was made of."""
    if subject in learnt.owners:
        return "training labels"
    return "held-out labels" if subject in held.owners else "new labels"


def summary(
    table: pd.DataFrame, floor: pd.DataFrame | None, among: Nearest, said: list[str]
) -> pd.DataFrame:
    """A row a stratum, the floor and the real images among themselves."""
    found = []
    for name in ("training labels", "held-out labels", "new labels"):
        part = table[table["labels"] == name]
        if len(part):
            found.append(stratum(f"samples of {name}", part))
        else:
            said.append(f"no sample of {name}")
    if floor is not None:
        found.append(stratum(FLOOR, floor))
    return pd.DataFrame(found).assign(
        real_median=float(np.median(among.distance)),
        real_median_features=float(np.median(among.feature_distance)),
    )


def stratum(name: str, part: pd.DataFrame) -> dict[str, Any]:
    return {
        "what": name,
        "images": len(part),
        "close_in_pixels": float(part["close_in_pixels"].mean()),
        "close_in_features": float(part["close_in_features"].mean()),
        "median": float(part["distance"].median()),
        "least": float(part["distance"].min()),
        "median_features": float(part["feature_distance"].median()),
    }


def members(learnt: Gallery, held: Gallery, samples: Gallery) -> dict[str, dict[str, Any]]:
    """The membership score by pixels and by features."""
    to_learnt, to_held = nearest(learnt, samples), nearest(held, samples)
    owners = learnt.owners, held.owners
    return {
        "pixels": membership(to_learnt.distance, to_held.distance, *owners),
        "features": membership(to_learnt.feature_distance, to_held.feature_distance, *owners),
    }


def membership(
    learnt: np.ndarray, held: np.ndarray, learnt_owners: np.ndarray, held_owners: np.ndarray
) -> dict[str, Any]:
    """{"area", "low", "high", "learnt", "held"}: the area under the curve that tells training
    images, by their smaller distances, from held-out ones; its 95 % interval from resampling
    people, whose images belong together; and the numbers of images."""
    rng = np.random.Generator(np.random.Philox(0))
    whose = [
        [np.flatnonzero(owners == o) for o in sorted(set(owners))]
        for owners in (learnt_owners, held_owners)
    ]
    areas = []
    for _ in range(RESAMPLED):
        drawn = [
            np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))])
            for groups in whose
        ]
        areas.append(area(learnt[drawn[0]], held[drawn[1]]))
    low, high = np.quantile(areas, (0.025, 0.975))
    counts = {"learnt": len(learnt), "held": len(held)}
    return {"area": area(learnt, held), "low": float(low), "high": float(high), **counts}


def area(learnt: np.ndarray, held: np.ndarray) -> float:
    """The share of pairs in which the training image is the nearer, ties half (Mann–Whitney)."""
    ranks = rankdata(np.concatenate([learnt, held]))
    above = ranks[len(learnt) :].sum() - len(held) * (len(held) + 1) / 2
    return float(above / (len(learnt) * len(held)))


def text(found: Audit) -> list[str]:
    """The audit as lines."""
    lines = [line.rstrip() for line in found.strata.round(4).to_string(index=False).splitlines()]
    lines.append(
        f"close    nearer to a training image than {1 - CLOSE:.0%} of these to another person's"
    )
    lines.append(f"share    {found.share:.1%} of the samples are close, in the worst of the above")
    for name, score in (found.membership or {}).items():
        lines.append(
            f"members  area {score['area']:.2f} ({score['low']:.2f} to {score['high']:.2f}) by "
            f"{name}: {score['learnt']} training images told from {score['held']} held out; 0.5 is "
            "not at all"
        )
    return lines
