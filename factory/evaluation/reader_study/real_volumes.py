"""The real volumes of a folder: NIfTI files, or a layout that storage reads."""

import functools
import re
from pathlib import Path

import numpy as np

from factory.errors import FactoryError
from factory.evaluation.reader_study.volumes import (
    Collection,
    Volume,
    dataset_volumes,
    sealed,
    volume,
)
from factory.evaluation.reader_study.volumes import volume_of as of_subject
from factory.storage.dataset.dataset import Dataset
from factory.storage.subjects.head_ultrasound import TABLE as HEADS
from factory.storage.subjects.head_ultrasound import list_head_ultrasounds
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.nifti import (
    MAX_OBLIQUE_DEGREES,
    check_same_grid,
    read_volume,
)
from factory.storage.subjects.nifti_header import BODY_MM, check_size
from factory.storage.subjects.resample import (
    axis_aligned_grid,
    resample_image_onto,
    resample_label_onto,
)
from factory.storage.subjects.short_axis import list_short_axis_subjects
from factory.storage.subjects.slices import Plane, read_chaos_planes, read_png_planes

LABELS = ("dseg", "seg", "segmentation", "labels", "label", "gt", "aseg", "brainmask", "mask")
"""How names of label maps and masks end; the first of them that lies beside an image is taken."""

_LABEL = re.compile(rf"[-_.](?:{'|'.join(LABELS)})$", re.IGNORECASE)


def real_volumes(folder: str, like: Dataset, whole: bool) -> Collection:
    """The volumes of a folder, by id; no voxel is read yet (but of single slices).

    A dataset of ours; short-axis stacks in the layout of the M&Ms challenge; head ultrasounds in
    that of HC18; where `like` holds single slices, CHAOS's DICOM or PNGs, brought to its size; else
    every NIfTI image, with a label map or mask beside it where there is one (BIDS is so laid out).
    whole: see volumes.volume. Raises StorageError, FactoryError.
    """
    root = Path(folder)
    if "://" in folder or (root / "record.json").is_file():
        return dataset_volumes(sealed(folder), whole)
    if not root.is_dir():
        raise FactoryError(f"{folder}: no such folder of real volumes")
    if (root / "participants.csv").is_file():
        return _subjects(list_short_axis_subjects(root), whole)
    if (root / HEADS).is_file():
        return _subjects(list_head_ultrasounds(root), whole)
    found = _nifti(root, whole)
    if not found and like.layout.shape[0] == 1:
        found = _planes(root, like, whole)
    if not found:
        raise FactoryError(f"{folder}: no image here; allowed: .nii, .nii.gz or a layout of README")
    return found


def _subjects(records: list[dict], whole: bool) -> Collection:
    def load(record: dict) -> Volume:
        return of_subject(load_subject(record, None), whole)

    return {record["id"]: functools.partial(load, record) for record in records}


def _nifti(root: Path, whole: bool) -> Collection:
    files = [f for f in sorted(root.rglob("*")) if f.name.endswith((".nii", ".nii.gz"))]
    stems = {file: file.name.removesuffix(".gz").removesuffix(".nii") for file in files}
    beside: dict[tuple[Path, str], list[Path]] = {}
    for file, stem in stems.items():
        if _LABEL.search(stem):
            beside.setdefault((file.parent, _LABEL.sub("", stem)), []).append(file)

    def label_of(image: Path) -> Path | None:
        """sub-01_dseg or sub-01_T2w_dseg for sub-01_T2w."""
        stem = stems[image]
        names = [stem, stem.rpartition("_")[0]]
        for name in names:
            if found := beside.get((image.parent, name)):
                return min(found, key=lambda f: _rank(stems[f]))
        return None

    return {
        file.relative_to(root).as_posix(): functools.partial(
            _read_nifti, file, label_of(file), file.relative_to(root).as_posix(), whole
        )
        for file in files
        if not _LABEL.search(stems[file])
    }


def _rank(stem: str) -> int:
    return LABELS.index(re.split(r"[-_.]", stem)[-1].lower())


def _read_nifti(file: Path, label_file: Path | None, id: str, whole: bool) -> Volume:
    image, affine = read_volume(file)
    image = image.astype(np.float32)
    if not np.isfinite(image).all():
        bad = int(image.size - np.isfinite(image).sum())
        raise FactoryError(f"{file}: {bad} of {image.size} voxels are NaN or infinite")
    label = None
    if label_file is not None:
        values, label_affine = read_volume(label_file)
        label = (values > 0).astype(np.uint8)
        if label.shape != image.shape:
            raise FactoryError(
                f"{label_file}: {label.shape} voxels (z, y, x), but its image {image.shape}"
            )
        check_same_grid(file, image, affine, label_file, label, label_affine)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    check_size(file, "the field of view", image.shape * lengths[::-1], BODY_MM)
    cosines = np.diag(affine[:3, :3]) / lengths
    if cosines.min() < np.cos(np.radians(MAX_OBLIQUE_DEGREES)):
        grid = axis_aligned_grid(image.shape, affine)
        image = resample_image_onto(image, affine, grid)
        label = None if label is None else resample_label_onto(label, affine, grid)
    dx, dy, dz = (float(s) for s in lengths.round(4))
    return volume(id, image, label, (dz, dy, dx), whole)


def _planes(root: Path, like: Dataset, whole: bool) -> Collection:
    """Slices without a size in mm, read as the training of slices reads them."""
    resolution = like.layout.shape[1]
    read = read_chaos_planes if next(root.glob("MR/*"), None) else read_png_planes
    dz, dy, dx = (float(s) for s in like.sample(0).spacing_mm)

    def load(plane: Plane, id: str) -> Volume:
        image = (plane.image.mean(axis=0)[None] + 1) / 2
        label = None if plane.label is None else plane.label[None]
        return volume(id, image, label, (dz, dy, dx), whole)

    planes = read(root, resolution)
    names = [f"{plane.subject} slice {i}" for i, plane in enumerate(planes)]
    return {n: functools.partial(load, p, n) for n, p in zip(names, planes, strict=True)}
