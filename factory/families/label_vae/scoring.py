"""Scores of a label VAE: reconstructions, samples from the prior, and paths between subjects.

The anatomy of hearts is checked by factory.anatomy.measures.heart. A rate of passed checks means
little by itself, so each is shown beside the rate on real label maps.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factory.anatomy.measures.heart import (
    STRUCTURES,
    check_slice,
    check_stack,
    path_reversal,
    volumes_ml,
)
from factory.families.label_vae.inference import (
    LabelVaeCodec,
    as_volume,
    interpolate_between,
    interpolate_within,
)
from factory.families.label_vae.label_maps import subject_maps
from factory.imaging.pictures import draw_label_grid
from factory.metrics.overlap import label_dice
from factory.models.losses import kl_divergence
from factory.models.spade.network import one_hot
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import Subject

SAMPLES = 200
"""Samples from the prior."""

SLICES = 32
"""Slices of a path's anatomies, as in the paper."""

STEPS = 8
"""Anatomies of a path between its ends, as in the paper."""

PAIRS = 8
"""The largest number of pairs of held-out subjects that paths connect."""


def evaluate(model: Path, subjects: list[Subject], output: Path) -> pd.DataFrame:
    """Score a model.

    Writes reconstructions.csv, paths.csv and pictures into output.

    Args:
        model: The model folder.
        subjects: The held-out subjects.
        output: The folder of tables and pictures.

    Returns:
        Rows of measure, model and real: the Dice of each structure and their mean (means over the
        subjects), and the KL divergence. For hearts also the rates of passed checks of anatomy on
        samples from the prior, on slices within subjects and on paths between them; `real` is the
        rate on the held-out label maps.
    """
    codec = LabelVaeCodec(model, torch.device("cpu"))
    output.mkdir(parents=True, exist_ok=True)
    table = reconstruction_scores(codec, subjects)
    table.to_csv(output / "reconstructions.csv", index=False)
    names = [*subjects[0].table.names[1:], "mean"]
    rows: list[JsonObject] = [
        {"measure": f"Dice {name}", "model": table[name].mean()} for name in names
    ]
    rows.append({"measure": "KL (nats a map)", "model": table["kl"].mean()})
    draw_pictures(codec, subjects, output)
    if set(STRUCTURES) == set(subjects[0].table.names[1:]):
        stacks = [as_volume(subject_maps(s, codec.config.shape)) for s in subjects]
        paths = score_paths(codec, subjects, output)
        rows += prior_rows(codec, subjects, stacks) + path_rows(paths, stacks)
    return pd.DataFrame(rows, columns=["measure", "model", "real"])


def reconstruction_scores(codec: LabelVaeCodec, subjects: list[Subject]) -> pd.DataFrame:
    """Score the reconstruction of each subject.

    Returns:
        A row for each subject: the Dice of each structure over all its label maps, their mean, and
        the KL divergence in nats for each label map.
    """
    rows: list[JsonObject] = []
    for subject in subjects:
        real = subject_maps(subject, codec.config.shape)
        reconstruction = codec.decode(codec.encode(real))
        row: JsonObject = {"subject": subject.id}
        row |= {key: subject.metadata.get(key) for key in ("vendor", "phase")}
        for value, name in enumerate(subject.table.names):
            if value:
                row[name] = label_dice(reconstruction, real, value)
        row["mean"] = float(np.nanmean([row[name] for name in subject.table.names[1:]]))
        rows.append({**row, "kl": mean_divergence(codec, real)})
    return pd.DataFrame(rows)


@torch.inference_mode()
def mean_divergence(codec: LabelVaeCodec, label_NS: np.ndarray) -> float:
    """Return the mean KL divergence of the label maps' codes from the prior, in nats."""
    label = torch.from_numpy(np.ascontiguousarray(label_NS))
    mu, logvar = codec.vae.encode(one_hot(label, codec.config.labels).to(codec.device))
    return float(kl_divergence(mu, logvar)) / len(label_NS)


def pass_rates(checks: list[dict[str, bool]]) -> dict[str, float]:
    """Return the share of label maps that pass each check."""
    return {name: float(np.mean([check[name] for check in checks])) for name in checks[0]}


def slice_rates(slices: list[np.ndarray]) -> dict[str, float]:
    """Return the share of slices that pass each check, among those with tissue."""
    return pass_rates([check_slice(plane) for plane in slices if plane.any()])


def stack_rates(stacks: list[np.ndarray]) -> dict[str, float]:
    """Return the share of stacks that pass each check."""
    return pass_rates([check_stack(stack) for stack in stacks])


def prior_rows(
    codec: LabelVaeCodec, subjects: list[Subject], stacks: list[np.ndarray]
) -> list[JsonObject]:
    """Return the rows of `evaluate` about samples from the prior and slices within subjects.

    Args:
        codec: The label VAE.
        subjects: The held-out subjects.
        stacks: Their label maps as stacks [z, y, x].
    """
    samples = codec.draw_from_prior(SAMPLES, seed=0)
    if samples.ndim == 4:
        return comparison_rows("prior", stack_rates(list(samples)), stack_rates(stacks))
    real = slice_rates([plane for stack in stacks for plane in stack])
    dense = [interpolate_within(codec, s, SLICES).label for s in subjects]
    prior = pass_rates([check_slice(plane) for plane in samples])
    within = slice_rates([plane for label in dense for plane in label])
    return comparison_rows("prior", prior, real) + comparison_rows("within", within, real)


@dataclass(frozen=True)
class PathScores:
    """A path between two subjects.

    Attributes:
        name: The ids of the two subjects.
        steps: The label maps [z, y, x] of the path, ends included.
        volumes_ml: The volumes of the structures at each step.
        reversals: For each structure, how far its volume changes against the overall direction.
        checks: The rates of passed checks, without the ends.
    """

    name: str
    steps: list[np.ndarray]
    volumes_ml: list[dict[str, float]]
    reversals: dict[str, float]
    checks: dict[str, float]

    def row(self) -> JsonObject:
        """Return the path's row of paths.csv."""
        reversals = {f"{name} turns back": value for name, value in self.reversals.items()}
        return {
            "path": self.name,
            "volumes_ml": self.volumes_ml,
            **reversals,
            "checks": self.checks,
        }


def score_paths(codec: LabelVaeCodec, subjects: list[Subject], output: Path) -> list[PathScores]:
    """Score paths between pairs of subjects; write paths.csv and path-*.png into output."""
    paths = [score_path(codec, *pair, "linear") for pair in pair_subjects(subjects)]
    for number, path in enumerate(paths):
        draw_path(path.steps, output / f"path-{number}.png", codec.config.labels)
    pd.DataFrame([path.row() for path in paths]).to_csv(output / "paths.csv", index=False)
    return paths


def pair_subjects(subjects: list[Subject]) -> list[tuple[Subject, Subject]]:
    """Pair subjects of the same phase and, if there are two, of different vendors."""
    pairs = []
    for phase in dict.fromkeys(s.metadata["phase"] for s in subjects):
        by_vendor: dict[str, list[Subject]] = {}
        for subject in subjects:
            if subject.metadata["phase"] == phase:
                by_vendor.setdefault(subject.metadata["vendor"], []).append(subject)
        groups = list(by_vendor.values())
        pairs += list(zip(*groups[:2], strict=False) if len(groups) > 1 else pairwise(groups[0]))
    return pairs[:PAIRS]


def score_path(codec: LabelVaeCodec, first: Subject, last: Subject, method: str) -> PathScores:
    """Score the path between two subjects."""
    ends = [interpolate_within(codec, s, SLICES, method) for s in (first, last)]
    between = interpolate_between(codec, first, last, STEPS, SLICES, method)
    steps = [ends[0], *between, ends[1]]
    volumes = [volumes_ml(s.label, s.grid.spacing) for s in steps]
    return PathScores(
        f"{first.id} to {last.id}",
        [s.label for s in steps],
        volumes,
        {name: path_reversal(np.array([v[name] for v in volumes])) for name in STRUCTURES},
        stack_rates([s.label for s in between]),
    )


def path_rows(paths: list[PathScores], stacks: list[np.ndarray]) -> list[JsonObject]:
    """Return the rows of `evaluate` about paths between subjects.

    Args:
        paths: The paths.
        stacks: Label maps of the held-out subjects as stacks [z, y, x].
    """
    real = stack_rates(stacks)
    mean = {name: float(np.mean([path.checks[name] for path in paths])) for name in real}
    rows = comparison_rows("between", mean, real)
    for name in STRUCTURES:
        reversals = [path.reversals[name] for path in paths]
        monotone = float(np.mean([reversal == 0 for reversal in reversals]))
        rows.append({"measure": f"between: {name} volume monotone", "model": monotone})
        rows.append({"measure": f"between: {name} turns back by, at most", "model": max(reversals)})
    return rows


def comparison_rows(
    where: str, model: dict[str, float], real: dict[str, float]
) -> list[JsonObject]:
    """Return a row for each check: the model's rate beside the real one."""
    return [
        {"measure": f"{where}: {name}", "model": model[name], "real": real[name]} for name in real
    ]


def draw_pictures(codec: LabelVaeCodec, subjects: list[Subject], output: Path) -> None:
    """Draw reconstructions.png, evenly spaced held-out label maps, and prior.png into output."""
    real = np.concatenate([subject_maps(s, codec.config.shape) for s in subjects])
    real = real[np.linspace(0, len(real) - 1, 20).astype(int)]
    reconstruction = codec.decode(codec.encode(real))
    rows = {"real": real[:10], "reconstruction": reconstruction[:10]}
    rows |= {"real ": real[10:], "reconstruction ": reconstruction[10:]}
    draw_label_grid(output / "reconstructions.png", rows, codec.config.labels)
    samples = codec.draw_from_prior(40, seed=0)
    prior = {f"drawn from the prior{' ' * i}": samples[10 * i : 10 * i + 10] for i in range(4)}
    draw_label_grid(output / "prior.png", prior, codec.config.labels)


def draw_path(steps: list[np.ndarray], path: Path, labels: int) -> None:
    """Draw a path: a row for each of five slices from apex to base, a column for each step."""
    depths = np.linspace(0, len(steps[0]) - 1, 5).round().astype(int)
    rows = {f"slice {z}": np.stack([step[z] for step in steps]) for z in depths}
    draw_label_grid(path, rows, labels)
