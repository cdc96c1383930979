"""A label VAE on the subjects that its training held out, on draws from its prior, and along its
paths: reconstruction, KL, and whether what it draws can be a heart.

Checks of anatomy are those of factory.anatomy.measures.heart, each beside its rate on real maps: no
rate of a network's says much without.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

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
from factory.families.label_vae.inference import LabelVaeCodec, between, stacked, within
from factory.families.label_vae.label_maps import maps
from factory.imaging.pictures import draw_label_grid
from factory.metrics.overlap import label_dice
from factory.models.losses import kl_divergence
from factory.models.spade.network import one_hot
from factory.storage.subjects.types import Subject

DRAWS = 200
"""Draws from the prior."""

SLICES, STEPS = 32, 8
"""Of paths: as in the paper."""

PAIRS = 8
"""Pairs of held-out subjects between which a path is walked."""


def reconstructions(latents: LabelVaeCodec, subjects: list[Subject]) -> pd.DataFrame:
    """A row a subject: Dice of each structure over its whole stack, and the KL, nats a map."""
    rows: list[dict[str, Any]] = []
    for subject in subjects:
        real = maps(subject, latents.config.shape)
        drawn = latents.decode(latents.encode(real))
        row: dict[str, Any] = {"subject": subject.id}
        row |= {key: subject.metadata.get(key) for key in ("vendor", "phase")}
        row |= {name: label_dice(drawn, real, v) for v, name in enumerate(subject.table.names) if v}
        row["mean"] = float(np.nanmean([row[name] for name in subject.table.names[1:]]))
        rows.append({**row, "kl": divergence(latents, real)})
    return pd.DataFrame(rows)


@torch.inference_mode()
def divergence(latents: LabelVaeCodec, label_NS: np.ndarray) -> float:
    """KL of the codes' posteriors from the prior, nats a map."""
    part = one_hot(torch.from_numpy(np.ascontiguousarray(label_NS)), latents.config.labels)
    mu, logvar = latents.vae.encode(part.to(latents.device))
    return float(kl_divergence(mu, logvar)) / len(label_NS)


def rates(found: list[dict[str, bool]]) -> dict[str, float]:
    """The share of maps that pass each check."""
    return {name: float(np.mean([f[name] for f in found])) for name in found[0]}


def opposite(subjects: list[Subject]) -> list[tuple[Subject, Subject]]:
    """Pairs of one phase and, where there are two, of different vendors, in order of id."""
    pairs = []
    for phase in dict.fromkeys(s.metadata["phase"] for s in subjects):
        by_vendor: dict[str, list[Subject]] = {}
        for subject in subjects:
            if subject.metadata["phase"] == phase:
                by_vendor.setdefault(subject.metadata["vendor"], []).append(subject)
        groups = list(by_vendor.values())
        pairs += list(zip(*groups[:2], strict=False) if len(groups) > 1 else pairwise(groups[0]))
    return pairs[:PAIRS]


def along(latents: LabelVaeCodec, first: Subject, last: Subject, method: str) -> dict[str, Any]:
    """A path between two subjects, ends included: checks of every step, and how far the volume of
    each structure turns back on the way."""
    ends = [within(latents, s, SLICES, method) for s in (first, last)]
    steps = [ends[0], *between(latents, first, last, STEPS, SLICES, method), ends[1]]
    volumes = [volumes_ml(s.label, s.grid.spacing) for s in steps]
    turns = {
        f"{name} turns back": path_reversal(np.array([v[name] for v in volumes]))
        for name in STRUCTURES
    }
    return {
        "path": f"{first.id} to {last.id}",
        "steps": [s.label for s in steps],
        "volumes_ml": volumes,
        **turns,
        "checks": rates([check_stack(s.label) for s in steps[1:-1]]),
    }


def evaluate(model: Path, subjects: list[Subject], output: Path) -> pd.DataFrame:
    """Score a model; writes reconstructions.csv, paths.csv and pictures into output.

    Returns rows of measure, model, real: Dice a structure and mean (means over subjects), the KL,
    and for hearts each check's rate on draws from the prior, on slices within subjects and on steps
    between them, with the rate on the held-out maps themselves.
    """
    latents = LabelVaeCodec(model, torch.device("cpu"))
    output.mkdir(parents=True, exist_ok=True)
    table = reconstructions(latents, subjects)
    table.to_csv(output / "reconstructions.csv", index=False)
    names = [*subjects[0].table.names[1:], "mean"]
    rows = [{"measure": f"Dice {name}", "model": table[name].mean()} for name in names]
    rows.append({"measure": "KL (nats a map)", "model": table["kl"].mean()})
    pictures(latents, subjects, output)
    if set(STRUCTURES) == set(subjects[0].table.names[1:]):
        rows += heart_rows(latents, subjects, output)
    return pd.DataFrame(rows, columns=["measure", "model", "real"])


def heart_rows(
    latents: LabelVaeCodec, subjects: list[Subject], output: Path
) -> list[dict[str, Any]]:
    """Rows of evaluate's table that are about hearts; writes paths.csv and path-*.png."""
    drawn = latents.prior(DRAWS, seed=0)
    real_stacks = [stack for s in subjects for stack in [stacked(maps(s, latents.config.shape))]]
    real_slices = rates([check_slice(p) for stack in real_stacks for p in stack if p.any()])
    rows = []
    if drawn.ndim == 3:
        of_prior = rates([check_slice(plane) for plane in drawn])
        denser = [within(latents, s, SLICES).label for s in subjects]
        of_within = rates([check_slice(p) for label in denser for p in label if p.any()])
        rows += beside("prior", of_prior, real_slices) + beside("within", of_within, real_slices)
    else:
        real = rates([check_stack(stack) for stack in real_stacks])
        rows += beside("prior", rates([check_stack(volume) for volume in drawn]), real)
    walks = [along(latents, a, b, "linear") for a, b in opposite(subjects)]
    for number, walk in enumerate(walks):
        picture_path(walk["steps"], output / f"path-{number}.png", latents.config.labels)
    pd.DataFrame([{k: v for k, v in w.items() if k != "steps"} for w in walks]).to_csv(
        output / "paths.csv", index=False
    )
    real = rates([check_stack(stack) for stack in real_stacks])
    mean = {name: float(np.mean([w["checks"][name] for w in walks])) for name in real}
    rows += beside("between", mean, real)
    for name in STRUCTURES:
        key = f"{name} turns back"
        worst = max(w[key] for w in walks)
        monotone = float(np.mean([w[key] == 0 for w in walks]))
        rows.append({"measure": f"between: {name} volume monotone", "model": monotone})
        rows.append({"measure": f"between: {name} turns back by, at most", "model": worst})
    return rows


def beside(where: str, model: dict[str, float], real: dict[str, float]) -> list[dict[str, Any]]:
    return [
        {"measure": f"{where}: {name}", "model": model[name], "real": real[name]} for name in real
    ]


def pictures(latents: LabelVaeCodec, subjects: list[Subject], output: Path) -> None:
    """reconstructions.png (held-out maps, every few, and what is made of them) and prior.png."""
    real = np.concatenate([maps(s, latents.config.shape) for s in subjects])
    real = real[np.linspace(0, len(real) - 1, 20).astype(int)]
    drawn = latents.decode(latents.encode(real))
    rows = {"real": real[:10], "reconstruction": drawn[:10]}
    rows |= {"real ": real[10:], "reconstruction ": drawn[10:]}
    draw_label_grid(output / "reconstructions.png", rows, latents.config.labels)
    draws = latents.prior(40, seed=0)
    prior = {f"drawn from the prior{' ' * i}": draws[10 * i : 10 * i + 10] for i in range(4)}
    draw_label_grid(output / "prior.png", prior, latents.config.labels)


def picture_path(steps: list[np.ndarray], path: Path, labels: int) -> None:
    """Rows of slices from the apex to the base, columns of steps, the two ends outermost."""
    depths = np.linspace(0, len(steps[0]) - 1, 5).round().astype(int)
    rows = {f"slice {z}": np.stack([step[z] for step in steps]) for z in depths}
    draw_label_grid(path, rows, labels)
