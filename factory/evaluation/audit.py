"""Whether a dataset copies the images that its model learnt from.

For every sample the nearest training image is found, by pixels after rigid alignment and by
features. The distance is compared with those of real images to the nearest real image of another
person: a sample is close if it is nearer than all but a share CLOSE of them. Since the same share
of an honest dataset's samples is close, the share of close samples says how much is copied.
Held-out real images are counted in the same way, and are the floor.

Membership inference (Hayes et al. 2019): how well the distance of a real image to its nearest
sample tells training images from held-out ones, as the area under the ROC curve; an area of 0.5
means not at all.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from factory.errors import FactoryError
from factory.evaluation.audit_pictures import draw_distances, draw_pairs
from factory.evaluation.generated_images import GeneratedImages
from factory.evaluation.image_set import ImageSet
from factory.evaluation.neighbours import Gallery, Neighbours, build_gallery, find_nearest
from factory.evaluation.parallel import SERIAL, Workers
from factory.evaluation.real_images import refuse_other_anatomy
from factory.families.feature_extractors import extractor_note, find_extractor
from factory.storage.json_value import JsonObject

CLOSE = 0.05
"""The share of real images that are nearer to one another than the limit of close."""

MOST_REAL = 150
"""Most training images that are queries themselves; of more, evenly spread ones are selected.
All training images are searched."""

FEW_REAL = 20
"""Below so many real images the limit of close is unreliable."""

RESAMPLES = 1000
"""Bootstrap resamples for the interval of the membership score."""

FLOOR = "held-out real images"
"""The stratum of the held-out real images."""

LABEL_KINDS = ("training labels", "held-out labels", "new labels")
"""Whose labels a sample was made from."""


@dataclass(frozen=True)
class MembershipScore:
    """How well distances tell training images from held-out ones.

    Attributes:
        area: Area under the ROC curve.
        low: Lower end of its 95 % interval.
        high: Upper end of its 95 % interval.
        training_images: Number of training images.
        held_out_images: Number of held-out images.
    """

    area: float
    low: float
    high: float
    training_images: int
    held_out_images: int

    def to_json(self) -> JsonObject:
        """Return the keys of audit.json: area, low, high, learnt, held."""
        counts = {"learnt": self.training_images, "held": self.held_out_images}
        return {"area": self.area, "low": self.low, "high": self.high, **counts}


@dataclass(frozen=True)
class Limits:
    """The distances below which an image is close."""

    pixels: float
    features: float


def find_limits(between_real: Neighbours) -> Limits:
    """Return the distances that a share CLOSE of the real images have to one another at most."""
    return Limits(
        pixels=float(np.quantile(between_real.distance, CLOSE)),
        features=float(np.quantile(between_real.feature_distance, CLOSE)),
    )


@dataclass(frozen=True)
class StratumRow:
    """The shares of close images of one stratum, and its distances to the training images.

    `what` names the stratum; `median` and `least` are distances by pixels.
    """

    what: str
    images: int
    close_in_pixels: float
    close_in_features: float
    median: float
    least: float
    median_features: float


@dataclass(frozen=True)
class Audit:
    """The outcome of an audit.

    Attributes:
        samples: A row for each sample, with the columns of `nearest_table`, and `labels`.
        strata: A row for each kind of labels and for the floor, with the columns of StratumRow,
            and the median distances of real images to one another.
        membership: The membership score by "pixels" and by "features"; None if no image is held
            out.
        remarks: What was left out or assumed.
    """

    samples: pd.DataFrame
    strata: pd.DataFrame
    membership: dict[str, MembershipScore] | None
    remarks: list[str]

    @property
    def close_share(self) -> float:
        """The share of close samples, in the worst stratum, by pixels or by features."""
        samples = self.strata[self.strata["what"] != FLOOR]
        return float(samples[["close_in_pixels", "close_in_features"]].to_numpy(float).max())

    @property
    def membership_json(self) -> JsonObject | None:
        """The membership scores as plain JSON."""
        if self.membership is None:
            return None
        return {name: score.to_json() for name, score in self.membership.items()}


def audit_dataset(
    generated: GeneratedImages,
    real: ImageSet,
    resolution: int | None = None,
    extractor: str | None = None,
    output: Path = Path("."),
    workers: Workers = SERIAL,
) -> Audit:
    """Audit a dataset; write audit.csv, audit-strata.csv, audit-pairs.png, audit-distances.png.

    Args:
        generated: The dataset.
        real: The real images, of which some may be held out.
        resolution: Pixels a side of slices, if a recipe brings slices to squares.
        extractor: Name of the extractor of features.
        output: The folder to write into.
        workers: The processes that share the work.

    Raises:
        FactoryError: If the training images show fewer than two people.
        StorageError, WeightsError: If something cannot be read.
    """
    find_extractor(extractor)  # an unknown name is reported before anything is read
    synthetic = generated.images(resolution)
    flat = synthetic.thick or real.thick
    shape = generated.dataset.layout.shape
    side = resolution or max(shape[1:] if flat else shape)
    gallery = build_gallery(real, flat, side, extractor, workers)
    training, held_out = gallery.select(~gallery.held_out), gallery.select(gallery.held_out)
    refuse_other_anatomy(real)
    if (people := len(set(training.owners))) < 2:
        raise FactoryError(
            f"{real.name}: images of {people} people to learn from; the audit "
            "takes distances between people: allowed: 2 or more"
        )
    samples = build_gallery(synthetic, flat, side, extractor, workers)
    evenly = np.linspace(0, len(training) - 1, min(len(training), MOST_REAL)).astype(int)
    queries = training.select(evenly)
    between_real = find_nearest(queries, training, others_only=True)
    neighbours = find_nearest(samples, training)
    limits = find_limits(between_real)
    table = nearest_table(samples, training, neighbours, limits)
    table.insert(2, "labels", [label_kind(str(o), training, held_out) for o in samples.owners])
    floor = None
    if len(held_out):
        floor = nearest_table(held_out, training, find_nearest(held_out, training), limits)
    strata = strata_table(table, floor, between_real)
    membership = score_membership(queries, held_out, samples) if len(held_out) else None
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "audit.csv", index=False)
    strata.to_csv(output / "audit-strata.csv", index=False)
    draw_pairs(output / "audit-pairs.png", samples, training, neighbours, limits.pixels)
    draw_distances(output / "audit-distances.png", table, between_real, floor, asdict(limits))
    remarks = [
        *dict.fromkeys([extractor_note(extractor), *synthetic.remarks, *real.remarks]),
        *_audit_remarks(table, len(queries), len(training), membership is not None),
    ]
    return Audit(table, strata, membership, remarks)


def _audit_remarks(
    table: pd.DataFrame, queries: int, training_images: int, has_membership: bool
) -> list[str]:
    """Return remarks on what the audit could not take into account."""
    remarks = []
    if queries < training_images:
        remarks.append(
            f"distances of {queries} of {training_images} training images, evenly spread"
        )
    kinds = set(table["labels"])
    remarks += [f"no sample of {kind}" for kind in LABEL_KINDS if kind not in kinds]
    if not has_membership:
        remarks.append("no membership score: no real image is held out")
    if queries < FEW_REAL:
        remarks.append(
            f"the limit of close comes from {queries} real images alone, so it is little more "
            "than the smallest distance between them"
        )
    return remarks


def nearest_table(
    queries: Gallery, training: Gallery, neighbours: Neighbours, limits: Limits
) -> pd.DataFrame:
    """Return a row for each query, with its nearest training image by pixels and by features.

    Columns: sample, subject (its owner), nearest (a training image), mirrored, distance,
    close_in_pixels, nearest_by_features, feature_distance, close_in_features.
    """
    return pd.DataFrame(
        {
            "sample": queries.ids,
            "subject": queries.owners,
            "nearest": [training.ids[i] for i in neighbours.by_pixels],
            "mirrored": neighbours.mirrored,
            "distance": neighbours.distance,
            "close_in_pixels": neighbours.distance < limits.pixels,
            "nearest_by_features": [training.ids[i] for i in neighbours.by_features],
            "feature_distance": neighbours.feature_distance,
            "close_in_features": neighbours.feature_distance < limits.features,
        }
    )


def label_kind(subject: str, training: Gallery, held_out: Gallery) -> str:
    """Return from whose labels a sample of a subject was made, one of LABEL_KINDS."""
    if subject in training.owners:
        return "training labels"
    return "held-out labels" if subject in held_out.owners else "new labels"


def strata_table(
    table: pd.DataFrame, floor: pd.DataFrame | None, between_real: Neighbours
) -> pd.DataFrame:
    """Return a row for each kind of labels, and one for the floor if there is one.

    Columns: those of StratumRow, and real_median and real_median_features, the median distances of
    real images to one another.
    """
    by_kind = {kind: table[table["labels"] == kind] for kind in LABEL_KINDS}
    strata = [
        stratum_row(f"samples of {kind}", samples)
        for kind, samples in by_kind.items()
        if len(samples)
    ]
    if floor is not None:
        strata.append(stratum_row(FLOOR, floor))
    return pd.DataFrame(strata).assign(
        real_median=float(np.median(between_real.distance)),
        real_median_features=float(np.median(between_real.feature_distance)),
    )


def stratum_row(name: str, images: pd.DataFrame) -> StratumRow:
    """Summarise the images of one stratum, given as rows of `nearest_table`."""
    return StratumRow(
        what=name,
        images=len(images),
        close_in_pixels=float(images["close_in_pixels"].mean()),
        close_in_features=float(images["close_in_features"].mean()),
        median=float(images["distance"].median()),
        least=float(images["distance"].min()),
        median_features=float(images["feature_distance"].median()),
    )


def score_membership(
    training: Gallery, held_out: Gallery, samples: Gallery
) -> dict[str, MembershipScore]:
    """Return the membership score by "pixels" and by "features"."""
    of_training, of_held_out = find_nearest(training, samples), find_nearest(held_out, samples)
    owners = training.owners, held_out.owners
    return {
        "pixels": membership_score(of_training.distance, of_held_out.distance, *owners),
        "features": membership_score(
            of_training.feature_distance, of_held_out.feature_distance, *owners
        ),
    }


def membership_score(
    training: np.ndarray,
    held_out: np.ndarray,
    training_owners: np.ndarray,
    held_out_owners: np.ndarray,
) -> MembershipScore:
    """Score how well distances tell training images from held-out ones.

    The interval comes from resampling people, since the images of one person are not independent.

    Args:
        training: Distance of each training image to its nearest sample.
        held_out: Distance of each held-out image.
        training_owners: The person that each training image shows.
        held_out_owners: The person that each held-out image shows.
    """
    rng = np.random.Generator(np.random.Philox(0))
    by_person = [
        [np.flatnonzero(owners == person) for person in sorted(set(owners))]
        for owners in (training_owners, held_out_owners)
    ]
    areas = []
    for _ in range(RESAMPLES):
        resampled = [
            np.concatenate([people[i] for i in rng.integers(len(people), size=len(people))])
            for people in by_person
        ]
        areas.append(roc_area(training[resampled[0]], held_out[resampled[1]]))
    low, high = np.quantile(areas, (0.025, 0.975))
    area = roc_area(training, held_out)
    return MembershipScore(area, float(low), float(high), len(training), len(held_out))


def roc_area(training: np.ndarray, held_out: np.ndarray) -> float:
    """Return the area under the ROC curve: the share of pairs whose training image is nearer.

    Ties count half (Mann–Whitney).
    """
    ranks = rankdata(np.concatenate([training, held_out]))
    above = ranks[len(training) :].sum() - len(held_out) * (len(held_out) + 1) / 2
    return float(above / (len(training) * len(held_out)))


def audit_lines(audit: Audit) -> list[str]:
    """Return an audit as lines to read."""
    lines = [line.rstrip() for line in audit.strata.round(4).to_string(index=False).splitlines()]
    lines.append(
        f"close    a sample is close if it is nearer to a training image than {1 - CLOSE:.0%} of "
        "the training images are to one of another person"
    )
    lines.append(f"share    {audit.close_share:.1%} of the samples are close, in the worst stratum")
    for name, score in (audit.membership or {}).items():
        lines.append(
            f"members  by {name}, {score.training_images} training images are told from "
            f"{score.held_out_images} held-out ones with an area under the ROC curve of "
            f"{score.area:.2f} ({score.low:.2f} to {score.high:.2f}); 0.5 means not at all"
        )
    return lines
