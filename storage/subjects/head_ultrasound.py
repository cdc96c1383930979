"""Fetal heads in ultrasound, in the layout of the HC18 challenge.

pixel_size_and_HC.csv       filename, pixel size(mm), head circumference (mm); one row an image
NNN_HC.png                  the image; NNN_2HC.png, …: further images of the same fetus
NNN_HC_Annotation.png       the head's outline: an ellipse one pixel wide

A subject is one plane [1, y, x] in the frame of factory.storage.subjects.head_frame: the head is
upright, of one length, with the inside of its ellipse as the label and black outside. The grid's
spacing is the width in mm of a pixel of the frame in that head. Which end of y is the front, and
which side of x the left, is not known.
"""

import csv
import math
from pathlib import Path

import numpy as np

from factory.storage.errors import SubjectError
from factory.storage.subjects.head_frame import (
    SIDE,
    fit_ellipse,
    frame_mask,
    frame_pixel_width,
    resample_to_frame,
)
from factory.storage.subjects.pictures import read_drawing, read_grey
from factory.storage.subjects.records import UltrasoundRecord
from factory.storage.subjects.types import Grid, LabelTable, Subject

HEAD = LabelTable(names=("background", "head"), colours=((0, 0, 0), (86, 180, 233)))

TABLE = "pixel_size_and_HC.csv"
NAME_COLUMN, PIXEL_SIZE_COLUMN, CIRCUMFERENCE_COLUMN = (
    "filename",
    "pixel size(mm)",
    "head circumference (mm)",
)
MAX_RESIDUAL_PIXELS = 3.0
"""How far an outline may lie from an ellipse, root mean square."""

CIRCUMFERENCE_TOLERANCE = 0.1
"""How much the circumferences of outline and table may differ: a larger difference is another
unit."""


def list_head_ultrasounds(
    root: str | Path, circumference_mm: tuple[float, float] = (0.0, math.inf)
) -> list[UltrasoundRecord]:
    """List the records of a folder's images, sorted by id; no image is read.

    Args:
        root: The folder.
        circumference_mm: The smallest and the largest head to list.

    Raises:
        SubjectError: Where the table or a file is missing, a row cannot be read, or no head is of
            the requested size.
    """
    root = Path(root)
    path = root / TABLE
    if not path.is_file():
        raise SubjectError(f"{path}: no such file, so this is not a folder of head ultrasounds")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if missing := {NAME_COLUMN, PIXEL_SIZE_COLUMN, CIRCUMFERENCE_COLUMN} - set(
            reader.fieldnames or ()
        ):
            raise SubjectError(f"{path}: needs the column {', '.join(sorted(missing))}")
        records = [_read_record(root, row, line) for line, row in enumerate(reader, start=2)]
    low, high = circumference_mm
    selected = [r for r in records if low <= r["circumference_mm"] <= high]
    if not selected:
        sizes = [r["circumference_mm"] for r in records]
        span = f"; they span {min(sizes):g} to {max(sizes):g} mm" if sizes else ""
        raise SubjectError(f"{path}: no head of {low:g} to {high:g} mm{span}")
    return sorted(selected, key=lambda r: r["id"])


def _read_record(root: Path, row: dict[str, str], line: int) -> UltrasoundRecord:
    """Return the record of a row of the table; `line` is for errors."""
    name = Path(row[NAME_COLUMN] or "").stem
    image, outline = root / f"{name}.png", root / f"{name}_Annotation.png"
    for path in (image, outline):
        if not path.is_file():
            raise SubjectError(f"{path}: no such file, though {TABLE} names it")

    def read_mm(column: str) -> float:
        try:
            size = float(row[column])
        except (TypeError, ValueError):
            size = math.nan
        if not 0 < size < math.inf:
            raise SubjectError(
                f"{root / TABLE}: line {line}: {column} {row[column]!r}; allowed: mm above 0"
            )
        return size

    return {
        "source": "ultrasound",
        "id": name,
        "person": name.partition("_")[0],
        "image": str(image),
        "outline": str(outline),
        "pixel_mm": read_mm(PIXEL_SIZE_COLUMN),
        "circumference_mm": read_mm(CIRCUMFERENCE_COLUMN),
    }


def load_head_ultrasound(record: UltrasoundRecord) -> Subject:
    """Load the subject of a record; its image is in [0, 1].

    Raises:
        SubjectError: Naming the file, where it cannot be read, image and outline differ in shape,
            the outline is no ellipse, or its circumference is not that of the table.
    """
    image, outline = read_grey(record["image"]), read_drawing(record["outline"])
    if image.shape != outline.shape:
        raise SubjectError(
            f"{record['image']}: the image has {image.shape} pixels, but its outline "
            f"{outline.shape}"
        )
    try:
        ellipse, residual = fit_ellipse(outline)
    except ValueError as error:
        raise SubjectError(f"{record['outline']}: {error}; allowed: one ellipse") from None
    if residual > MAX_RESIDUAL_PIXELS:
        raise SubjectError(
            f"{record['outline']}: the outline strays {residual:.1f} pixels from an ellipse; "
            f"allowed: at most {MAX_RESIDUAL_PIXELS:g}"
        )
    outline_mm = ellipse.circumference * record["pixel_mm"]
    table_mm = record["circumference_mm"]
    if abs(outline_mm / table_mm - 1) > CIRCUMFERENCE_TOLERANCE:
        raise SubjectError(
            f"{record['outline']}: the head is {outline_mm:.4g} mm round by its pixel size, but "
            f"{table_mm:.4g} mm by its circumference in {TABLE}; allowed: within "
            f"{CIRCUMFERENCE_TOLERANCE:.0%} of each other"
        )
    label = frame_mask(ellipse)[None]
    mm = frame_pixel_width(ellipse) * record["pixel_mm"]
    grid = Grid.centred((1, SIDE, SIDE), (mm, mm, mm))
    metadata = {"person": record["person"], "circumference_mm": record["circumference_mm"]}
    grey = resample_to_frame(image, ellipse)[None] / np.iinfo(image.dtype).max
    pixels = np.where(label, grey, 0).astype(np.float32)
    return Subject(record["id"], label.astype(np.uint8), grid, HEAD, pixels, metadata)
