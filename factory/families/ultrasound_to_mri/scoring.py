"""How well MR is drawn from held-out ultrasound: how far it must be deformed to become real MR."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factory.families.ultrasound_to_mri.data import mri_planes, ultrasound_plane
from factory.families.ultrasound_to_mri.painter import UltrasoundPainter, paint_planes
from factory.imaging.pictures import draw_image_rows
from factory.metrics.deformation import (
    COLUMNS,
    Reference,
    deformation_score,
    mean_deformation,
    pairwise_deformations,
    summary_row,
)
from factory.storage.subjects.types import Subject

SHOWN = 10


def reference_planes(volumes: Sequence[Subject]) -> list[Reference]:
    """The transthalamic plane of each volume."""
    found = [mri_planes(volume, reach=0) for volume in volumes]
    return [(planes[0], masks[0]) for planes, masks in found]


def deformation_scores(planes: Iterable[np.ndarray], against: Sequence[Reference]) -> np.ndarray:
    """Each plane's score (N,): the mean over the references."""
    return np.array([mean_deformation(plane, against) for plane in planes])


def evaluate(
    folder: Path, heads: Sequence[Subject], volumes: Sequence[Subject], output: Path
) -> pd.DataFrame:
    """A table of COLUMNS for one model folder, written to output/held_out.csv, its pictures to
    output/held_out.png. Raises WeightsError where the folder holds no such model."""
    against = reference_planes(volumes)
    us = np.stack([ultrasound_plane(head) for head in heads])
    made = paint_planes(UltrasoundPainter(folder, torch.device("cpu")).generator, us)
    rows = [
        *real_mri_rows(against),
        summary_row("the ultrasound itself", deformation_scores(us, against)),
    ]
    rows.append(summary_row("model", deformation_scores(made, against)))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "held_out.csv", index=False)
    real = [plane for plane, _ in against]
    draw_comparison(output / "held_out.png", us, {"MR drawn": made}, real)
    return table


def real_mri_rows(against: Sequence[Reference]) -> list[tuple]:
    """What the measure says of real MR: to itself, and to that of others."""
    rows = [
        summary_row("real MR, to itself", [deformation_score(p, p, brain) for p, brain in against])
    ]
    if len(against) > 1:
        rows.append(summary_row("real MR, to another's", pairwise_deformations(against)))
    return rows


def draw_comparison(
    path: Path, us: np.ndarray, made: dict[str, np.ndarray], real: Sequence[np.ndarray]
) -> None:
    """A PNG of heads in columns: ultrasound, what each model draws of it, and real MR of others,
    over and over as far as there are columns."""
    chosen = np.linspace(0, len(us) - 1, min(SHOWN, len(us))).astype(int)
    rows = [("ultrasound, held out", us[chosen])]
    rows += [(name, planes[chosen]) for name, planes in made.items()]
    others = np.stack([real[i % len(real)] for i in range(len(chosen))])
    rows.append(("real MR, of others", others))
    draw_image_rows(path, [(name, planes, "gray", -1.0, 1.0) for name, planes in rows])
