"""A picture of a dataset: a row a grade, three planes, the image plain and with label edges, and
what was scanned of it."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from factory.datasets.montage.drawing import draw_legend, draw_sheet
from factory.datasets.montage.panels import Panel, make_stack_panels
from factory.errors import FactoryError
from factory.storage.dataset.open import open_dataset
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.errors import DatasetError
from factory.storage.subjects.head_ultrasound import HEAD

ROWS = 8
_MARGIN = 4  # voxels about the brain


def draw_montage(
    path: str, png: str | os.PathLike[str], *, subject: str | None = None
) -> list[int]:
    """Draw a dataset into a PNG and give the samples drawn.

    One subject, by default the one with the most grades (or variants): a row each, at most ROWS.
    Axial, coronal and sagittal slices, the same in every row, through the centre of the first row's
    ventricles (the sagittal one through the right ventricle); each plain and with the edges of
    the labels; then of each stack the slice there and a cut across its slices. Axial and coronal
    are radiological: the patient's right on the picture's left.

    Raises DatasetError where nothing stands or the subject is not there, FactoryError where the
    picture cannot be written.
    """
    dataset = open_dataset(path)
    indices = _choose_samples(dataset.cases(), subject, path)
    samples = [dataset.sample(i) for i in indices]
    table = dataset.layout.table
    labels = [sample.arrays["label"] for sample in samples]
    inside = np.concatenate(
        [s.arrays["image"][s.arrays["label"] > 0] for s in samples if s.arrays["label"].any()]
        or [np.ones(1, np.float32)]
    )
    white = float(np.quantile(inside, 0.998))
    ventricles = table.names.index("ventricles") if "ventricles" in table.names else None
    centre = slice_centre(labels[0], ventricles)
    box = bounding_box(np.any(np.stack(labels) > 0, axis=0))
    head = table.names == HEAD.names
    panels = [
        [*make_sample_panels(sample, centre, box, head), *make_stack_panels(sample, centre, box)]
        for sample in samples
    ]
    figure = draw_sheet(samples, panels, table.colours, white)
    draw_legend(figure, path, table.names, table.colours, dataset.layout.shape[0] == 1)
    try:
        Path(png).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(png, dpi=150, facecolor="black", format="png")
    except OSError as error:
        raise FactoryError(
            f"{os.fspath(png)}: cannot write the picture: {error.strerror}"
        ) from error
    return indices


def _choose_samples(cases: Any, subject: str | None, path: str) -> list[int]:
    """The samples to draw: a subject's grades in order; its variants where there are no grades;
    the first of each subject where nothing varies."""
    if not len(cases):
        raise DatasetError(f"{path}: nothing stands yet, so there is nothing to draw")
    if subject is not None and subject not in set(cases["subject"]):
        names = ", ".join(list(dict.fromkeys(cases["subject"]))[:5])
        raise DatasetError(f"{path}: no subject {subject!r}; it has {names}, ...")
    if subject is None:
        if "grade" in cases:
            grades = cases.groupby("subject", sort=False)["grade"].nunique()
            subject = str(grades.idxmax())
            if grades.max() == 1:  # grades drawn, not swept: one sample of each
                return [
                    int(i) for i in cases.drop_duplicates("grade").sort_values("grade")["sample"]
                ][:ROWS]
        else:
            variants = cases.groupby("subject", sort=False)["variant"].nunique()
            subject = str(variants.idxmax())
            if variants.max() == 1:
                return [int(i) for i in cases.drop_duplicates("subject")["sample"][:ROWS]]
    chosen = cases[cases["subject"] == subject]
    if "grade" in chosen:
        chosen = chosen.drop_duplicates("grade").sort_values("grade")
    else:
        chosen = chosen.drop_duplicates("variant")
    return [int(i) for i in chosen["sample"][:ROWS]]


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The bounding box of a mask with a margin; everything where it is empty."""
    if not mask.any():
        return tuple(slice(0, n) for n in mask.shape)
    ends = [(int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask)]
    return tuple(
        slice(max(0, a - _MARGIN), min(n, b + _MARGIN))
        for (a, b), n in zip(ends, mask.shape, strict=True)
    )


def slice_centre(label: np.ndarray, ventricles: int | None) -> tuple[int, int, int]:
    """Where to slice: the centre of the ventricles, and of the right one along x."""
    mask = label == ventricles if ventricles is not None else label > 0
    if not mask.any():
        mask = label > 0
    if not mask.any():
        return label.shape[0] // 2, label.shape[1] // 2, label.shape[2] // 2
    z, y, x = np.nonzero(mask)
    right = x[x > x.mean()] if ventricles is not None else x
    return round(z.mean()), round(y.mean()), round(float(right.mean() if right.size else x.mean()))


def _orthogonal_planes(
    volume: np.ndarray, centre: tuple[int, int, int], box: tuple[slice, ...]
) -> list[np.ndarray]:
    """Axial, coronal, sagittal, as pictures whose first row is at the top.

    Arrays run inferior to superior, posterior to anterior, left to right. Superior is up, in the
    axial plane anterior is up, in the sagittal one anterior is left.
    """
    z, y, x = centre
    axial = volume[z, box[1], box[2]][::-1, ::-1]
    coronal = volume[box[0], y, box[2]][::-1, ::-1]
    sagittal = volume[box[0], box[1], x][::-1, ::-1]
    return [axial, coronal, sagittal]


def make_sample_panels(
    sample: StoredSample, centre: tuple[int, int, int], box: tuple[slice, ...], head: bool
) -> list[Panel]:
    """Each plane of the volume plain, then with the edges of the labels; of a single slice, which
    has no others across it, the whole, and first what it was drawn from."""
    dz, dy, dx = sample.spacing_mm
    if len(sample.arrays["image"]) == 1:
        # Heads in ultrasound run from posterior to anterior, as volumes do.
        shown = {name: a[0, ::-1] if head else a[0] for name, a in sample.arrays.items()}
        names = [name for name in ("original", "image") if name in shown]
        plain = [Panel(name, shown[name], (dy, dx)) for name in names]
        return [*plain, Panel("image, labels", shown["image"], (dy, dx), shown["label"])]
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
