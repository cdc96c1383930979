"""Fit a contrast to real images with label maps, label by label."""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from factory.families.contrast.presets import HOUNSFIELD_RANGE, HOUNSFIELD_UNITS
from factory.families.contrast.unmix import measure_voxels, unmix_labels
from factory.imaging.intensities import has_hounsfield_units, normalise
from factory.seeding import random_generator
from factory.storage.errors import SubjectError
from factory.storage.json_value import JsonObject
from factory.storage.subjects.label_mappings import OTHERS, LabelMapping, resolve_mapping
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.types import Subject

FEWEST_VOXELS = 20
"""A label with fewer voxels in a subject is not measured there."""

HISTOGRAM = np.arange(0, 76) * 0.02
"""The edges of the histograms of brightness."""

HOUNSFIELD_HISTOGRAM = np.arange(HOUNSFIELD_RANGE[0], HOUNSFIELD_RANGE[1] + 8, 8.0)
"""The edges of the histograms of Hounsfield units."""


@dataclass(frozen=True)
class Measured:
    """The brightness of each label in each of some images.

    Brightness is in units of the 99.5th percentile, or in Hounsfield units.

    Attributes:
        names: The labels.
        means: [subject, label], the median brightness, or the mean that is painted so; NaN where
            the label is absent.
        sds: [subject, label], the spread inside the label, from the distance of its quartiles.
        histograms: [label, bin], the share of the label's voxels, all subjects together.
        is_hounsfield: Whether the images are in Hounsfield units.
    """

    names: tuple[str, ...]
    means: np.ndarray
    sds: np.ndarray
    histograms: np.ndarray
    is_hounsfield: bool = False

    @property
    def edges(self) -> np.ndarray:
        """The edges of the bins of the histograms."""
        return HOUNSFIELD_HISTOGRAM if self.is_hounsfield else HISTOGRAM


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


def measure_brightness(subjects: Iterable[Subject], channel: int = 0) -> Measured:
    """Measure the brightness of every label in the images of subjects, in scanner units.

    What the means and spreads are painted as, with mixed voxels at borders, is like the images.

    Args:
        subjects: Subjects with images; they share a table.
        channel: Which channel, where images have several.

    Raises:
        SubjectError: There is no subject, one has no image, or only some are in Hounsfield units.
    """
    images = ((subject, _image_of(subject, channel)) for subject in subjects)
    first = next(images, None)
    if first is None:
        raise SubjectError("no subject to fit a contrast to")
    hounsfield = has_hounsfield_units(first[1])
    converted = _convert(itertools.chain([first], images), hounsfield)
    return measure_images(converted, hounsfield, unmix=True)


def _image_of(subject: Subject, channel: int) -> np.ndarray:
    """Return the image [z, y, x] of a subject."""
    if subject.image is None:
        raise SubjectError(f"{subject.id}: it has no image to fit a contrast to")
    image: np.ndarray = subject.image if subject.image.ndim == 3 else subject.image[channel]
    return image


def _convert(
    images: Iterable[tuple[Subject, np.ndarray]], hounsfield: bool
) -> Iterator[tuple[Subject, np.ndarray]]:
    """Yield subjects with images in Hounsfield units as they are, others in units of brightness."""
    first = ""
    for subject, image in images:
        first = first or subject.id
        if has_hounsfield_units(image) != hounsfield:
            signed, unsigned = (first, subject.id) if hounsfield else (subject.id, first)
            raise SubjectError(
                f"{signed}: its image is in Hounsfield units, that of {unsigned} is not; "
                "allowed: one of both in all subjects"
            )
        if hounsfield:
            yield subject, np.clip(image, *HOUNSFIELD_RANGE)
        else:
            yield subject, normalise(image, subject.label)


def measure_images(
    images: Iterable[tuple[Subject, np.ndarray]], hounsfield: bool, unmix: bool = False
) -> Measured:
    """Measure the brightness of every label in images.

    Args:
        images: Subjects, which share a table, with images [z, y, x].
        hounsfield: Whether the images are in Hounsfield units, and not in units of brightness.
        unmix: Whether to undo the mixing of voxels at borders; see `unmix_labels`.
    """
    rows: list[dict[str, tuple[float, float]]] = []
    counts: dict[str, np.ndarray] = {}
    edges = HOUNSFIELD_HISTOGRAM if hounsfield else HISTOGRAM
    for subject, image in images:
        names, row = subject.table.names, {}
        for value, name in enumerate(names):
            voxels = image[subject.label == value]
            if voxels.size < FEWEST_VOXELS:
                continue
            row[value] = measure_voxels(voxels)
            histogram, _ = np.histogram(voxels, edges)
            counts[name] = counts.get(name, 0) + histogram
        if unmix:
            generator = random_generator(0, "unmix", subject.id)
            row = unmix_labels(image, subject.label, row, generator)
        rows.append({names[value]: pair for value, pair in row.items()})
    measured = tuple(counts)
    missing = (np.nan, np.nan)
    table = np.array([[row.get(name, missing) for name in measured] for row in rows])
    histograms = np.array([counts[name] / max(1, counts[name].sum()) for name in measured])
    return Measured(measured, table[..., 0], table[..., 1], histograms, hounsfield)


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
    units = {"units": HOUNSFIELD_UNITS} if measured.is_hounsfield else {}
    fitted: JsonObject = {"source": source, "people": len(means), **units, "labels": labels}
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
    centres = (measured.edges[1:] + measured.edges[:-1]) / 2
    for axis in axes.ravel():
        axis.set_axis_off()
    for index, (axis, name) in enumerate(zip(axes.ravel(), names, strict=False)):
        axis.set_axis_on()
        axis.fill_between(centres, measured.histograms[index], step="mid", alpha=0.4, label="real")
        for one in painted:
            if name in one.names:
                line = one.histograms[one.names.index(name)]
                axis.step(centres, line, where="mid", color="tab:red", label="painted")
        if measured.is_hounsfield:  # air to metal: only the part with voxels shows anything
            axis.set_xlim(*_shown_range(centres, measured.histograms[index]))
            axis.locator_params(axis="x", nbins=4)
        axis.set_title(name.replace("_", " "), fontsize=9)
        axis.set_yticks([])
        if index == 0:
            axis.legend(fontsize=7)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _shown_range(centres: np.ndarray, histogram: np.ndarray) -> tuple[float, float]:
    """Return where the middle 98 % of a histogram lie, with a margin of half of that."""
    low, high = np.interp((0.01, 0.99), np.cumsum(histogram), centres)
    margin = max(40.0, (high - low) / 2)
    return float(low - margin), float(high + margin)
