"""A dataset against the real image of each of its samples, if it was made with output.original.

The real image is the subject's own, carried along by the edits that the sample underwent.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from factory.errors import FactoryError
from factory.evaluation.generated_images import GeneratedImages
from factory.evaluation.parallel import SERIAL, Workers, map_in_workers
from factory.imaging.orientations import AXES
from factory.metrics.box_plots import draw_box_plots
from factory.metrics.intensity_profiles import draw_intensity_profiles
from factory.metrics.paired import SCORES, paired_scores, slice_scores
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.json_value import JsonObject
from factory.storage.subjects.channels import describe_channels, select_channels
from factory.storage.subjects.types import Grid, Subject
from factory.subjects.registry import SOURCES, subject_sections

PROFILES = 3
"""Samples whose intensity profiles are drawn, evenly spread."""

DEFINITIONS = (
    "each image divided by its 99.5th percentile inside the labels and clipped: data range 1; "
    "mask: label > 0; SSIM's window Gaussian, σ 1.5, 11 voxels a side; mi in nats, 32 bins; score "
    "(2 ssim + corr) / 3; 3D over the volume, a direction's over its slices in 2D"
)
"""The remark that defines the figures."""


def compare_with_originals(
    generated: GeneratedImages, output: Path, workers: Workers = SERIAL
) -> tuple[pd.DataFrame, list[str]]:
    """Compare each sample with its own real image.

    Writes paired.csv, paired.md, paired.png and profiles-sample-N.png.

    Args:
        generated: The dataset.
        output: The folder to write into.
        workers: The processes that share the work.

    Returns:
        A row for each sample and direction (3D, sagittal, coronal, axial), with the columns of
        `score_sample`; and the remarks.

    Raises:
        FactoryError: If the samples have no real image.
    """
    check_originals(generated)
    thick, samples = generated.images().thick, generated.accepted_samples
    output.mkdir(parents=True, exist_ok=True)
    if not thick:
        draw_profiles(generated, output)
    activity = f"comparing {generated.dataset.path}"
    scored = list(
        map_in_workers(partial(make_scorer, generated, thick), len(samples), workers, activity)
    )
    table = pd.DataFrame([row for rows, _ in scored for row in rows])
    edited = sum(is_edited for _, is_edited in scored)
    remarks = [DEFINITIONS, *generated.remarks, *figure_remarks(table, edited, len(samples))]
    table.to_csv(output / "paired.csv", index=False)
    summary = markdown_lines(summarise_by_direction(table))
    text = "\n".join([*summary, "", *(f"- {line}" for line in remarks), ""])
    (output / "paired.md").write_text(text, encoding="utf-8")
    draw_box_plots(table, "direction", output / "paired.png")
    return table, remarks


def check_originals(generated: GeneratedImages) -> None:
    """Raise FactoryError if the samples have no real image of what they show."""
    path = generated.dataset.path
    if "original" not in generated.dataset.layout.arrays:
        raise FactoryError(
            f"{path}: its samples have no real image; allowed: a dataset made with output.original "
            "true, or --real RECIPE|FOLDER"
        )
    channels, originals = _channels(generated)
    if bool(channels) != bool(originals) or not {*channels[:1]} <= {*originals}:
        raise FactoryError(
            f"{path}: its images have {describe_channels(channels)}, its originals "
            f"{describe_channels(originals)}; allowed: originals with the first channel of the "
            "images"
        )
    for name, _ in subject_sections(generated.resolved_recipe):
        if name in SOURCES and SOURCES[name].painted_from:
            raise FactoryError(
                f"{path}: its originals are {name}, from which the images were painted, so they "
                "show something else"
            )


def _channels(generated: GeneratedImages) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the channels of the images, and of the originals."""
    channels = generated.dataset.layout.channels
    return channels.get("image", ()), channels.get("original", ())


def read_compared_images(generated: GeneratedImages, index: int) -> StoredSample:
    """Read a sample whose image has the first channel alone, and its original the same one."""
    sample = generated.dataset.sample(index)
    image, original = _channels(generated)
    if not image:
        return sample
    same = select_channels(sample.arrays["original"], original, image[:1])
    return replace(sample, arrays={**sample.arrays, "original": same}).first_channels()


def draw_profiles(generated: GeneratedImages, output: Path) -> None:
    """Draw the intensity profiles of some samples into profiles-sample-N.png."""
    samples = generated.accepted_samples
    for index in {samples[i] for i in np.linspace(0, len(samples) - 1, PROFILES).astype(int)}:
        sample = read_compared_images(generated, index)
        path = output / f"profiles-sample-{index}.png"
        subject = subject_with_original(generated, sample)
        draw_intensity_profiles(subject, {"synthetic": sample.arrays["image"]}, path)


def make_scorer(
    generated: GeneratedImages, thick: bool
) -> Callable[[int], tuple[list[JsonObject], bool]]:
    """Return a function from the number of an accepted sample to its rows, and if it is edited."""

    def score(number: int) -> tuple[list[JsonObject], bool]:
        index = generated.accepted_samples[number]
        sample = read_compared_images(generated, index)
        is_edited = bool(json.loads(sample.case).get("edits"))
        return score_sample(sample, index, thick, training_role(generated, sample)), is_edited

    return score


def score_sample(sample: StoredSample, index: int, thick: bool, labels: str) -> list[JsonObject]:
    """Return the rows of one sample: one for the volume, and one for each direction.

    Columns: sample (its index), subject, labels (its `training_role`), direction ("3D", "axial",
    "coronal", "sagittal"), and FIGURES. Where slices are thick, only the axial row is returned.
    """
    image, real, label = (sample.arrays[name] for name in ("image", "original", "label"))
    key = {"sample": index, "subject": sample.columns.get("subject"), "labels": labels}
    rows = []
    if not thick:
        scores = paired_scores(image, real, label)
        rows.append({**key, "direction": "3D", **{name: scores[name] for name in SCORES}})
    for name in ("axial",) if thick else AXES:
        rows.append({**key, "direction": name, **slice_scores(image, real, label, name)})
    return rows


def training_role(generated: GeneratedImages, sample: StoredSample) -> str:
    """Return "learnt from", "held out" or "new": what the model's card says of the subject."""
    training = generated.card.get("training", {})
    subject = sample.columns.get("subject")
    if subject in training.get("subjects", ()):
        return "learnt from"
    return "held out" if subject in training.get("held_out", ()) else "new"


def subject_with_original(generated: GeneratedImages, sample: StoredSample) -> Subject:
    """Return a sample as a subject whose image is the real one."""
    label = sample.arrays["label"]
    z, y, x = label.shape
    dz, dy, dx = (float(s) for s in sample.spacing_mm)
    grid = Grid((z, y, x), (dz, dy, dx), np.asarray(sample.affine))
    name = str(sample.columns.get("case", sample.columns.get("subject", "")))
    return Subject(name, label, grid, generated.dataset.layout.table, sample.arrays["original"])


def figure_remarks(table: pd.DataFrame, edited: int, samples: int) -> list[str]:
    """Return what a reader of the figures must know.

    Args:
        table: The rows of all samples.
        edited: Number of edited samples.
        samples: Number of samples.
    """
    remarks = []
    if edited:
        remarks.append(
            f"{edited} of {samples} samples are edited: their real image was carried along by the "
            "edits, and is not what a scanner saw"
        )
    if samples == 1:
        remarks.append("one sample alone: no standard deviation")
    for name in SCORES:
        if missing := int(table[name].isna().sum()):
            remarks.append(
                f"{name} left out of {missing} of {len(table)} rows: a constant image, or a side "
                "shorter than SSIM's 11 voxels"
            )
    roles = set(table["labels"])
    if roles == {"new"}:
        remarks.append("no subject is one that the model's card lists as learnt from or held out")
    elif "held out" not in roles:
        remarks.append(
            "no subject was held out of the training: the figures are of subjects that the model "
            "may have learnt from"
        )
    return remarks


def summarise_by_direction(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean and standard deviation over samples, a row for each `labels` and direction.

    Columns: labels, direction, samples (their number), and for each of FIGURES NAME_mean and
    NAME_sd, None where undefined.
    """
    groups = table.groupby(["labels", "direction"], sort=False)
    summary = groups[list(SCORES)].agg(["mean", "std"])
    summary.columns = [f"{name}_{'sd' if s == 'std' else s}" for name, s in summary.columns]
    summary.insert(0, "samples", groups.size())
    plain = summary.reset_index().astype(object)
    return plain.where(plain.notna(), None)


def markdown_lines(summary: pd.DataFrame) -> list[str]:
    """Return mean ± standard deviation as a Markdown table."""
    lines = ["| labels | direction | samples | " + " | ".join(SCORES) + " |"]
    lines.append("|---" * (3 + len(SCORES)) + "|")
    for row in summary.to_dict("records"):
        cells = [str(row["labels"]), row["direction"], str(row["samples"])]
        for name in SCORES:
            mean, sd = row[f"{name}_mean"], row[f"{name}_sd"]
            digits = {"mse": 4, "psnr": 1}.get(name, 3)
            spread = "" if sd is None else f" ± {sd:.{digits}f}"
            cells.append("undefined" if mean is None else f"{mean:.{digits}f}{spread}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines
