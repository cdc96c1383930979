"""Fit a contrast to real images with label maps, label by label."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from factory.imaging.intensities import normalise
from factory.storage.errors import SubjectError
from factory.storage.json_value import JsonObject
from factory.storage.subjects.label_mappings import OTHERS, LabelMapping, resolve_mapping
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.types import Subject

FEWEST_VOXELS = 20
"""A label with fewer voxels in a subject is not measured there."""

NORMAL_QUARTILES = 1.349
"""The distance between the quartiles of a normal distribution, in standard deviations."""

BIN_WIDTH = 0.02
"""The width of a bin of the histograms, in units of brightness."""

HISTOGRAM = np.arange(0, 76) * BIN_WIDTH
"""The edges of the histograms that pictures show."""


@dataclass(frozen=True)
class Measured:
    """The brightness of each label in each of some images, in units of the 99.5th percentile.

    Attributes:
        names: The labels.
        means: [subject, label], the median brightness; NaN where the label is absent.
        sds: [subject, label], the spread inside the label, from the distance of its quartiles.
        histograms: [label, bin], the share of the label's voxels, all subjects together.
    """

    names: tuple[str, ...]
    means: np.ndarray
    sds: np.ndarray
    histograms: np.ndarray


def load_pairs(
    path: str, labels: str, images: str, mapping: str | LabelMapping, others: str | None
) -> Iterator[Subject]:
    """Yield the subjects of a folder: label maps with images.

    Args:
        path: The folder.
        labels: The pattern of label maps, with {subject}.
        images: The pattern of images, with {subject}.
        mapping: See factory.storage.subjects.label_mappings.
        others: What a value becomes that the mapping lacks; None refuses it.

    Raises:
        SubjectError: There are none, or one cannot be read.
    """
    from factory.storage.subjects.nifti import list_nifti_subjects

    full: str | LabelMapping = mapping
    if others is not None:
        values: dict[int | str, str] = dict(resolve_mapping(mapping).items())
        full = {**values, OTHERS: others}
    for record in list_nifti_subjects(path, labels, images, full):
        yield load_subject(record, None)


def fit_folder(
    path: str, labels: str, images: str, mapping: str | LabelMapping, others: str | None
) -> JsonObject:
    """Fit a contrast to the images of a folder, once in a process; see `load_pairs`.

    Returns:
        The section `fitted` of a recipe, in plain JSON.

    Raises:
        SubjectError: There are none, or one cannot be read.
    """
    text = mapping if isinstance(mapping, str) else json.dumps(sorted(mapping.items()))
    key = (path, labels, images, text, others or "")
    if key not in _FITTED:
        pairs = load_pairs(path, labels, images, mapping, others)
        _FITTED[key] = fit_population(measure_brightness(pairs), f"{path}: {images}")
    return _FITTED[key]


_FITTED: dict[tuple[str, str, str, str, str], JsonObject] = {}


def measure_brightness(
    subjects: Iterable[Subject], channel: int = 0, scanner_units: bool = True
) -> Measured:
    """Measure the brightness of every label in the images of subjects.

    The median and the quartiles are hardly moved by the mixed voxels at borders, which a painter
    adds by itself.

    Args:
        subjects: Subjects with images; they share a table.
        channel: Which channel, where images have several.
        scanner_units: Whether the images have the units of a scanner, and not the factory's.

    Raises:
        SubjectError: There is no subject, or one has no image.
    """
    rows: list[dict[str, tuple[float, float]]] = []
    counts: dict[str, np.ndarray] = {}
    for subject in subjects:
        if subject.image is None:
            raise SubjectError(f"{subject.id}: it has no image to fit a contrast to")
        values = subject.image if subject.image.ndim == 3 else subject.image[channel]
        image = normalise(values, subject.label) if scanner_units else values
        row = {}
        for value, name in enumerate(subject.table.names):
            voxels = image[subject.label == value]
            if voxels.size < FEWEST_VOXELS:
                continue
            low, median, high = np.percentile(voxels, (25, 50, 75))
            row[name] = float(median), float(high - low) / NORMAL_QUARTILES
            histogram, _ = np.histogram(voxels, HISTOGRAM)
            counts[name] = counts.get(name, 0) + histogram
        rows.append(row)
    if not rows:
        raise SubjectError("no subject to fit a contrast to")
    names = tuple(counts)
    missing = (np.nan, np.nan)
    table = np.array([[row.get(name, missing) for name in names] for row in rows])
    histograms = np.array([counts[name] / max(1, counts[name].sum()) for name in names])
    return Measured(names, table[..., 0], table[..., 1], histograms)


def fit_population(measured: Measured, source: str) -> JsonObject:
    """Return the section `fitted` of a recipe, in plain JSON.

    Args:
        measured: What was measured.
        source: The images in words.
    """
    means, sds = measured.means, measured.sds
    labels = {
        name: {
            "mean": _rounded(np.nanmean(means[:, index])),
            "mean_spread": _rounded(_spread(means[:, index])),
            "sd": _rounded(np.nanmean(sds[:, index])),
            "sd_spread": _rounded(_spread(sds[:, index])),
        }
        for index, name in enumerate(measured.names)
    }
    fitted: JsonObject = {"source": source, "people": len(means), "labels": labels}
    if len(means) > 2:
        rows = _correlate(means)
        fitted["correlation"] = tuple(tuple(_rounded(value) for value in row) for row in rows)
    return fitted


def _spread(values: np.ndarray) -> float:
    """Return the standard deviation between people, 0 for one person."""
    present = values[np.isfinite(values)]
    return float(present.std(ddof=1)) if present.size > 1 else 0.0


def _correlate(means: np.ndarray) -> np.ndarray:
    """Return the correlation between labels; a label absent in a subject counts as average."""
    centred = means - np.nanmean(means, axis=0)
    centred = np.where(np.isfinite(centred), centred, 0.0)
    norms = np.linalg.norm(centred, axis=0)
    scaled = centred / np.where(norms > 0, norms, 1.0)
    correlation = scaled.T @ scaled
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _rounded(value: float) -> float:
    return round(float(value), 4)


def draw_fit(measured: Measured, painted: Sequence[Measured], path: str) -> None:
    """Draw the histogram of every label in real images, and in painted ones over it.

    Args:
        measured: The real images.
        painted: The painted images.
        path: The picture to write.
    """
    import matplotlib.pyplot as plt

    names = measured.names
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.2 * columns, 2.2 * rows), squeeze=False, layout="constrained"
    )
    centres = (HISTOGRAM[1:] + HISTOGRAM[:-1]) / 2
    for axis in axes.ravel():
        axis.set_axis_off()
    for index, (axis, name) in enumerate(zip(axes.ravel(), names, strict=False)):
        axis.set_axis_on()
        axis.fill_between(centres, measured.histograms[index], step="mid", alpha=0.4, label="real")
        for one in painted:
            if name in one.names:
                line = one.histograms[one.names.index(name)]
                axis.step(centres, line, where="mid", color="tab:red", label="painted")
        axis.set_title(name.replace("_", " "), fontsize=9)
        axis.set_yticks([])
        if index == 0:
            axis.legend(fontsize=7)
    figure.savefig(path, dpi=120)
    plt.close(figure)
