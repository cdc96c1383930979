"""How well MR is drawn from held-out ultrasound: how far it must be deformed to become real MR."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factory.evaluate.deformation import deformation
from factory.train.heads import mri_planes, ultrasound_plane
from factory.train.pictures import picture_rows
from factory.ultrasound_painting import UltrasoundPainter, drawn
from storage.subject import Subject

Reference = tuple[np.ndarray, np.ndarray]
"""A real MR plane [row, column] in [-1, 1], and the mask of its brain."""

COLUMNS = ("what", "deformation", "sd", "least", "most", "planes")
SHOWN = 10


def references(volumes: Sequence[Subject]) -> list[Reference]:
    """The transthalamic plane of each volume."""
    found = [mri_planes(volume, reach=0) for volume in volumes]
    return [(planes[0], masks[0]) for planes, masks in found]


def as_it_lies(plane: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The plane turned front to back, mirrored, both or neither, whichever correlates best with a
    reference: an ellipse does not say how a head lies."""
    ways = [np.flip(plane, axes) for axes in ((), (0,), (1,), (0, 1))]
    wanted = (reference - reference.mean()).ravel()
    return max(ways, key=lambda way: float((way - way.mean()).ravel() @ wanted))


def deformations(planes: Iterable[np.ndarray], against: Sequence[Reference]) -> np.ndarray:
    """Each plane's score (N,): the mean over the references."""
    return np.array(
        [
            np.mean([deformation(as_it_lies(p, real), real, brain) for real, brain in against])
            for p in planes
        ]
    )


def evaluate(
    folder: Path, heads: Sequence[Subject], volumes: Sequence[Subject], output: Path
) -> pd.DataFrame:
    """A table of COLUMNS for one model folder, written to output/held_out.csv, its pictures to
    output/held_out.png. Raises WeightsError where the folder holds no such model."""
    against = references(volumes)
    us = np.stack([ultrasound_plane(head) for head in heads])
    made = drawn(UltrasoundPainter(folder, torch.device("cpu")).generator, us)
    rows = [*real_rows(against), row("the ultrasound itself", deformations(us, against))]
    rows.append(row("model", deformations(made, against)))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "held_out.csv", index=False)
    real = [plane for plane, _ in against]
    pictured(output / "held_out.png", us, {"MR drawn": made}, real)
    return table


def real_rows(against: Sequence[Reference]) -> list[tuple]:
    """What the measure says of real MR: to itself, and to that of others."""
    rows = [row("real MR, to itself", [deformation(p, p, brain) for p, brain in against])]
    if len(against) > 1:
        pairs = itertools.permutations(against, 2)
        others = [deformation(as_it_lies(a, b), b, brain) for (a, _), (b, brain) in pairs]
        rows.append(row("real MR, to another's", others))
    return rows


def row(what: str, scores: Sequence[float] | np.ndarray) -> tuple:
    values = np.asarray(scores, float)
    return (what, values.mean(), values.std(), values.min(), values.max(), len(values))


def pictured(
    path: Path, us: np.ndarray, made: dict[str, np.ndarray], real: Sequence[np.ndarray]
) -> None:
    """A PNG of heads in columns: ultrasound, what each model draws of it, and real MR of others,
    over and over as far as there are columns."""
    chosen = np.linspace(0, len(us) - 1, min(SHOWN, len(us))).astype(int)
    rows = [("ultrasound, held out", us[chosen])]
    rows += [(name, planes[chosen]) for name, planes in made.items()]
    others = np.stack([real[i % len(real)] for i in range(len(chosen))])
    rows.append(("real MR, of others", others))
    picture_rows(path, [(name, planes, "gray", -1.0, 1.0) for name, planes in rows])
