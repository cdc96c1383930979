"""Hearts as short-axis stacks: thick slices, a few a heart, in the layout of the M&Ms challenge.

participants.csv            External code, VendorName, …
ID/ID_ED_sa.nii.gz          the image at end diastole (ES: at end systole)
ID/ID_ED_sa_gt.nii.gz       its labels: 1 LV blood pool, 2 LV myocardium, 3 RV blood pool

Stacks keep their slices and the spacing between them; only their planes are resampled, and cropped
to a square about the heart. Their [z, y, x] is the scanner's own frame, not the world's: z runs
from the apex to the base whichever way the file has it, since stacks are told slice by slice.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from factory.storage.errors import SubjectError
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.label_resampling import (
    SAME_SPACING,
    SMOOTHING,
    align_middle,
    nearly_same_spacing,
    resample_label_map,
)
from factory.storage.subjects.nifti import check_same_grid, read_volume, to_finite_float32
from factory.storage.subjects.nifti_header import HEART_MM, check_size
from factory.storage.subjects.types import Grid, LabelTable, Subject

HEART = LabelTable(
    names=("background", "lv_pool", "myocardium", "rv"),
    colours=((0, 0, 0), (213, 94, 0), (240, 228, 66), (0, 114, 178)),
)
"""The three structures of the M&Ms challenge, in its order of values 1–3."""

PHASES = ("ED", "ES")
SIDE = 128
"""Voxels a side of the square about the heart."""


def list_short_axis_subjects(
    root: str | Path, participants: list[str] | None = None
) -> list[dict[str, Any]]:
    """Records of a folder's stacks, one a person and phase, sorted by id; no voxel is read.

    participants: the persons wanted, all by default. A record is plain JSON for load_subject:
    {"source": "short_axis", "id" (PERSON-PHASE), "person", "phase", "vendor", "label", "image"}.

    Raises SubjectError where root has no participants.csv, a participant is unknown, a file is
    missing, or nobody is left.
    """
    root = Path(root)
    vendors = _read_vendors(root / "participants.csv")
    for name in participants or ():
        if name not in vendors:
            hint = nearest_name_hint(name, vendors) or f"; it has {', '.join(vendors)}"
            raise SubjectError(f"{root}: no participant {name}{hint}")
    records = []
    for person in sorted(participants or vendors):
        for phase in PHASES:
            image = root / person / f"{person}_{phase}_sa.nii.gz"
            label = root / person / f"{person}_{phase}_sa_gt.nii.gz"
            for path in (image, label):
                if not path.is_file():
                    raise SubjectError(f"{path}: no such file")
            records.append(
                {
                    "source": "short_axis",
                    "id": f"{person}-{phase}",
                    "person": person,
                    "phase": phase,
                    "vendor": vendors[person],
                    "label": str(label),
                    "image": str(image),
                }
            )
    if not records:
        raise SubjectError(f"{root}: participants.csv lists nobody")
    return records


def _read_vendors(path: Path) -> dict[str, str]:
    """The scanner's vendor by person."""
    if not path.is_file():
        raise SubjectError(f"{path}: no such file, so not a folder of stacks")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        missing = {"External code", "VendorName"} - set(rows.fieldnames or ())
        if missing:
            raise SubjectError(f"{path}: needs the column {', '.join(sorted(missing))}")
        return {row["External code"]: row["VendorName"] for row in rows}


def load_short_axis(record: dict[str, Any], in_plane_mm: float | None, side: int = SIDE) -> Subject:
    """The Subject of a record: its planes at in_plane_mm (None: the file's own), side² voxels
    about the box of its labels; beyond the file's edge image and label are 0.

    Raises SubjectError, naming the file, where it cannot be read, image and label differ in shape
    or place, the image has NaN, a label is none of HEART's or all are background, or the heart is
    of no possible size or does not fit the square.
    """
    label, affine = read_volume(Path(record["label"]), canonical=False)
    image, image_affine = read_volume(Path(record["image"]), canonical=False)
    if image.shape != label.shape:
        raise SubjectError(f"{record['image']}: shape {image.shape}, but its labels {label.shape}")
    values = np.unique(label)
    if not np.isin(values, range(len(HEART.names))).all():
        raise SubjectError(f"{record['label']}: labels {values.tolist()}; allowed: 0, 1, 2, 3")
    if not label.any():
        raise SubjectError(f"{record['label']}: the label map is empty: every voxel is background")
    check_same_grid(record["image"], image, image_affine, record["label"], label, affine)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    box = [np.flatnonzero(label.any(axis=axes)) for axes in ((0, 2), (0, 1))]
    sides = np.array([np.ptp(b) + 1 for b in box]) * lengths[1::-1]
    check_size(record["label"], "the labelled heart", sides, HEART_MM)
    dx, dy, dz = (float(s) for s in lengths.round(4))
    mm = in_plane_mm or dy
    label, image = turn_apex_first(
        label.astype(np.uint8), to_finite_float32(image, record["image"])
    )
    needed = max(np.ptp(b) + 1 for b in box) * max(dx, dy) / mm
    if needed > side:
        raise SubjectError(
            f"{record['label']}: the heart is {needed:.0f} voxels of {mm:g} mm wide; at most {side}"
        )
    factor = np.array([mm / dy, mm / dx])
    factor[np.abs(factor - 1) <= SAME_SPACING] = 1
    middle = np.array([(b[0] + b[-1]) / 2 for b in box])
    start = middle - factor * (side - 1) / 2
    # Halfway between two voxels their labels would tie.
    start = np.where(factor > 1, start, np.round(start))
    uneven = nearly_same_spacing(factor)
    start = np.where(uneven, align_middle(start, factor, side), start)
    window = (factor, start, side)
    planes = (
        _resample_keeping_areas(label, *window)
        if uneven.any()
        else _resample_labels(label, *window)
    )
    grid = Grid.centred((len(label), side, side), (dz, mm, mm))
    about = {key: record[key] for key in ("person", "phase", "vendor")}
    return Subject(
        record["id"],
        planes,
        grid,
        HEART,
        np.maximum(_resample_planes(image, *window), 0),
        about,
    )


def turn_apex_first(label: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """label and its companions [z, y, x] turned so that z runs from the apex to the base: the
    half of the heart's slices with the smaller LV pool comes first."""
    pool = (label == 1).sum(axis=(1, 2))
    filled = np.flatnonzero(label.any(axis=(1, 2)))
    half = len(filled) // 2
    reverse = half and pool[filled[:half]].sum() > pool[filled[-half:]].sum()
    return tuple(a[:: -1 if reverse else 1] for a in (label, *others))


def _resample_labels(
    label: np.ndarray, factor: np.ndarray, start: np.ndarray, side: int
) -> np.ndarray:
    """The label that has the greatest share of each voxel, in planes read as `_planes` does."""
    masks = [(label == value).astype(np.float32) for value in (1, 2, 3)]
    shares = [_resample_planes(mask, factor, start, side) for mask in masks]
    background = 1 - np.sum(shares, axis=0)  # and what lies outside the file
    return np.argmax([background, *shares], axis=0).astype(np.uint8)


def _resample_keeping_areas(
    label: np.ndarray, factor: np.ndarray, start: np.ndarray, side: int
) -> np.ndarray:
    """Likewise, where the two spacings nearly agree: volumes are kept, slices stay apart."""
    matrix, offset = np.diag([1, *factor]), np.array([0, *start])
    smoothing = np.array([0, *(SMOOTHING * np.maximum(factor, 1))])
    return resample_label_map(label, matrix, offset, (len(label), side, side), smoothing)


def _resample_planes(
    volume: np.ndarray, factor: np.ndarray, start: np.ndarray, side: int
) -> np.ndarray:
    """Each plane sampled linearly at start + factor · index, blurred first if that is coarser."""
    sigma = np.sqrt(np.maximum(factor**2 - 1, 0)) / 2.355
    smooth = ndimage.gaussian_filter(volume, (0, *sigma), mode="nearest")
    return ndimage.affine_transform(
        smooth, (1, *factor), (0, *start), (len(volume), side, side), order=1
    ).astype(np.float32)
