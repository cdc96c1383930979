"""Pictures of samples for the page: each its planes, plain and with label edges, on black.

Samples are read one at a time; what is kept of each are the planes that are shown.
"""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from factory.datasets.montage.drawing import draw_edges
from factory.datasets.montage.montage import bounding_box, make_sample_panels, slice_centre
from factory.datasets.montage.panels import Panel, make_stack_panels
from factory.errors import FactoryError
from factory.storage.dataset.dataset import Dataset
from factory.storage.subjects.head_ultrasound import HEAD
from factory.storage.subjects.short_axis import HEART

WIDTH = 6.0
"""Inches of a picture of three planes; of a single slice's panels as many as there are."""

DPI = 120
EDGES = 1.1  # points
WIDEST = 1400
"""Pixels that a picture of an evaluation may have; wider ones are made smaller."""

_LEAST = 1e-6
_TITLE = 0.22  # inches


@dataclass(frozen=True)
class Shown:
    """A sample's planes in rows, what its intensities reach inside its labels, its spacing in mm
    (z, y, x) and its row of the table of cases."""

    index: int
    rows: list[list[Panel]]
    bright: float
    spacing_mm: tuple[float, ...]
    columns: Mapping[str, Any]


def shown(dataset: Dataset, indices: Iterable[int]) -> dict[int, Shown]:
    """The planes of some samples. Raises DatasetError where one cannot be read."""
    return {index: _shown(dataset, index) for index in dict.fromkeys(indices)}


def _shown(dataset: Dataset, index: int) -> Shown:
    sample, names = dataset.sample(index), dataset.layout.table.names
    image, label = sample.arrays["image"], sample.arrays["label"]
    inside = image[label > 0] if label.any() else image
    centre = slice_centre(label, names.index("ventricles") if "ventricles" in names else None)
    box = bounding_box(label > 0)
    panels = make_sample_panels(sample, centre, box, names == HEAD.names)
    if len(image) == 1:
        rows = [panels]
    elif names == HEART.names:
        rows = _slices(
            image, label, box, (float(sample.spacing_mm[1]), float(sample.spacing_mm[2]))
        )
    else:
        rows = [panels[::2], panels[1::2]]
        if scanned := make_stack_panels(sample, centre, box):
            rows.append(scanned)
    # copies, so that the volumes that they are cut from can go
    kept = [[Panel(p.title, p.image.copy(), p.pixel, None if p.label is None else p.label.copy())
             for p in row] for row in rows]  # fmt: skip
    spacing = tuple(float(mm) for mm in sample.spacing_mm)
    return Shown(index, kept, float(np.quantile(inside, 0.998)), spacing, sample.columns)


def _slices(
    image: np.ndarray, label: np.ndarray, box: tuple[slice, ...], pixel: tuple[float, float]
) -> list[list[Panel]]:
    """Of a stack, whose slices lie far apart, three of them instead of cuts across: near the apex,
    in the middle and near the base; turned as the planes of a montage are."""
    full = np.flatnonzero((label > 0).any(axis=(1, 2)))
    first, last = (full[0], full[-1]) if full.size else (0, len(image) - 1)
    plain, edged = [], []
    for share in (0.2, 0.5, 0.8):
        z = round(first + share * (last - first))
        title = f"slice {z + 1} of {len(image)}"
        seen, edges = (a[z, box[1], box[2]][::-1, ::-1] for a in (image, label))
        plain.append(Panel(title, seen, pixel))
        edged.append(Panel(title, seen, pixel, edges))
    return [plain, edged]


def white(samples: Iterable[Shown]) -> float:
    """One intensity for white in every picture: what the middle sample reaches."""
    reached = [one.bright for one in samples]
    return max(float(np.median(reached)), _LEAST) if reached else 1.0


def drawn(one: Shown, colours: Sequence[tuple[int, int, int]], brightest: float) -> str:
    """A sample's picture as a data URI."""
    width = WIDTH if len(one.rows) > 1 else WIDTH / 3 * len(one.rows[0])
    usual = width / max(sum(p.size_mm[1] for p in row) for row in one.rows[:2])
    scales = [min(usual, width / sum(p.size_mm[1] for p in row)) for row in one.rows]
    heights = [
        max(p.size_mm[0] for p in row) * scale for row, scale in zip(one.rows, scales, strict=True)
    ]
    titles = [_TITLE if i != 1 else 0.0 for i in range(len(one.rows))]  # edges: as above them
    total = sum(heights) + sum(titles)
    figure = Figure(figsize=(width, total), facecolor="black")
    FigureCanvasAgg(figure)
    top = total
    for row, scale, height, title in zip(one.rows, scales, heights, titles, strict=True):
        top -= title + height
        gap = width - sum(p.size_mm[1] for p in row) * scale
        left = gap / 2
        for panel in row:
            h, w = (mm * scale for mm in panel.size_mm)
            place = (left / width, (top + (height - h) / 2) / total, w / width, h / total)
            axes = figure.add_axes(place)
            axes.axis("off")
            axes.imshow(panel.image, cmap="gray", vmin=0, vmax=brightest, aspect="auto",
                        interpolation="bilinear")  # fmt: skip
            if panel.label is not None:
                draw_edges(axes, panel.label, tuple(colours), EDGES)
            if title:
                middle = (left + w / 2) / width
                figure.text(middle, (top + height + 0.06) / total, panel.title, color="0.8",
                            fontsize=10, ha="center")  # fmt: skip
            left += w
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=DPI, facecolor="black", pil_kwargs={"optimize": True})
    return _data(written.getvalue())


def embedded(path: Path) -> str:
    """A picture file as a data URI, no wider than WIDEST. Raises FactoryError for one that cannot
    be read."""
    try:
        with Image.open(path) as image:
            image.load()
            if image.width > WIDEST:
                image.thumbnail((WIDEST, 10 * WIDEST))
            written = io.BytesIO()
            image.save(written, "PNG", optimize=True)
    except (OSError, ValueError, SyntaxError) as error:  # Pillow's for a broken PNG
        raise FactoryError(f"{path}: cannot read the picture: {error}") from error
    return _data(written.getvalue())


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
