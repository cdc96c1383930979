"""Fetal heads in ultrasound, in the layout of the HC18 challenge.

pixel_size_and_HC.csv       filename, pixel size(mm), head circumference (mm); one row an image
NNN_HC.png                  the image; NNN_2HC.png, …: further ones of the same fetus
NNN_HC_Annotation.png       the head's outline: an ellipse one pixel wide

A subject is one plane [1, y, x] in the frame of factory.storage.subjects.head_frame: the head
upright, of one length, black outside, labelled by its ellipse filled. Its spacing is what a pixel
of the frame is in mm of that head. Which end of y is the front, and which side of x the left, is
not known.
"""

import csv
import math
from pathlib import Path
from typing import Any

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
from factory.storage.subjects.types import Grid, LabelTable, Subject

HEAD = LabelTable(names=("background", "head"), colours=((0, 0, 0), (86, 180, 233)))

TABLE = "pixel_size_and_HC.csv"
NAME_COLUMN, PIXEL_SIZE_COLUMN, CIRCUMFERENCE_COLUMN = (
    "filename",
    "pixel size(mm)",
    "head circumference (mm)",
)
MAX_RESIDUAL_PIXELS = 3.0
"""Pixels by which an outline may stray, root mean square, from the ellipse it should be."""

CIRCUMFERENCE_TOLERANCE = 0.1
"""How far the drawn circumference may be from that of the table: more is another unit."""


def list_head_ultrasounds(
    root: str | Path, circumference_mm: tuple[float, float] = (0.0, math.inf)
) -> list[dict[str, Any]]:
    """Records of a folder's images, sorted by id; no image is read.

    circumference_mm: the least and the largest head wanted. A record is plain JSON for
    load_subject: {"source": "ultrasound", "id", "person", "image", "outline",
    "pixel_mm", "circumference_mm"}.
    Raises SubjectError where the table or a file is missing, a row cannot be read, or no head is
    of the size wanted.
    """
    root = Path(root)
    path = root / TABLE
    if not path.is_file():
        raise SubjectError(f"{path}: no such file, so not a folder of head ultrasounds")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if missing := {NAME_COLUMN, PIXEL_SIZE_COLUMN, CIRCUMFERENCE_COLUMN} - set(
            reader.fieldnames or ()
        ):
            raise SubjectError(f"{path}: needs the column {', '.join(sorted(missing))}")
        records = [_read_record(root, row, line) for line, row in enumerate(reader, start=2)]
    low, high = circumference_mm
    wanted = [r for r in records if low <= r["circumference_mm"] <= high]
    if not wanted:
        sizes = [r["circumference_mm"] for r in records]
        there = f"; they span {min(sizes):g} to {max(sizes):g} mm" if sizes else ""
        raise SubjectError(f"{path}: no head of {low:g} to {high:g} mm{there}")
    return sorted(wanted, key=lambda r: r["id"])


def _read_record(root: Path, row: dict[str, str], line: int) -> dict[str, Any]:
    name = Path(row[NAME_COLUMN] or "").stem
    image, outline = root / f"{name}.png", root / f"{name}_Annotation.png"
    for path in (image, outline):
        if not path.is_file():
            raise SubjectError(f"{path}: no such file, though {TABLE} names it")
    sizes = {}
    for key, column in (
        ("pixel_mm", PIXEL_SIZE_COLUMN),
        ("circumference_mm", CIRCUMFERENCE_COLUMN),
    ):
        try:
            sizes[key] = float(row[column])
        except (TypeError, ValueError):
            sizes[key] = math.nan
        if not 0 < sizes[key] < math.inf:
            raise SubjectError(
                f"{root / TABLE}: line {line}: {column} {row[column]!r}; allowed: mm above 0"
            )
    return {
        "source": "ultrasound",
        "id": name,
        "person": name.partition("_")[0],
        "image": str(image),
        "outline": str(outline),
        **sizes,
    }


def load_head_ultrasound(record: dict[str, Any]) -> Subject:
    """The Subject of a record, image in [0, 1].

    Raises SubjectError, naming the file, where one cannot be read, the two differ in shape, the
    outline is no ellipse, or not as long round as the table says.
    """
    image, outline = read_grey(record["image"]), read_drawing(record["outline"])
    if image.shape != outline.shape:
        raise SubjectError(
            f"{record['image']}: {image.shape} pixels, but its outline {outline.shape}"
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
    drawn, told = ellipse.circumference * record["pixel_mm"], record["circumference_mm"]
    if abs(drawn / told - 1) > CIRCUMFERENCE_TOLERANCE:
        raise SubjectError(
            f"{record['outline']}: the head is {drawn:.4g} mm round by its pixel size, {told:.4g} "
            f"mm by its circumference in {TABLE}; allowed: within {CIRCUMFERENCE_TOLERANCE:.0%} "
            "of one another"
        )
    label = frame_mask(ellipse)[None]
    mm = frame_pixel_width(ellipse) * record["pixel_mm"]
    grid = Grid.centred((1, SIDE, SIDE), (mm, mm, mm))
    about = {key: record[key] for key in ("person", "circumference_mm")}
    grey = resample_to_frame(image, ellipse)[None] / np.iinfo(image.dtype).max
    pixels = np.where(label, grey, 0).astype(np.float32)
    return Subject(record["id"], label.astype(np.uint8), grid, HEAD, pixels, about)
