"""Single slices, with or without label maps: what generators of 2D images learn from.

Sources: a folder of PNGs, NIfTI volumes cut into slices, short-axis stacks, and DICOM in the
layout of the CHAOS challenge. Slices keep the name of whoever they were taken from, so that a
split never parts one subject.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from skimage.transform import resize

from factory.storage.errors import SubjectError
from factory.storage.subjects.nifti import read_volume
from factory.storage.subjects.short_axis import HEART, load_short_axis, short_axis_subjects
from factory.storage.subjects.types import LabelTable

BRIGHTEST = 99.5
"""Percentile of a volume that becomes 1."""

CHAOS = LabelTable(
    names=("background", "liver", "right_kidney", "left_kidney", "spleen"),
    colours=((0, 0, 0), (213, 94, 0), (86, 180, 233), (0, 114, 178), (0, 158, 115)),
)
CHAOS_VALUES = (0, 63, 126, 189, 252)
"""What CHAOS writes into its Ground PNGs, in the order of its label table."""


@dataclass(frozen=True)
class Plane:
    """image: float32 [C, H, W] in [-1, 1]. label: uint8 [H, W], None where nobody drew one."""

    subject: str
    image: np.ndarray
    label: np.ndarray | None


def png_planes(root: str | Path, resolution: int, labels: str | Path | None = None) -> list[Plane]:
    """Every PNG of a folder, all with as many channels as the first. The subject is its file's
    name up to the last run of digits ("p07_012.png" is of p07), or its sub-folder's name.

    labels: a folder with label maps (values as they are) under the same names; slices without one
    are kept. Raises SubjectError for an empty folder and for files that are no pictures.
    """
    root = Path(root)
    files = sorted(root.rglob("*.png"))
    if not files:
        raise SubjectError(f"{root}: no .png in this folder")
    planes: list[Plane] = []
    for file in files:
        picture = _read_png(file)
        pixels = np.moveaxis(np.atleast_3d(picture), -1, 0).astype(np.float32)
        if planes and len(pixels) != len(planes[0].image):
            raise SubjectError(
                f"{file}: {len(pixels)} channels, but {files[0].name} has {len(planes[0].image)}"
            )
        most = 65535 if picture.dtype == np.uint16 else 255
        label_file = Path(labels) / file.relative_to(root) if labels else None
        label = _read_png(label_file) if label_file and label_file.is_file() else None
        if label is not None and label.shape != picture.shape[:2]:
            raise SubjectError(f"{label_file}: {label.shape}, but its image is {picture.shape[:2]}")
        planes.append(_plane(_owner(file, root), pixels / most, label, resolution))
    return planes


def short_axis_planes(
    root: str | Path, resolution: int, spacing_mm: float, participants: list[str] | None = None
) -> list[Plane]:
    """The slices of short-axis stacks (factory.storage.subjects.short_axis) that hold some heart,
    resolution² voxels of spacing_mm about it. The subject is the person: both phases belong
    together."""
    planes = []
    for record in short_axis_subjects(root, participants):
        stack = load_short_axis(record, spacing_mm, resolution)
        assert stack.image is not None
        bright = np.percentile(stack.image, BRIGHTEST)
        for image, label in zip(stack.image, stack.label, strict=True):
            if label.any():
                planes.append(_plane(record["person"], image[None] / bright, label, resolution))
    return planes


def nifti_planes(root: str | Path, images: str, labels: str | None, resolution: int) -> list[Plane]:
    """Axial slices of every volume root/images, where `images` holds {subject}; `labels` alike.
    Empty slices are left out. Raises SubjectError where nothing matches."""
    root = Path(root)
    before, _, after = images.partition("{subject}")
    pattern = re.compile(re.escape(before) + "(?P<subject>[^/]+)" + re.escape(after))
    planes = []
    for file in sorted(root.rglob("*")):
        found = pattern.fullmatch(file.relative_to(root).as_posix())
        if not found or not file.is_file():
            continue
        subject = found["subject"]
        volume, _ = read_volume(file)
        drawn = None
        if labels:
            drawn, _ = read_volume(root / labels.replace("{subject}", subject))
            if drawn.shape != volume.shape:
                raise SubjectError(f"{file}: shape {volume.shape}, but its labels {drawn.shape}")
        bright = max(float(np.percentile(volume, BRIGHTEST)), 1e-6)
        for z, image in enumerate(volume):
            if image.any():
                label = None if drawn is None else drawn[z]
                planes.append(_plane(subject, image[None] / bright, label, resolution))
    if not planes:
        raise SubjectError(f"{root}: no file matches {images}")
    return planes


def planes_of(subject: str, image: np.ndarray, label: np.ndarray, resolution: int) -> list[Plane]:
    """The axial slices of a volume [z, y, x], 1 its 99.5th percentile, that hold a label; all of
    them where none does."""
    filled = label.any(axis=(1, 2))
    chosen = np.flatnonzero(filled if filled.any() else ~filled)
    return [_plane(subject, image[z][None], label[z], resolution) for z in chosen]


def chaos_planes(root: str | Path, resolution: int, contrast: str = "InPhase") -> list[Plane]:
    """MR/<id>/T1DUAL/DICOM_anon/<contrast>/*.dcm with T1DUAL/Ground/*.png, in order of their
    names, as in the CHAOS challenge. Slices of series without Ground have no label.

    Raises SubjectError for a folder without such series, and where slices and labels do not pair.
    """
    root = Path(root)
    planes = []
    for series in sorted(root.glob(f"MR/*/T1DUAL/DICOM_anon/{contrast}")):
        files = sorted(series.glob("*.dcm"))
        ground = sorted((series.parents[1] / "Ground").glob("*.png"))
        if ground and len(ground) != len(files):
            raise SubjectError(f"{series}: {len(files)} slices, but {len(ground)} label maps")
        slices = [_read_dicom(path) for path in files]
        if not slices:
            raise SubjectError(f"{series}: no .dcm in this folder")
        low, high = min(s.min() for s in slices), max(s.max() for s in slices)
        for index, pixels in enumerate(slices):
            label = _chaos_label(ground[index]) if ground else None
            image = (pixels - low) / max(high - low, 1e-6)
            planes.append(_plane(series.parents[2].name, image[None], label, resolution))
    if not planes:
        raise SubjectError(f"{root}: no MR/<id>/T1DUAL/DICOM_anon/{contrast} here")
    return planes


def _read_dicom(path: Path) -> np.ndarray:
    import pydicom
    from pydicom.errors import InvalidDicomError

    # What pydicom says of a file that is none, of elements that are missing (AttributeError) or
    # wrong, and of a compression that it lacks a decoder for (RuntimeError).
    try:
        pixels = pydicom.dcmread(path).pixel_array
    except (InvalidDicomError, AttributeError, ValueError, RuntimeError) as error:
        raise SubjectError(f"{path}: a slice cannot be read: {error}") from None
    return pixels.astype(np.float32)


def _chaos_label(path: Path) -> np.ndarray:
    values = _read_png(path)
    unknown = sorted(set(np.unique(values).tolist()) - set(CHAOS_VALUES))
    if unknown:
        allowed = ", ".join(map(str, CHAOS_VALUES))
        raise SubjectError(f"{path}: label {unknown[0]}; allowed: {allowed}")
    return np.searchsorted(CHAOS_VALUES, values).astype(np.uint8)


def _read_png(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as opened:
            picture: Image.Image = opened
            if picture.mode in ("P", "RGBA", "CMYK", "1"):
                picture = picture.convert("RGB" if picture.mode in ("RGBA", "CMYK") else "L")
            return np.asarray(picture)
    except (UnidentifiedImageError, OSError) as error:
        raise SubjectError(f"{path}: not a readable picture: {error}") from None


def _owner(file: Path, root: Path) -> str:
    inside = file.relative_to(root)
    if len(inside.parts) > 1:
        return inside.parts[0]
    return re.sub(r"[-_]?\d+$", "", file.stem) or file.stem


def _plane(subject: str, image_01: np.ndarray, label: np.ndarray | None, resolution: int) -> Plane:
    """Padded to a square, resampled to resolution² and taken to [-1, 1]."""
    size = (resolution, resolution)
    image = np.stack([_resized(_square(c), size) for c in np.clip(image_01, 0, 1)])
    drawn = None
    if label is not None:
        shares = [_resized(_square(label == v), size) for v in range(int(label.max()) + 1)]
        drawn = np.argmax(shares, axis=0).astype(np.uint8)
    return Plane(subject, (image * 2 - 1).astype(np.float32), drawn)


def _resized(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    plane = plane.astype(np.float32)
    if plane.shape == size:
        return plane
    return resize(plane, size, order=1, anti_aliasing=plane.shape[0] > size[0])


def _square(plane: np.ndarray) -> np.ndarray:
    side = max(plane.shape)
    missing = [side - n for n in plane.shape]
    return np.pad(plane, [(m // 2, m - m // 2) for m in missing])


def subjects_of(planes: list[Plane]) -> Iterator[str]:
    """Each subject once, in order."""
    return iter(dict.fromkeys(plane.subject for plane in planes))


TABLES = {"short_axis": HEART, "chaos": CHAOS}
"""Label tables of the sources that have one of their own."""
