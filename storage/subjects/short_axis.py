"""Hearts as short-axis stacks: a few thick slices each, in the layout of the M&Ms challenge.

participants.csv            External code, VendorName, …
ID/ID_ED_sa.nii.gz          the image at end diastole (ES: at end systole)
ID/ID_ED_sa_gt.nii.gz       its labels: 1 LV blood pool, 2 LV myocardium, 3 RV blood pool

Stacks keep their slices and the spacing between them; only their planes are resampled, and cropped
to a square around the heart. Their [z, y, x] is the scanner's own frame, not the world's. Slices
are always ordered from the apex to the base, whichever order the file has.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

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
from factory.storage.subjects.records import ShortAxisRecord
from factory.storage.subjects.types import Grid, LabelTable, Subject

HEART = LabelTable(
    names=("background", "lv_pool", "myocardium", "rv"),
    colours=((0, 0, 0), (213, 94, 0), (240, 228, 66), (0, 114, 178)),
)
"""The three structures of the M&Ms challenge, in its order of values 1–3."""

PHASES = ("ED", "ES")
SIDE = 128
"""Voxels along a side of the square around the heart."""


def list_short_axis_subjects(
    root: str | Path, participants: Sequence[str] | None = None
) -> list[ShortAxisRecord]:
    """List the records of a folder's stacks, one for each person and phase, sorted by id.

    No voxel is read. The id is PERSON-PHASE.

    Args:
        root: The folder.
        participants: The requested persons; None takes all.

    Raises:
        SubjectError: Where root has no participants.csv, a participant is unknown, a file is
            missing, or the list is empty.
    """
    root = Path(root)
    vendors = _read_vendors(root / "participants.csv")
    for name in participants or ():
        if name not in vendors:
            hint = nearest_name_hint(name, vendors) or f"; it has {', '.join(vendors)}"
            raise SubjectError(f"{root}: no participant {name}{hint}")
    records: list[ShortAxisRecord] = []
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
    """Read the scanner's vendor of each person."""
    if not path.is_file():
        raise SubjectError(f"{path}: no such file, so this is not a folder of stacks")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        missing = {"External code", "VendorName"} - set(rows.fieldnames or ())
        if missing:
            raise SubjectError(f"{path}: needs the column {', '.join(sorted(missing))}")
        return {row["External code"]: row["VendorName"] for row in rows}


def load_short_axis(
    record: ShortAxisRecord, in_plane_mm: float | None, side: int = SIDE
) -> Subject:
    """Load the stack of a record.

    Args:
        record: The record.
        in_plane_mm: The spacing of its planes; None keeps the file's own.
        side: Voxels along a side of the square around the box of its labels. Beyond the file's
            edge image and label are 0.

    Raises:
        SubjectError: Naming the file, where it cannot be read, image and label differ in shape or
            place, the image has NaN, a label is none of HEART's or all are background, or the heart
            is of an impossible size or does not fit the square.
    """
    label, image, spacing = _read_stack(record)
    rows, columns = (np.flatnonzero(label.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    extent = np.array([np.ptp(rows) + 1, np.ptp(columns) + 1])
    check_size(record["label"], "the labelled heart", extent * spacing[1:], HEART_MM)
    dz, dy, dx = (float(s) for s in spacing.round(4))
    mm = in_plane_mm or dy
    label, image = turn_apex_first(
        label.astype(np.uint8), to_finite_float32(image, record["image"])
    )
    needed = extent.max() * max(dx, dy) / mm
    if needed > side:
        raise SubjectError(
            f"{record['label']}: the heart is {needed:.0f} voxels of {mm:g} mm wide; allowed: at "
            f"most {side}"
        )
    middle = np.array([(rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2])
    factor, start = _square(middle, np.array([mm / dy, mm / dx]), side)
    resample_labels = (
        _resample_keeping_areas if nearly_same_spacing(factor).any() else _resample_labels
    )
    metadata = {
        "person": record["person"],
        "phase": record["phase"],
        "vendor": record["vendor"],
    }
    return Subject(
        record["id"],
        resample_labels(label, factor, start, side),
        Grid.centred((len(label), side, side), (dz, mm, mm)),
        HEART,
        np.maximum(_resample_planes(image, factor, start, side), 0),
        metadata,
    )


def _read_stack(record: ShortAxisRecord) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the label map and the image [z, y, x] as stored, and their spacing in mm (z, y, x)."""
    label, affine = read_volume(Path(record["label"]), canonical=False)
    image, image_affine = read_volume(Path(record["image"]), canonical=False)
    if image.shape != label.shape:
        raise SubjectError(
            f"{record['image']}: the image has shape {image.shape}, but its labels {label.shape}"
        )
    values = np.unique(label)
    if not np.isin(values, range(len(HEART.names))).all():
        raise SubjectError(
            f"{record['label']}: the labels are {values.tolist()}; allowed: 0, 1, 2, 3"
        )
    if not label.any():
        raise SubjectError(f"{record['label']}: the label map is empty: every voxel is background")
    check_same_grid(record["image"], image, image_affine, record["label"], label, affine)
    return label, image, np.linalg.norm(affine[:3, :3], axis=0)[::-1]


def _square(middle: np.ndarray, factor: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Place a square of side² voxels around the middle of the heart.

    Args:
        middle: (y, x) in voxels of the file.
        factor: The new spacing in voxels of the file (y, x).
        side: Voxels along a side.

    Returns:
        The factor, exactly 1 where the spacings count as equal, and the first voxel (y, x) in
        voxels of the file.
    """
    factor = np.where(np.abs(factor - 1) <= SAME_SPACING, 1, factor)
    start = middle - factor * (side - 1) / 2
    # A start halfway between two voxels would tie their labels.
    start = np.where(factor > 1, start, np.round(start))
    return factor, np.where(nearly_same_spacing(factor), align_middle(start, factor, side), start)


def turn_apex_first(label: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """Turn a label map and its companions [z, y, x] so that z runs from the apex to the base.

    Of the heart's slices the half with the smaller LV pool comes first.
    """
    pool = (label == 1).sum(axis=(1, 2))
    filled = np.flatnonzero(label.any(axis=(1, 2)))
    half = len(filled) // 2
    reverse = half and pool[filled[:half]].sum() > pool[filled[-half:]].sum()
    return tuple(a[:: -1 if reverse else 1] for a in (label, *others))


def _resample_labels(
    label: np.ndarray, factor: np.ndarray, start: np.ndarray, side: int
) -> np.ndarray:
    """Return the label with the greatest share of each voxel; see _resample_planes."""
    masks = [(label == value).astype(np.float32) for value in (1, 2, 3)]
    shares = [_resample_planes(mask, factor, start, side) for mask in masks]
    background = 1 - np.sum(shares, axis=0)  # includes what lies outside the file
    return np.asarray(np.argmax([background, *shares], axis=0), np.uint8)


def _resample_keeping_areas(
    label: np.ndarray, factor: np.ndarray, start: np.ndarray, side: int
) -> np.ndarray:
    """Resample labels where two spacings nearly agree, so that areas stay and slices do not mix."""
    matrix, offset = np.diag([1, *factor]), np.array([0, *start])
    smoothing = np.array([0, *(SMOOTHING * np.maximum(factor, 1))])
    return resample_label_map(label, matrix, offset, (len(label), side, side), smoothing)


def _resample_planes(
    volume: np.ndarray, factor: np.ndarray, start: np.ndarray, side: int
) -> np.ndarray:
    """Sample each plane linearly at start + factor · index, blurred first if that is coarser."""
    sigma = np.sqrt(np.maximum(factor**2 - 1, 0)) / 2.355
    smooth = ndimage.gaussian_filter(volume, (0, *sigma), mode="nearest")
    planes = ndimage.affine_transform(
        smooth, (1, *factor), (0, *start), (len(volume), side, side), order=1
    )
    return np.asarray(planes, np.float32)
