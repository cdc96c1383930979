"""How well a segmenter does on held-out subjects: each structure's agreement with its label."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factory.families.segmenter.inference import VolumeSegmenter
from factory.imaging.pictures import picture_rows
from factory.metrics.overlap import dice, hausdorff_95_mm, mean_surface_mm, volume_error
from factory.storage.subjects.types import Subject


def evaluate(folder: Path, subjects: list[Subject], output: Path) -> pd.DataFrame:
    """A row a structure and subject, and the means over subjects. Writes segmenter.csv and
    segmenter.png to output. Raises WeightsError."""
    segmenter = VolumeSegmenter(folder, torch.device("cpu"))
    rows, shown = [], []
    for subject in subjects:
        if subject.image is None:
            continue
        made = segmenter.segment(subject.image, subject.label)
        rows += scores(subject, made)
        shown.append((subject, made))
    every = pd.DataFrame(rows)
    means = every.groupby("structure", sort=False).mean(numeric_only=True).reset_index()
    table = pd.concat([every, means.assign(subject="mean")], ignore_index=True)
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "segmenter.csv", index=False)
    picture(output / "segmenter.png", shown)
    return table


def scores(subject: Subject, made: np.ndarray) -> list[dict[str, float | str]]:
    """A row a structure of one subject."""
    spacing = subject.grid.spacing
    rows: list[dict[str, float | str]] = []
    for value, name in enumerate(subject.table.names[1:], start=1):
        a, b = made == value, subject.label == value
        rows.append(
            {
                "subject": subject.id,
                "structure": name,
                "dice": dice(a, b),
                "volume_error": volume_error(a, b),
                "surface_mm": mean_surface_mm(a, b, spacing),
                "hausdorff_95_mm": hausdorff_95_mm(a, b, spacing),
            }
        )
    return rows


def picture(path: Path, shown: list[tuple[Subject, np.ndarray]]) -> None:
    """A subject a row: the middle axial slice, its labels, what they were taken for, and where the
    two differ."""
    columns = []
    side = max(max(subject.label.shape) for subject, _ in shown)
    for subject, made in shown:
        assert subject.image is not None
        z = round(float(np.flatnonzero(subject.label.any(axis=(1, 2))).mean()))
        columns.append([_square(a[z], side) for a in (subject.image, subject.label, made)])
    image, label, made = (np.stack(c) for c in zip(*columns, strict=True))
    image = image / image.max(axis=(1, 2), keepdims=True)
    most = float(label.max())
    rows = [
        (f"image: {', '.join(s.id for s, _ in shown)}", image, "gray", 0.0, 1.0),
        ("label", label, "nipy_spectral", 0.0, most),
        ("segmented", made, "nipy_spectral", 0.0, most),
        ("where they differ", (label != made).astype(float), "gray", 0.0, 1.0),
    ]
    picture_rows(path, rows)


def _square(plane: np.ndarray, side: int) -> np.ndarray:
    """A plane in the middle of a square of zeros."""
    room = [side - n for n in plane.shape]
    return np.pad(plane, [(r // 2, r - r // 2) for r in room])
