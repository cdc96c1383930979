"""A dataset against the real image of each of its samples, where it was made with output.original.

The real image is the subject's own, carried along by whatever edits the sample underwent.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from factory.errors import FactoryError
from factory.evaluation.generated_images import GeneratedImages
from factory.evaluation.parallel import SERIAL, Workers, map_in_workers
from factory.imaging.orientations import AXES
from factory.metrics.box_plots import boxes
from factory.metrics.paired import FIGURES, paired_scores, profiles, slice_scores
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.subjects.types import Grid, Subject
from factory.subjects.registry import SOURCES

PROFILES = 3
"""Samples whose intensity profiles are drawn, evenly spread."""

STATED = (
    "each image divided by its 99.5th percentile inside the labels and clipped: data range 1; "
    "mask: label > 0; SSIM's window Gaussian, σ 1.5, 11 voxels a side; mi in nats, 32 bins; score "
    "(2 ssim + corr) / 3; 3D over the volume, a direction's over its slices in 2D"
)


def compare(
    made: GeneratedImages, output: Path, crew: Workers = SERIAL
) -> tuple[pd.DataFrame, list[str]]:
    """A row a sample and direction (3D, sagittal, coronal, axial) of FIGURES, and what is to be
    said of them. Writes paired.csv, paired.md, paired.png and profiles-sample-N.png into output.

    Raises FactoryError where the samples have no real image.
    """
    refuse(made)
    thick, standing = made.images().thick, made.standing
    shown = {standing[i] for i in np.linspace(0, len(standing) - 1, PROFILES).astype(int)}
    output.mkdir(parents=True, exist_ok=True)
    for index in shown if not thick else ():
        sample = made.dataset.sample(index)
        path = output / f"profiles-sample-{index}.png"
        profiles(as_subject(made, sample), {"synthetic": sample.arrays["image"]}, path)
    make = partial(scorer, made, thick)
    found = list(map_in_workers(make, len(standing), crew, f"comparing {made.dataset.path}"))
    rows, edited = [row for rows, _ in found for row in rows], sum(was for _, was in found)
    table = pd.DataFrame(rows)
    said = [STATED, *made.left_out, *remarks(table, edited, len(standing))]
    table.to_csv(output / "paired.csv", index=False)
    text = "\n".join([*markdown(summary(table)), "", *(f"- {line}" for line in said), ""])
    (output / "paired.md").write_text(text, encoding="utf-8")
    boxes(table, "direction", output / "paired.png")
    return table, said


def refuse(made: GeneratedImages) -> None:
    """Raises FactoryError where there is nothing to pair."""
    path = made.dataset.path
    spec = made.dataset.record.get("recipe", {}).get("resolved", {})
    if "original" not in made.dataset.layout.arrays:
        raise FactoryError(
            f"{path}: its samples have no real image; allowed: a dataset made with output.original "
            "true, or --real RECIPE|FOLDER"
        )
    for name, section in (spec.get("subjects") or {}).items():
        if section and name in SOURCES and SOURCES[name].painted_from:
            raise FactoryError(f"{path}: its originals are {name}, not what was to be made of them")


def scorer(
    made: GeneratedImages, thick: bool
) -> Callable[[int], tuple[list[dict[str, Any]], bool]]:
    """What scores the n-th sample that stands: its rows, and whether it is edited."""

    def score(number: int) -> tuple[list[dict[str, Any]], bool]:
        index = made.standing[number]
        sample = made.dataset.sample(index)
        was_edited = bool(json.loads(sample.case).get("edits"))
        return scores(sample, index, thick, learnt(made, sample)), was_edited

    return score


def scores(sample: StoredSample, index: int, thick: bool, labels: str) -> list[dict[str, Any]]:
    """The rows of one sample."""
    image, real, label = (sample.arrays[name] for name in ("image", "original", "label"))
    about = {"sample": index, "subject": sample.columns.get("subject"), "labels": labels}
    rows = (
        [] if thick else [{**about, "direction": "3D", **inside(paired_scores(image, real, label))}]
    )
    for name in ("axial",) if thick else AXES:
        rows.append({**about, "direction": name, **slice_scores(image, real, label, name)})
    return rows


def inside(found: dict[str, float]) -> dict[str, float]:
    return {name: found[name] for name in FIGURES}


def learnt(made: GeneratedImages, sample: StoredSample) -> str:
    """Whether the model learnt from a sample's subject, as its card has it."""
    training = made.card.get("training", {})
    name = sample.columns.get("subject")
    if name in training.get("subjects", ()):
        return "learnt from"
    return "held out" if name in training.get("held_out", ()) else "new"


def as_subject(made: GeneratedImages, sample: StoredSample) -> Subject:
    label = sample.arrays["label"]
    z, y, x = label.shape
    dz, dy, dx = (float(s) for s in sample.spacing_mm)
    grid = Grid((z, y, x), (dz, dy, dx), np.asarray(sample.affine))
    name = str(sample.columns.get("case", sample.columns.get("subject", "")))
    return Subject(name, label, grid, made.dataset.layout.table, sample.arrays["original"])


def remarks(table: pd.DataFrame, edited: int, samples: int) -> list[str]:
    """What a reader of the figures must know."""
    said = []
    if edited:
        said.append(
            f"{edited} of {samples} samples are edited: their real image was carried along by the "
            "edits, and is not what a scanner saw"
        )
    if samples == 1:
        said.append("one sample alone: no standard deviation")
    for name in FIGURES:
        if missing := int(table[name].isna().sum()):
            said.append(
                f"{name} left out of {missing} of {len(table)} rows: a constant image, or a side "
                "shorter than SSIM's 11 voxels"
            )
    known = set(table["labels"])
    if known == {"new"}:
        said.append("no subject is one that the model's card lists as learnt from or held out")
    elif "held out" not in known:
        said.append("no subject was held out of the training: the figures are of seen ones")
    return said


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and sd over samples, a row a kind of labels and direction."""
    groups = table.groupby(["labels", "direction"], sort=False)
    found = groups[list(FIGURES)].agg(["mean", "std"])
    found.columns = [f"{name}_{'sd' if what == 'std' else what}" for name, what in found.columns]
    found.insert(0, "samples", groups.size())
    plain = found.reset_index().astype(object)
    return plain.where(plain.notna(), None)


def markdown(rows: pd.DataFrame) -> list[str]:
    """mean ± sd as a Markdown table."""
    lines = ["| labels | direction | samples | " + " | ".join(FIGURES) + " |"]
    lines.append("|---" * (3 + len(FIGURES)) + "|")
    for row in rows.to_dict("records"):
        cells = [str(row["labels"]), row["direction"], str(row["samples"])]
        for name in FIGURES:
            mean, sd = row[f"{name}_mean"], row[f"{name}_sd"]
            digits = {"mse": 4, "psnr": 1}.get(name, 3)
            spread = "" if sd is None else f" ± {sd:.{digits}f}"
            cells.append("undefined" if mean is None else f"{mean:.{digits}f}{spread}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines
