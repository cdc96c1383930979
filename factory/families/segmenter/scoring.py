"""Scores of a segmenter on held-out subjects: the agreement of each structure with its label."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factory.families.segmenter.inference import VolumeSegmenter
from factory.imaging.pictures import draw_image_rows
from factory.metrics.overlap import dice, hausdorff_95_mm, mean_surface_mm, volume_error
from factory.storage.subjects.channels import first_channel
from factory.storage.subjects.types import Subject


def evaluate(folder: Path, subjects: list[Subject], output: Path) -> pd.DataFrame:
    """Score a model on subjects; those without an image are left out.

    Writes segmenter.csv and segmenter.png into output.

    Args:
        folder: The model folder.
        subjects: Subjects with labels and images.
        output: Where the table and the picture are written.

    Returns:
        A row for each structure and subject, then the means over the subjects.

    Raises:
        WeightsError: The folder holds no usable segmenter.
    """
    segmenter = VolumeSegmenter(folder, torch.device("cpu"))
    rows, pairs = [], []
    for subject in subjects:
        if subject.image is None:
            continue
        segmented = segmenter.segment(subject.image, subject.label)
        rows += structure_scores(subject, segmented)
        pairs.append((subject, segmented))
    table = pd.DataFrame(rows)
    means = table.groupby("structure", sort=False).mean(numeric_only=True).reset_index()
    table = pd.concat([table, means.assign(subject="mean")], ignore_index=True)
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "segmenter.csv", index=False)
    draw_picture(output / "segmenter.png", pairs)
    return table


def structure_scores(subject: Subject, segmented: np.ndarray) -> list[dict[str, float | str]]:
    """Compare a segmentation with a subject's label map: one row for each structure."""
    spacing_mm = subject.grid.spacing
    rows: list[dict[str, float | str]] = []
    for value, name in enumerate(subject.table.names[1:], start=1):
        a, b = segmented == value, subject.label == value
        rows.append(
            {
                "subject": subject.id,
                "structure": name,
                "dice": dice(a, b),
                "volume_error": volume_error(a, b),
                "surface_mm": mean_surface_mm(a, b, spacing_mm),
                "hausdorff_95_mm": hausdorff_95_mm(a, b, spacing_mm),
            }
        )
    return rows


def draw_picture(path: Path, pairs: list[tuple[Subject, np.ndarray]]) -> None:
    """Draw the middle axial slice of each subject: image, label, segmentation and difference.

    Args:
        path: The PNG file.
        pairs: Subjects with their segmentations.
    """
    columns = []
    side = max(max(subject.label.shape) for subject, _ in pairs)
    for subject, segmented in pairs:
        assert subject.image is not None
        z = round(float(np.flatnonzero(subject.label.any(axis=(1, 2))).mean()))
        volumes = (first_channel(subject.image), subject.label, segmented)
        columns.append([pad_to_square(volume[z], side) for volume in volumes])
    image, label, labelled = (np.stack(planes) for planes in zip(*columns, strict=True))
    image = image / image.max(axis=(1, 2), keepdims=True)
    highest = float(label.max())
    rows = [
        (f"image: {', '.join(s.id for s, _ in pairs)}", image, "gray", 0.0, 1.0),
        ("label", label, "nipy_spectral", 0.0, highest),
        ("segmented", labelled, "nipy_spectral", 0.0, highest),
        ("where they differ", (label != labelled).astype(float), "gray", 0.0, 1.0),
    ]
    draw_image_rows(path, rows)


def pad_to_square(plane: np.ndarray, side: int) -> np.ndarray:
    """Centre a plane in a square of zeros."""
    margins = [side - n for n in plane.shape]
    return np.pad(plane, [(m // 2, m - m // 2) for m in margins])
