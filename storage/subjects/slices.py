"""Single slices, with or without label maps: the training data of generators of 2D images.

They come from a folder of PNGs, NIfTI volumes cut into slices, short-axis stacks, or DICOM in the
layout of the CHAOS challenge. Slices keep the name of the subject that they are from, so that all
of one subject's slices stay on the same side of a split.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from skimage.transform import resize

from factory.storage.errors import SubjectError
from factory.storage.subjects.channels import list_channels
from factory.storage.subjects.chaos_pairs import pair_label_maps, sort_by_number
from factory.storage.subjects.label_resampling import (
    SMOOTHING,
    nearly_same_spacing,
    resample_label_map,
)
from factory.storage.subjects.nifti import (
    check_same_grid,
    read_volume,
    to_finite_float32,
    to_whole_numbers,
)
from factory.storage.subjects.pictures import MAX_LABEL, read_labels, read_picture
from factory.storage.subjects.short_axis import HEART, list_short_axis_subjects, load_short_axis
from factory.storage.subjects.types import LabelTable

BRIGHT_PERCENTILE = 99.5
"""Percentile of a volume's intensities that becomes 1."""

CHAOS = LabelTable(
    names=("background", "liver", "right_kidney", "left_kidney", "spleen"),
    colours=((0, 0, 0), (213, 94, 0), (86, 180, 233), (0, 114, 178), (0, 158, 115)),
)
CHAOS_VALUES = (0, 63, 126, 189, 252)
"""The grey values of CHAOS's Ground PNGs, in the order of its label table."""


@dataclass(frozen=True)
class Plane:
    """One slice.

    Attributes:
        subject: The subject that it is from.
        image: float32 [C, H, W] in [-1, 1].
        label: [H, W]; None where there is no label map.
    """

    subject: str
    image: np.ndarray
    label: np.ndarray | None


def read_png_planes(
    root: str | Path, resolution: int, labels: str | Path | None = None
) -> list[Plane]:
    """Read every PNG of a folder; all must have as many channels as the first.

    The subject is its file's name up to the last run of digits ("p07_012.png" is of p07), or its
    sub-folder's name.

    Args:
        root: The folder.
        resolution: Pixels along a side of each plane.
        labels: A folder with label maps under the same names, in the numbers that are stored;
            slices
            without one are kept.

    Raises:
        SubjectError: For an empty folder or a file that is no picture; where no slice has a label
            map; and where masks are black and white instead of numbered.
    """
    root = Path(root)
    files = sorted(root.rglob("*.png"))
    if not files:
        raise SubjectError(f"{root}: no .png in this folder")
    planes: list[Plane] = []
    values: set[int] = set()
    for file in files:
        picture = read_picture(file)
        pixels = np.moveaxis(np.atleast_3d(picture), -1, 0).astype(np.float32)
        if planes and len(pixels) != len(planes[0].image):
            raise SubjectError(
                f"{file}: the image has {len(pixels)} channels, but {files[0].name} has "
                f"{len(planes[0].image)}"
            )
        white = np.iinfo(picture.dtype).max
        label_file = Path(labels) / file.relative_to(root) if labels else None
        label = read_labels(label_file) if label_file and label_file.is_file() else None
        if label is not None:
            _check_shape(label_file, label, picture)
            values |= set(np.unique(label).tolist())
        planes.append(_make_plane(_subject_name(file, root), pixels / white, label, resolution))
    if labels and all(plane.label is None for plane in planes):
        missing = Path(labels) / files[0].relative_to(root)
        raise SubjectError(f"{missing}: no such file, and no other slice of {root} has a label map")
    if values == {0, 255}:
        raise SubjectError(
            f"{labels}: the label maps have only 0 and 255; allowed: the labels' numbers, 0, 1, …, "
            "or masks of 1 bit"
        )
    return planes


def _check_shape(path: Path | None, label: np.ndarray, image: np.ndarray) -> None:
    """Raise SubjectError where a label map has not the shape of its image."""
    if label.shape != image.shape[:2]:
        raise SubjectError(
            f"{path}: the label map has shape {label.shape}, but its image {image.shape[:2]}"
        )


def read_short_axis_planes(
    root: str | Path, resolution: int, spacing_mm: float, participants: list[str] | None = None
) -> list[Plane]:
    """Read the slices of short-axis stacks that show the heart.

    A plane has resolution² voxels of spacing_mm around the heart. The subject is the person: both
    phases belong together. The layout is that of factory.storage.subjects.short_axis.
    """
    planes = []
    for record in list_short_axis_subjects(root, participants):
        stack = load_short_axis(record, spacing_mm, resolution)
        assert stack.image is not None
        bright = np.percentile(stack.image, BRIGHT_PERCENTILE)
        for image, label in zip(stack.image, stack.label, strict=True):
            if label.any():
                planes.append(
                    _make_plane(record["person"], image[None] / bright, label, resolution)
                )
    return planes


def read_nifti_planes(
    root: str | Path, images: str, labels: str | None, resolution: int
) -> list[Plane]:
    """Read the axial slices of every volume of a folder; empty slices are left out.

    Args:
        root: The folder.
        images: Path of the images from root, in which {subject} stands for the subject.
        labels: The same for label maps, or None.
        resolution: Pixels along a side of each plane.

    Raises:
        SubjectError: Where nothing matches or a file cannot be used.
    """
    root = Path(root)
    before, _, after = images.partition("{subject}")
    pattern = re.compile(re.escape(before) + "(?P<subject>[^/]+)" + re.escape(after))
    planes = []
    for file in sorted(root.rglob("*")):
        match = pattern.fullmatch(file.relative_to(root).as_posix())
        if not match or not file.is_file():
            continue
        subject = match["subject"]
        volume, affine = read_volume(file)
        to_finite_float32(volume, file)
        label_map = None
        if labels:
            label_file = root / labels.replace("{subject}", subject)
            values, label_affine = read_volume(label_file)
            check_same_grid(file, volume, affine, label_file, values, label_affine)
            label_map = _to_uint8_labels(values, label_file)
        bright = max(float(np.percentile(volume, BRIGHT_PERCENTILE)), 1e-6)
        for z, image in enumerate(volume):
            if image.any():
                label = None if label_map is None else label_map[z]
                planes.append(_make_plane(subject, image[None] / bright, label, resolution))
    if not planes:
        raise SubjectError(f"{root}: no file matches {images}")
    return planes


def _to_uint8_labels(values: np.ndarray, path: Path) -> np.ndarray:
    """Return a volume's labels as uint8. Raises SubjectError for other numbers."""
    numbers = to_whole_numbers(values, path)
    if numbers.min() < 0 or numbers.max() > MAX_LABEL:
        raise SubjectError(
            f"{path}: labels run from {numbers.min()} to {numbers.max()}; allowed: 0 to {MAX_LABEL}"
        )
    return numbers.astype(np.uint8)


def cut_planes(subject: str, image: np.ndarray, label: np.ndarray, resolution: int) -> list[Plane]:
    """Cut a volume into axial slices: those with a label, or all where no slice has one.

    Args:
        subject: The subject's name.
        image: [z, y, x] or [channel, z, y, x], 1 at its 99.5th percentile.
        label: [z, y, x].
        resolution: Pixels along a side of each plane.
    """
    filled = label.any(axis=(1, 2))
    selected = np.flatnonzero(filled if filled.any() else ~filled)
    channels = np.stack(list_channels(image))
    return [_make_plane(subject, channels[:, z], label[z], resolution) for z in selected]


def read_chaos_planes(root: str | Path, resolution: int, contrast: str = "InPhase") -> list[Plane]:
    """Read the slices of MR series in the layout of the CHAOS challenge.

    Slices are MR/<id>/T1DUAL/DICOM_anon/<contrast>/*.dcm, label maps T1DUAL/Ground/*.png, paired by
    factory.storage.subjects.chaos_pairs and in the order of the numbers in their names. Slices of
    series without Ground have no label.

    Raises:
        SubjectError: For a folder without such series, and where slices and labels do not pair.
    """
    root = Path(root)
    planes = []
    for series in sorted(root.glob(f"MR/*/T1DUAL/DICOM_anon/{contrast}")):
        files = sort_by_number(series.glob("*.dcm"))
        if not files:
            raise SubjectError(f"{series}: no .dcm in this folder")
        slices = [_read_dicom(path) for path in files]
        ground = sort_by_number((series.parents[1] / "Ground").glob("*.png"))
        numbers = [number for _, number in slices]
        masks = pair_label_maps(series, files, numbers, ground) if ground else {}
        low, high = min(p.min() for p, _ in slices), max(p.max() for p, _ in slices)
        for file, (pixels, _) in zip(files, slices, strict=True):
            label = _read_chaos_label(masks[file], pixels) if ground else None
            image = (pixels - low) / max(high - low, 1e-6)
            planes.append(_make_plane(series.parents[2].name, image[None], label, resolution))
    if not planes:
        raise SubjectError(f"{root}: no MR/<id>/T1DUAL/DICOM_anon/{contrast} here")
    return planes


def _read_dicom(path: Path) -> tuple[np.ndarray, int | None]:
    """Read a DICOM slice.

    Returns:
        float32 [row, column], larger where it is brighter, and its InstanceNumber, if it has one.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    # pydicom raises AttributeError where an element is missing, ValueError where one is wrong, and
    # RuntimeError where it has no decoder for the compression.
    try:
        data = pydicom.dcmread(path)
        pixels = data.pixel_array.astype(np.float32)
        number = data.get("InstanceNumber")
        number = None if number is None else int(number)
        inverted = data.get("PhotometricInterpretation") == "MONOCHROME1"
    except (InvalidDicomError, AttributeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise SubjectError(f"{path}: the slice cannot be read: {reason}") from None
    if pixels.ndim != 2:
        raise SubjectError(f"{path}: the pixels have shape {pixels.shape}; allowed: one grey slice")
    return -pixels if inverted else pixels, number


def _read_chaos_label(path: Path, image: np.ndarray) -> np.ndarray:
    """Read a Ground PNG as uint8 [row, column] in CHAOS's label table."""
    values = read_labels(path)
    _check_shape(path, values, image)
    unknown = sorted(set(np.unique(values).tolist()) - set(CHAOS_VALUES))
    if unknown:
        allowed = ", ".join(map(str, CHAOS_VALUES))
        raise SubjectError(f"{path}: label {unknown[0]}; allowed: {allowed}")
    return np.searchsorted(CHAOS_VALUES, values).astype(np.uint8)


def _subject_name(file: Path, root: Path) -> str:
    """Return a PNG's subject: its sub-folder, or its name up to the last run of digits."""
    inside = file.relative_to(root)
    if len(inside.parts) > 1:
        return inside.parts[0]
    return re.sub(r"[-_]?\d+$", "", file.stem) or file.stem


def _make_plane(
    subject: str, image_01: np.ndarray, label: np.ndarray | None, resolution: int
) -> Plane:
    """Pad an image in [0, 1] to a square, resample it to resolution² and scale it to [-1, 1]."""
    size = (resolution, resolution)
    image = np.stack([_resize(_pad_to_square(c), size) for c in np.clip(image_01, 0, 1)])
    if label is not None:
        label = _resize_labels(_pad_to_square(label), resolution)
    return Plane(subject, (image * 2 - 1).astype(np.float32), label)


def _resize(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    plane = plane.astype(np.float32)
    if plane.shape == size:
        return plane
    return np.asarray(resize(plane, size, order=1, anti_aliasing=plane.shape[0] > size[0]))


def _resize_labels(label: np.ndarray, resolution: int) -> np.ndarray:
    """Return the label with the greatest share of each pixel.

    Areas are kept where the two resolutions nearly agree.
    """
    factor = np.full(2, len(label) / resolution)
    if nearly_same_spacing(factor).any():
        matrix, offset = np.diag([1, *factor]), np.array([0, *(factor - 1) / 2])
        smoothing = np.array([0, *(SMOOTHING * np.maximum(factor, 1))])
        shape = (1, resolution, resolution)
        return np.asarray(resample_label_map(label[None], matrix, offset, shape, smoothing)[0])
    size = (resolution, resolution)
    shares = [_resize(label == value, size) for value in range(int(label.max()) + 1)]
    return np.asarray(np.argmax(shares, axis=0).astype(label.dtype))


def _pad_to_square(plane: np.ndarray) -> np.ndarray:
    side = max(plane.shape)
    missing = [side - n for n in plane.shape]
    return np.pad(plane, [(m // 2, m - m // 2) for m in missing])


def plane_subjects(planes: list[Plane]) -> Iterator[str]:
    """Return each subject once, in the order of their first planes."""
    return iter(dict.fromkeys(plane.subject for plane in planes))


TABLES = {"short_axis": HEART, "chaos": CHAOS}
"""Label tables of the sources of slices that have one of their own."""
