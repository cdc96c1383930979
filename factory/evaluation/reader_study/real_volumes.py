"""The real volumes of a folder: NIfTI files, or a layout that the storage package reads."""

import functools
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from factory.errors import FactoryError
from factory.evaluation.reader_study.volumes import (
    Collection,
    Volume,
    dataset_volumes,
    make_volume,
    open_complete,
    volume_of_subject,
)
from factory.storage.dataset.dataset import Dataset
from factory.storage.subjects.head_ultrasound import TABLE as HEADS_TABLE
from factory.storage.subjects.head_ultrasound import list_head_ultrasounds
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.nifti import (
    MAX_OBLIQUE_DEGREES,
    check_same_grid,
    read_volume,
)
from factory.storage.subjects.nifti_header import BODY_MM, check_size
from factory.storage.subjects.records import Record
from factory.storage.subjects.resample import (
    axis_aligned_grid,
    resample_image_onto,
    resample_label_onto,
)
from factory.storage.subjects.short_axis import list_short_axis_subjects
from factory.storage.subjects.slices import Plane, read_chaos_planes, read_png_planes

LABEL_ENDINGS = (
    "dseg", "seg", "segmentation", "labels", "label", "gt", "aseg", "brainmask", "mask"
)  # fmt: skip
"""How names of label maps and masks end; of several beside an image, the first here is used."""

_LABEL = re.compile(rf"[-_.](?:{'|'.join(LABEL_ENDINGS)})$", re.IGNORECASE)


def real_volumes(folder: str, dataset: Dataset, on_black: bool) -> Collection:
    """Find the volumes of a folder; their voxels are read later, except those of single slices.

    The folder is a dataset of the factory; short-axis stacks in the layout of the M&Ms challenge;
    head ultrasounds in that of HC18; or any NIfTI images, each with a label map or mask beside it
    if there is one (as in BIDS). If the synthetic dataset holds single slices, the folder may also
    hold the DICOM files of CHAOS or PNGs, which are resized to the dataset's slices.

    Args:
        folder: The folder, or the URL of a dataset.
        dataset: The synthetic dataset.
        on_black: See `volumes.make_volume`.

    Raises:
        StorageError, FactoryError: In one line.
    """
    root = Path(folder)
    if "://" in folder or (root / "record.json").is_file():
        return dataset_volumes(open_complete(folder), on_black)
    if not root.is_dir():
        raise FactoryError(f"{folder}: no such folder of real volumes")
    if (root / "participants.csv").is_file():
        return _subject_volumes(list_short_axis_subjects(root), on_black)
    if (root / HEADS_TABLE).is_file():
        return _subject_volumes(list_head_ultrasounds(root), on_black)
    volumes = _nifti_volumes(root, on_black)
    if not volumes and dataset.layout.shape[0] == 1:
        volumes = _slice_volumes(root, dataset, on_black)
    if not volumes:
        raise FactoryError(
            f"{folder}: no image here; allowed: .nii, .nii.gz, a dataset of the factory, or the "
            "layout of M&Ms, HC18 or CHAOS"
        )
    return volumes


def _subject_volumes(records: Sequence[Record], on_black: bool) -> Collection:
    def load(record: Record) -> Volume:
        return volume_of_subject(load_subject(record, None), on_black)

    return {record["id"]: functools.partial(load, record) for record in records}


def _nifti_volumes(root: Path, on_black: bool) -> Collection:
    files = [f for f in sorted(root.rglob("*")) if f.name.endswith((".nii", ".nii.gz"))]
    stems = {file: file.name.removesuffix(".gz").removesuffix(".nii") for file in files}
    labels: dict[tuple[Path, str], list[Path]] = {}
    for file, stem in stems.items():
        if _LABEL.search(stem):
            labels.setdefault((file.parent, _LABEL.sub("", stem)), []).append(file)

    def label_of(image: Path) -> Path | None:
        """Return the file of sub-01_T2w_dseg, or else of sub-01_dseg, for sub-01_T2w."""
        stem = stems[image]
        for name in (stem, stem.rpartition("_")[0]):
            if matches := labels.get((image.parent, name)):
                return min(matches, key=lambda file: _ending_rank(stems[file]))
        return None

    images = {
        file.relative_to(root).as_posix(): file for file in files if not _LABEL.search(stems[file])
    }
    return {
        name: functools.partial(_read_nifti, file, label_of(file), name, on_black)
        for name, file in images.items()
    }


def _ending_rank(stem: str) -> int:
    return LABEL_ENDINGS.index(re.split(r"[-_.]", stem)[-1].lower())


def _read_nifti(file: Path, label_file: Path | None, id: str, on_black: bool) -> Volume:
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
                f"{label_file}: {label.shape} voxels (z, y, x), but its image has {image.shape}"
            )
        check_same_grid(file, image, affine, label_file, label, label_affine)
    lengths_mm = np.linalg.norm(affine[:3, :3], axis=0)
    check_size(file, "the field of view", image.shape * lengths_mm[::-1], BODY_MM)
    cosines = np.diag(affine[:3, :3]) / lengths_mm
    if cosines.min() < np.cos(np.radians(MAX_OBLIQUE_DEGREES)):
        grid = axis_aligned_grid(image.shape, affine)
        image = resample_image_onto(image, affine, grid)
        label = None if label is None else resample_label_onto(label, affine, grid)
    dx, dy, dz = (float(s) for s in lengths_mm.round(4))
    return make_volume(id, image, label, (dz, dy, dx), on_black)


def _slice_volumes(root: Path, dataset: Dataset, on_black: bool) -> Collection:
    """Read slices without a size in mm, as the training of slices reads them."""
    read_planes = read_chaos_planes if next(root.glob("MR/*"), None) else read_png_planes
    dz, dy, dx = (float(s) for s in dataset.sample(0).spacing_mm)

    def load(plane: Plane, id: str) -> Volume:
        image = (plane.image.mean(axis=0)[None] + 1) / 2
        label = None if plane.label is None else plane.label[None]
        return make_volume(id, image, label, (dz, dy, dx), on_black)

    planes = read_planes(root, dataset.layout.shape[1])
    names = [f"{plane.subject} slice {i}" for i, plane in enumerate(planes)]
    return {n: functools.partial(load, p, n) for n, p in zip(names, planes, strict=True)}
