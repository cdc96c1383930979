"""Pictures of samples for the page: the planes of each, plain and with label edges, on black.

Samples are read one at a time, and only the planes that are shown are kept in memory.
"""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from factory.datasets.montage.drawing import draw_edges
from factory.datasets.montage.montage import make_sample_panels, slice_centre, visible_box
from factory.datasets.montage.panels import Panel, make_stack_panels
from factory.datasets.structures import slice_labels
from factory.errors import FactoryError
from factory.storage.dataset.dataset import Dataset
from factory.storage.json_value import JsonValue
from factory.storage.subjects.head_ultrasound import HEAD
from factory.storage.subjects.short_axis import HEART

WIDTH = 6.0
"""Inches of a picture three planes wide; that of a single slice has the width of its panels."""

DPI = 120
EDGE_POINTS = 1.1
"""Line width of label edges."""

WIDEST = 1400
"""Most pixels in the width of an evaluation's picture; wider ones are reduced."""

_LEAST_WHITE = 1e-6
_TITLE_INCHES = 0.22


@dataclass(frozen=True)
class SamplePlanes:
    """The planes of one sample.

    Attributes:
        index: The sample's index.
        rows: Its panels in rows.
        bright: The intensity that its brightest tissue reaches.
        spacing_mm: Spacing (z, y, x).
        columns: Its row of the table of cases.
    """

    index: int
    rows: list[list[Panel]]
    bright: float
    spacing_mm: tuple[float, ...]
    columns: Mapping[str, JsonValue]


def read_sample_planes(dataset: Dataset, indices: Iterable[int]) -> dict[int, SamplePlanes]:
    """Read the planes of some samples, by their indices.

    Raises:
        DatasetError: If a sample cannot be read.
    """
    return {index: _read_sample_planes(dataset, index) for index in dict.fromkeys(indices)}


def _read_sample_planes(dataset: Dataset, index: int) -> SamplePlanes:
    sample, table = dataset.sample(index).first_channels(), dataset.layout.table
    names, recipe = table.names, dataset.record.get("recipe", {}).get("resolved", {})
    image, label = sample.arrays["image"], sample.arrays["label"]
    inside = image[label > 0] if label.any() else image
    centre = slice_centre(label, slice_labels(table, recipe))
    box = visible_box(label > 0)
    panels = make_sample_panels(sample, centre, box, names == HEAD.names)
    spacing_mm = tuple(float(mm) for mm in sample.spacing_mm)
    if len(image) == 1:
        rows = [panels]
    elif names == HEART.names:
        rows = _stack_slices(image, label, box, (spacing_mm[1], spacing_mm[2]))
    else:
        rows = [panels[::2], panels[1::2]]
        if scanned := make_stack_panels(sample, centre, box):
            rows.append(scanned)
    copies = [[_copy_panel(panel) for panel in row] for row in rows]
    bright = float(np.quantile(inside, 0.998))
    return SamplePlanes(index, copies, bright, spacing_mm, sample.columns)


def _copy_panel(panel: Panel) -> Panel:
    """Return a panel that does not keep the volume in memory from which it was cut."""
    label = None if panel.label is None else panel.label.copy()
    return Panel(panel.title, panel.image.copy(), panel.pixel_mm, label)


def _stack_slices(
    image: np.ndarray, label: np.ndarray, box: tuple[slice, ...], pixel_mm: tuple[float, float]
) -> list[list[Panel]]:
    """Return three slices of a stack, plain and with label edges.

    Slices of a stack lie too far apart to cut across them. One is near the apex, one in the middle,
    one near the base; they are rotated like the planes of a montage.
    """
    labelled = np.flatnonzero((label > 0).any(axis=(1, 2)))
    first, last = (labelled[0], labelled[-1]) if labelled.size else (0, len(image) - 1)
    plain, with_edges = [], []
    for share in (0.2, 0.5, 0.8):
        z = round(first + share * (last - first))
        title = f"slice {z + 1} of {len(image)}"
        plane, edges = (array[z, box[1], box[2]][::-1, ::-1] for array in (image, label))
        plain.append(Panel(title, plane, pixel_mm))
        with_edges.append(Panel(title, plane, pixel_mm, edges))
    return [plain, with_edges]


def white_level(samples: Iterable[SamplePlanes]) -> float:
    """Return the intensity that is white in every picture: the median of the brightest tissue."""
    brightest = [sample.bright for sample in samples]
    return max(float(np.median(brightest)), _LEAST_WHITE) if brightest else 1.0


def draw_sample(sample: SamplePlanes, colours: Sequence[tuple[int, int, int]], white: float) -> str:
    """Draw a sample's planes; return the picture as a data URI.

    Args:
        sample: The planes.
        colours: The colour of each label's edges.
        white: The intensity that is white.
    """
    rows = sample.rows
    width = WIDTH if len(rows) > 1 else WIDTH / 3 * len(rows[0])
    widths_mm = [sum(panel.size_mm[1] for panel in row) for row in rows]
    usual_scale = width / max(widths_mm[:2])
    scales = [min(usual_scale, width / width_mm) for width_mm in widths_mm]  # inches a mm
    heights = [
        max(panel.size_mm[0] for panel in row) * scale
        for row, scale in zip(rows, scales, strict=True)
    ]
    # the second row, with edges, shows the planes of the first under the same titles
    titles = [0.0 if number == 1 else _TITLE_INCHES for number in range(len(rows))]
    total = sum(heights) + sum(titles)
    figure = Figure(figsize=(width, total), facecolor="black")
    FigureCanvasAgg(figure)
    top = total
    for row, scale, height, title in zip(rows, scales, heights, titles, strict=True):
        top -= title + height
        x = (width - sum(panel.size_mm[1] for panel in row) * scale) / 2
        for panel in row:
            h, w = (mm * scale for mm in panel.size_mm)
            rectangle = (x / width, (top + (height - h) / 2) / total, w / width, h / total)
            axes = figure.add_axes(rectangle)
            axes.axis("off")
            axes.imshow(panel.image, cmap="gray", vmin=0, vmax=white, aspect="auto",
                        interpolation="bilinear")  # fmt: skip
            if panel.label is not None:
                draw_edges(axes, panel.label, tuple(colours), EDGE_POINTS)
            if title:
                middle = (x + w / 2) / width
                figure.text(middle, (top + height + 0.06) / total, panel.title, color="0.8",
                            fontsize=10, ha="center")  # fmt: skip
            x += w
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, facecolor="black", pil_kwargs={"optimize": True})
    return _data_uri(file.getvalue())


def embed_picture(path: Path) -> str:
    """Return a picture file as a data URI, at most WIDEST pixels wide.

    Raises:
        FactoryError: If it cannot be read.
    """
    try:
        with Image.open(path) as image:
            image.load()
            if image.width > WIDEST:
                image.thumbnail((WIDEST, 10 * WIDEST))
            file = io.BytesIO()
            image.save(file, "PNG", optimize=True)
    except (OSError, ValueError, SyntaxError) as error:  # Pillow raises these for a broken PNG
        raise FactoryError(f"{path}: cannot read the picture: {error}") from error
    return _data_uri(file.getvalue())


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
