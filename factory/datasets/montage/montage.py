"""Drawing a montage: samples of one subject, in three planes, with and without label edges."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from factory.datasets.montage.drawing import draw_legend, draw_sheet
from factory.datasets.montage.panels import Panel, make_stack_panels
from factory.datasets.structures import SliceLabels, slice_labels
from factory.errors import FactoryError
from factory.imaging.boxes import bounding_box
from factory.storage.dataset.open import open_dataset
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.errors import DatasetError
from factory.storage.subjects.head_ultrasound import HEAD

if TYPE_CHECKING:
    import pandas as pd

ROWS = 8
"""The largest number of samples in a picture."""

_MARGIN = 4  # voxels around the labels


def draw_montage(
    path: str, png: str | os.PathLike[str], *, subject: str | None = None
) -> list[int]:
    """Draw some samples of a dataset into a PNG file, and return their indices.

    The samples are the grades, or variants, of one subject, one in each row; where groups are
    painted differently, some of those of a subject of each appearance. The planes are the
    same in every row: axial, coronal and sagittal slices through the centre of the ventricles of
    the first row (the sagittal one through the right ventricle), or of what the recipe edits, each
    without and with the edges of the labels. Of an image of several channels the first is shown,
    and named. Two planes of each scanned stack follow. Axial and coronal planes are radiological:
    the patient's right is on the left of the picture.

    Args:
        path: The folder or URL of the dataset.
        png: The file to write.
        subject: The subject; by default the one with the most grades or variants.

    Raises:
        DatasetError: The dataset has no samples yet, or not this subject.
        FactoryError: The picture cannot be written.
    """
    dataset = open_dataset(path)
    indices = _choose_samples(dataset.cases(), subject, path)
    samples = [dataset.sample(i).first_channels() for i in indices]
    table = dataset.layout.table
    labels = [sample.arrays["label"] for sample in samples]
    intensities = np.concatenate(
        [s.arrays["image"][s.arrays["label"] > 0] for s in samples if s.arrays["label"].any()]
        or [np.ones(1, np.float32)]
    )
    white = float(np.quantile(intensities, 0.998))
    recipe = dataset.record.get("recipe", {}).get("resolved", {})
    centre = slice_centre(labels[0], slice_labels(table, recipe))
    box = visible_box(np.any(np.stack(labels) > 0, axis=0))
    head = table.names == HEAD.names
    panels = [
        [*make_sample_panels(sample, centre, box, head), *make_stack_panels(sample, centre, box)]
        for sample in samples
    ]
    figure = draw_sheet(samples, panels, table.colours, white, table.names)
    draw_legend(figure, path, dataset.layout)
    try:
        Path(png).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(png, dpi=150, facecolor="black", format="png")
    except OSError as error:
        raise FactoryError(
            f"{os.fspath(png)}: cannot write the picture: {error.strerror}"
        ) from error
    return indices


def _choose_samples(cases: "pd.DataFrame", subject: str | None, path: str) -> list[int]:
    """Choose the samples to draw.

    They are the grades of a subject in order; its variants if there are no grades; or the first
    sample of each subject if neither varies. Of several appearances each has some.
    """
    if not len(cases):
        raise DatasetError(f"{path}: no sample is finished yet, so there is nothing to draw")
    if subject is not None and subject not in set(cases["subject"]):
        names = ", ".join(list(dict.fromkeys(cases["subject"]))[:5])
        raise DatasetError(f"{path}: no subject {subject!r}; it has {names}, ...")
    looks = cases["appearance"].dropna().unique() if "appearance" in cases else ()
    if subject is None and len(looks) > 1:
        rows = max(1, ROWS // len(looks))
        by_look = (cases[cases["appearance"] == look] for look in looks[:ROWS])
        chosen_samples = (_choose_samples_alike(each, None) for each in by_look)
        return [index for indices in chosen_samples for index in _evenly(indices, rows)]
    return _choose_samples_alike(cases, subject)


def _evenly(indices: list[int], count: int) -> list[int]:
    """Return some of a list, from its first to its last, evenly spaced."""
    if len(indices) <= count:
        return indices
    return [indices[i] for i in np.linspace(0, len(indices) - 1, count).round().astype(int)]


def _choose_samples_alike(cases: "pd.DataFrame", subject: str | None) -> list[int]:
    """Choose samples of one appearance; see `_choose_samples`."""
    if subject is None:
        if "grade" in cases:
            grades = cases.groupby("subject", sort=False)["grade"].nunique()
            subject = str(grades.idxmax())
            if grades.max() == 1:  # grades are random, not swept: one sample of each
                return [
                    int(i) for i in cases.drop_duplicates("grade").sort_values("grade")["sample"]
                ][:ROWS]
        else:
            variants = cases.groupby("subject", sort=False)["variant"].nunique()
            subject = str(variants.idxmax())
            if variants.max() == 1:
                return [int(i) for i in cases.drop_duplicates("subject")["sample"][:ROWS]]
    samples = cases[cases["subject"] == subject]
    if "grade" in samples:
        samples = samples.drop_duplicates("grade").sort_values("grade")
    else:
        samples = samples.drop_duplicates("variant")
    return [int(i) for i in samples["sample"][:ROWS]]


def visible_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Return the box of a volume to show: that of a mask, with a margin; all if it is empty."""
    if not mask.any():
        return tuple(slice(0, n) for n in mask.shape)
    return tuple(
        slice(max(0, side.start - _MARGIN), min(n, side.stop + _MARGIN))
        for side, n in zip(bounding_box(mask), mask.shape, strict=True)
    )


def slice_centre(label: np.ndarray, through: SliceLabels) -> tuple[int, int, int]:
    """Return the voxel (z, y, x) through which to slice.

    It is the centre of some labels; of two sides along x that of their right half. Without them it
    is the centre of all labels.

    Args:
        label: Labels [z, y, x].
        through: The labels, e.g. the ventricles.
    """
    mask = np.isin(label, through.values) if through.values else label > 0
    if not mask.any():
        mask = label > 0
    if not mask.any():
        return label.shape[0] // 2, label.shape[1] // 2, label.shape[2] // 2
    z, y, x = np.nonzero(mask)
    right = x[x > x.mean()] if through.has_two_sides else x
    return round(z.mean()), round(y.mean()), round(float(right.mean() if right.size else x.mean()))


def _orthogonal_planes(
    volume: np.ndarray, centre: tuple[int, int, int], box: tuple[slice, ...]
) -> list[np.ndarray]:
    """Return the axial, coronal and sagittal plane, with the first row at the top.

    The axes of volumes run from inferior to superior, posterior to anterior, left to right. In the
    planes superior is up; anterior is up in the axial plane, and left in the sagittal one.
    """
    z, y, x = centre
    axial = volume[z, box[1], box[2]][::-1, ::-1]
    coronal = volume[box[0], y, box[2]][::-1, ::-1]
    sagittal = volume[box[0], box[1], x][::-1, ::-1]
    return [axial, coronal, sagittal]


def make_sample_panels(
    sample: StoredSample, centre: tuple[int, int, int], box: tuple[slice, ...], head: bool
) -> list[Panel]:
    """Make the panels of a sample: each plane without, then with the edges of the labels.

    A sample of a single slice is shown whole, after the original image from which it was made.

    Args:
        sample: The sample.
        centre: The voxel (z, y, x) through which the planes go.
        box: The voxels (z, y, x) that are shown.
        head: Whether the sample is an ultrasound image of a head.
    """
    dz, dy, dx = sample.spacing_mm
    if len(sample.arrays["image"]) == 1:
        # The rows of ultrasound heads run from posterior to anterior, as in volumes.
        slices = {name: a[0, ::-1] if head else a[0] for name, a in sample.arrays.items()}
        names = [name for name in ("original", "image") if name in slices]
        plain = [Panel(name, slices[name], (dy, dx)) for name in names]
        return [*plain, Panel("image, labels", slices["image"], (dy, dx), slices["label"])]
    images, labels = (
        _orthogonal_planes(sample.arrays[name], centre, box) for name in ("image", "label")
    )
    panels = []
    for title, image, label, pixel in zip(
        ("axial", "coronal", "sagittal"),
        images,
        labels,
        ((dy, dx), (dz, dx), (dz, dy)),
        strict=True,
    ):
        panels += [Panel(title, image, pixel), Panel(f"{title}, labels", image, pixel, label)]
    return panels
