"""How well MR is painted from held-out ultrasound: how far it must be deformed to be real MR."""

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

PICTURE_COLUMNS = 10
"""Held-out heads in the picture."""


def reference_planes(volumes: Sequence[Subject]) -> list[Reference]:
    """Return the transthalamic plane of each volume, and the mask of its brain."""
    pairs = [mri_planes(volume, reach=0) for volume in volumes]
    return [(planes[0], masks[0]) for planes, masks in pairs]


def deformation_scores(planes: Iterable[np.ndarray], references: Sequence[Reference]) -> np.ndarray:
    """Return the mean deformation score of each plane over the references, [plane]."""
    return np.array([mean_deformation(plane, references) for plane in planes])


def evaluate(
    folder: Path, heads: Sequence[Subject], volumes: Sequence[Subject], output: Path
) -> pd.DataFrame:
    """Score a model; write held_out.csv and held_out.png into output.

    Args:
        folder: The model folder.
        heads: Held-out heads in ultrasound.
        volumes: Held-out MR volumes.
        output: The folder of the table and the picture.

    Returns:
        A table with the columns factory.metrics.deformation.COLUMNS: of real MR, of the ultrasound
        itself, and of the model.

    Raises:
        WeightsError: The folder does not contain a model of this family.
    """
    references = reference_planes(volumes)
    us = np.stack([ultrasound_plane(head) for head in heads])
    painted = paint_planes(UltrasoundPainter(folder, torch.device("cpu")).generator, us)
    rows = [
        *real_mri_rows(references),
        summary_row("the ultrasound itself", deformation_scores(us, references)),
        summary_row("model", deformation_scores(painted, references)),
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "held_out.csv", index=False)
    real = [plane for plane, _ in references]
    draw_comparison(output / "held_out.png", us, {"MR drawn": painted}, real)
    return table


def real_mri_rows(references: Sequence[Reference]) -> list[tuple]:
    """Return rows of scores of real MR planes: of each to itself, and of each to the others."""
    to_itself = [deformation_score(plane, plane, brain) for plane, brain in references]
    rows = [summary_row("real MR, to itself", to_itself)]
    if len(references) > 1:
        rows.append(summary_row("real MR, to another's", pairwise_deformations(references)))
    return rows


def draw_comparison(
    path: Path, us: np.ndarray, painted: dict[str, np.ndarray], real: Sequence[np.ndarray]
) -> None:
    """Draw heads in columns: the ultrasound, the MR of each model, and real MR of others.

    Args:
        path: The PNG to write.
        us: Ultrasound planes [head, y, x] in [-1, 1].
        painted: The MR of these heads by the name of the model, [head, y, x] in [-1, 1].
        real: Real MR planes [y, x] in [-1, 1], repeated if there are fewer than heads.
    """
    heads = np.linspace(0, len(us) - 1, min(PICTURE_COLUMNS, len(us))).astype(int)
    rows = [("ultrasound, held out", us[heads])]
    rows += [(name, planes[heads]) for name, planes in painted.items()]
    rows.append(("real MR, of others", np.stack([real[i % len(real)] for i in range(len(heads))])))
    draw_image_rows(path, [(name, planes, "gray", -1.0, 1.0) for name, planes in rows])
