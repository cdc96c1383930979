"""Subjects from NIfTI files: one image and label pair, or a folder of them by patterns."""

import glob
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from factory.storage.errors import SubjectError
from factory.storage.json_value import JsonValue
from factory.storage.subjects import label_mappings as mappings
from factory.storage.subjects.covariates import parse_covariates, with_covariates
from factory.storage.subjects.nifti_header import (
    BODY_PART_MM,
    HEAD_MM,
    check_size,
    convert_to_mm,
)
from factory.storage.subjects.records import NiftiRecord
from factory.storage.subjects.resample import (
    axis_aligned_grid,
    resample_image_onto,
    resample_label_onto,
)
from factory.storage.subjects.types import FETA, FETA_WITH_CALLOSUM, Grid, Subject

ImageFiles = str | Path | Mapping[str, str | Path]
"""The file of an image, or those of its channels by the channels' names."""

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A name in braces in a pattern of file names."""

MAX_OBLIQUE_DEGREES = 1.0
"""A grid turned further from the world's axes is resampled onto them."""


def load_nifti_pair(
    image_path: ImageFiles | None,
    label_path: str | Path,
    mapping: str | mappings.LabelMapping,
    subject_id: str | None = None,
    metadata: Mapping[str, JsonValue] | None = None,
) -> Subject:
    """Load a subject from a label file and, where there is one, the image on the same grid.

    Axes are flipped and permuted to the closest RAS+ order. A grid that is turned by more than
    1 degree from the world's axes is resampled onto them at its own spacing: the image linearly,
    the labels so that their volumes are kept. A single slice is [1, y, x] whichever way it runs,
    and keeps its grid.

    Args:
        image_path: The image, or its channels by name, or None.
        label_path: The label map.
        mapping: See factory.storage.subjects.label_mappings.
        subject_id: By default the file's stem.
        metadata: What else is known of the subject, as plain JSON.

    Raises:
        SubjectError: In one line that names the file, where a file is missing, cut short, not NIfTI
            or not 3D; where its affine is singular or its labels are too small or large for a head;
            where image and label lie on different grids; where the image has NaN or Inf; and where
            labels are not whole numbers, unknown or all background.
    """
    label_path = Path(label_path)
    values, affine = read_volume(label_path)
    label = mappings.apply_mapping(to_whole_numbers(values, label_path), mapping, label_path)
    if not label.any():
        raise SubjectError(f"{label_path}: the label map is empty: every voxel is background")
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    box = [np.ptp(np.flatnonzero(label.any(axis=axes))) + 1 for axes in ((1, 2), (0, 2), (0, 1))]
    table = mappings.mapping_table(mapping)
    is_head = table is FETA or table is FETA_WITH_CALLOSUM
    what, limits = ("the labelled head", HEAD_MM) if is_head else ("the labels' box", BODY_PART_MM)
    check_size(label_path, what, box * lengths[::-1], limits)
    image = None if image_path is None else _read_images(image_path, label_path, label, affine)
    is_slice = 1 in label.shape
    if is_slice:
        label, image, affine = _put_slice_first(label, image, affine)
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
    dx, dy, dz = (float(s) for s in lengths.round(4))
    z, y, x = label.shape
    grid = Grid((z, y, x), (dz, dy, dx), affine)
    cosines = np.diag(affine[:3, :3]) / lengths
    if not is_slice and cosines.min() < np.cos(np.radians(MAX_OBLIQUE_DEGREES)):
        grid = axis_aligned_grid(label.shape, affine)
        label = resample_label_onto(label, affine, grid)
        image = None if image is None else resample_image_onto(image, affine, grid)
    name = subject_id or label_path.name.split(".")[0]
    channels = _channel_names(image_path)
    return Subject(name, label, grid, table, image, dict(metadata or {}), channels)


def _put_slice_first(
    label: np.ndarray, image: np.ndarray | None, affine: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Turn a single slice so that its axes are [1, row, column]; its affine stays true.

    Args:
        label: [z, y, x], of which one axis has one voxel.
        image: Of the same shape, or with an axis of channels before it, or None.
        affine: The affine from (x, y, z) to mm.
    """
    axis = label.shape.index(1)
    order = [axis, *(other for other in range(3) if other != axis)]
    turned = affine.copy()
    turned[:, :3] = affine[:, [2 - other for other in reversed(order)]]
    if image is not None:
        image = np.ascontiguousarray(np.moveaxis(image, axis - 3, -3))
    return np.ascontiguousarray(np.moveaxis(label, axis, 0)), image, turned


def load_brain(image_path: str | Path, label_path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Load an image and its brain mask.

    Returns:
        The image, float32 [z, y, x], and the mask, bool [z, y, x]: true where labels of any kind
        are
        not 0.

    Raises:
        SubjectError: As load_nifti_pair raises it, and where the image is dark throughout the
            brain.
    """
    label_path = Path(label_path)
    values, affine = read_volume(label_path)
    brain = to_whole_numbers(values, label_path) != 0
    image = _read_image(Path(image_path), label_path, brain, affine)
    if not (image[brain] > 0).mean() > 0.005:
        raise SubjectError(f"{image_path}: no voxel is bright where {label_path} has labels")
    return image, brain


def list_nifti_subjects(
    root: str | Path,
    label_pattern: str,
    image_pattern: str | Mapping[str, str] | None,
    mapping: str | mappings.LabelMapping,
) -> list[NiftiRecord]:
    """List the records of the subjects whose label file matches a pattern, sorted by id.

    No voxel is read.

    Args:
        root: The folder.
        label_pattern: Path from root in which {subject} stands for the subject's id and * for
            anything: "{subject}/{subject}_seg.nii.gz". Other names in braces are covariates:
            "{subject}_{age_years}y_seg.nii.gz".
        image_pattern: The same for images; for images of several channels one pattern by the name
            of each, which gives the channels in alphabetical order; None where there are none.
        mapping: See factory.storage.subjects.label_mappings.

    Raises:
        SubjectError: Where root is no folder, a pattern lacks {subject}, nothing matches, two label
            files claim one subject, or a subject has no image or several, or lacks a channel.
    """
    root = Path(root)
    if not root.is_dir():
        raise SubjectError(f"{root}: no such folder of subjects")
    channels = sorted(image_pattern) if isinstance(image_pattern, Mapping) else None
    images = image_pattern.values() if isinstance(image_pattern, Mapping) else [image_pattern]
    for key, pattern in (("label", label_pattern), *(("image", image) for image in images)):
        if pattern is not None and "{subject}" not in pattern:
            raise SubjectError(f"{key} pattern {pattern!r} lacks {{subject}}")
    mappings.resolve_mapping(mapping)
    regex = _compile_pattern(label_pattern)
    labels: dict[str, Path] = {}
    named_parts: dict[str, dict[str, str]] = {}
    for path in sorted(root.glob(PLACEHOLDER.sub("*", label_pattern).lstrip("/"))):
        match = regex.fullmatch(path.relative_to(root).as_posix())
        if match is None:
            continue
        parts = match.groupdict()
        name = parts.pop("subject")
        if name in labels:
            raise SubjectError(
                f"{root}: subject {name} has two label files, {labels[name]} and {path}"
            )
        labels[name], named_parts[name] = path, parts
    if not labels:
        raise SubjectError(f"{root}: no file matches the label pattern {label_pattern!r}")
    covariates = parse_covariates(named_parts, {name: str(labels[name]) for name in labels})
    records: list[NiftiRecord] = []
    for name in sorted(labels):
        record: NiftiRecord = {
            "source": "nifti",
            "id": name,
            "label": str(labels[name]),
            "image": _find_images(root, image_pattern, {"subject": name} | named_parts[name]),
            "mapping": mappings.mapping_to_json(mapping),
        }
        if channels is not None:
            record["channels"] = channels
        records.append(with_covariates(record, covariates[name]))
    return records


def pattern_names(pattern: str) -> tuple[str, ...]:
    """Return the names in braces of a pattern, without {subject}: parts that are covariates."""
    return tuple(n for n in dict.fromkeys(PLACEHOLDER.findall(pattern)) if n != "subject")


def _compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern's paths, with a group for each name in braces."""
    parts, names = PLACEHOLDER.split(pattern.lstrip("/")), set()
    regex = ""
    for index, part in enumerate(parts):
        if index % 2:
            regex += f"(?P={part})" if part in names else f"(?P<{part}>[^/]+?)"
            names.add(part)
        else:
            regex += re.escape(part).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
    return re.compile(regex)


def _find_images(
    root: Path, pattern: str | Mapping[str, str] | None, parts: Mapping[str, str]
) -> str | list[str] | None:
    """Return the image of a subject, or its channels in alphabetical order, if there is one."""
    if isinstance(pattern, Mapping):
        return [_find_image(root, pattern[c], parts, f" of channel {c}") for c in sorted(pattern)]
    return None if pattern is None else _find_image(root, pattern, parts)


def _find_image(root: Path, pattern: str, parts: Mapping[str, str], which: str = "") -> str:
    """Return the one image of a subject. Raises SubjectError where there are none or several."""
    name = parts["subject"]
    filled = PLACEHOLDER.sub(lambda match: glob.escape(parts.get(match[1], match[0])), pattern)
    files = sorted(root.glob(filled.lstrip("/")))
    if len(files) != 1:
        listed = ": " + ", ".join(p.name for p in files)
        text = f"several images{which}{listed}" if files else f"no image{which}"
        raise SubjectError(f"{root}: subject {name} has {text} by the pattern {pattern!r}")
    return str(files[0])


def read_volume(path: Path, canonical: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Read a file's voxels and their affine.

    Args:
        path: A NIfTI file.
        canonical: Whether to bring the axes to the closest RAS+ order; else they stay as stored.

    Returns:
        The voxels [z, y, x] in the file's dtype, and the affine from (x, y, z) to mm.

    Raises:
        SubjectError: Where the file cannot be read, is not 3D or has a singular affine.
    """
    try:
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Pair):
            raise SubjectError(f"{path}: not NIfTI but {type(image).__name__}")
        shape = image.shape
        if len(shape) > 3 and set(shape[3:]) == {1}:
            image = image.slicer[(slice(None),) * 3 + (0,) * (len(shape) - 3)]
        if len(shape) == 2:
            image = nib.Nifti1Image(
                np.asanyarray(image.dataobj)[..., None], image.affine, image.header
            )
        if len(image.shape) != 3:
            raise SubjectError(f"{path}: the volume needs three dimensions, but has shape {shape}")
        _check_affine(path, image.affine)
        if canonical:
            image = nib.as_closest_canonical(image)
        affine = convert_to_mm(image.affine, image.header, path)
        voxels = np.asarray(image.dataobj)
    except FileNotFoundError:
        raise SubjectError(f"{path}: no such file") from None
    except PermissionError:
        raise SubjectError(f"{path}: no permission to read it") from None
    except (ImageFileError, HeaderDataError) as error:
        raise SubjectError(f"{path}: not a NIfTI file ({_one_line(error)})") from None
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise SubjectError(f"{path}: cut short or damaged ({_one_line(error)})") from None
    if not (np.issubdtype(voxels.dtype, np.integer) or np.issubdtype(voxels.dtype, np.floating)):
        raise SubjectError(f"{path}: the voxels are {voxels.dtype}, not plain numbers")
    return np.ascontiguousarray(voxels.T), affine


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _check_affine(path: Path, affine: np.ndarray) -> None:
    axes = affine[:3, :3]
    volume = abs(np.linalg.det(axes)) if np.isfinite(affine).all() else 0.0
    if volume <= 1e-6 * np.prod(np.linalg.norm(axes, axis=0)):
        raise SubjectError(f"{path}: the affine is singular: {axes.round(4).tolist()}")


def to_whole_numbers(values: np.ndarray, path: Path) -> np.ndarray:
    """Return label values as integers.

    Raises:
        SubjectError: Where a value is not a whole number.
    """
    if np.issubdtype(values.dtype, np.integer):
        return values
    bad = values[~(np.isfinite(values) & (values == np.rint(values)))]
    if bad.size:
        raise SubjectError(
            f"{path}: {bad.size} of {values.size} label values are not whole numbers, "
            f"e.g. {bad[0]:g}"
        )
    return values.astype(np.int64)


def _channel_names(image_path: ImageFiles | None) -> tuple[str, ...]:
    """Return the names of an image's channels; () where it has one without a name."""
    return tuple(image_path) if isinstance(image_path, Mapping) else ()


def _read_images(
    image_path: ImageFiles, label_path: Path, label: np.ndarray, affine: np.ndarray
) -> np.ndarray:
    """Read the image of a label map, float32 [z, y, x], or [channel, z, y, x] of named files."""
    if isinstance(image_path, Mapping):
        paths = map(Path, image_path.values())
        return np.stack([_read_image(path, label_path, label, affine) for path in paths])
    return _read_image(Path(image_path), label_path, label, affine)


def _read_image(path: Path, label_path: Path, label: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Read the image of a label map, float32 [z, y, x] on the label map's grid."""
    values, image_affine = read_volume(path)
    check_same_grid(path, values, image_affine, label_path, label, affine)
    return to_finite_float32(values, path)


def to_finite_float32(values: np.ndarray, path: str | Path) -> np.ndarray:
    """Return the voxels of an image as float32.

    Raises:
        SubjectError: Where one is NaN or infinite.
    """
    image = values.astype(np.float32)
    bad = int(image.size - np.isfinite(image).sum())
    if bad:
        raise SubjectError(f"{path}: {bad} of {image.size} voxels are NaN or infinite")
    return image


def check_same_grid(
    image_path: str | Path,
    image: np.ndarray,
    image_affine: np.ndarray,
    label_path: str | Path,
    label: np.ndarray,
    label_affine: np.ndarray,
) -> None:
    """Raise SubjectError where an image [z, y, x] and its label map lie on different grids."""
    if image.shape != label.shape:
        raise SubjectError(
            f"{image_path}: the image has shape {image.shape[::-1]} and its label "
            f"{label.shape[::-1]} (x, y, z, both in RAS+ order; {label_path})"
        )
    ends = [(0, n - 1) for n in label.shape[::-1]]
    corners = np.stack([*(c.ravel() for c in np.meshgrid(*ends)), np.ones(8)])
    gap_mm = np.linalg.norm(((image_affine - label_affine) @ corners)[:3], axis=0).max()
    voxel_mm = np.linalg.norm(label_affine[:3, :3], axis=0).min()
    if gap_mm > voxel_mm / 10:
        raise SubjectError(
            f"{image_path}: the image and its label {label_path} lie {gap_mm:.3g} mm apart in the "
            f"world; allowed: a tenth of a voxel, {voxel_mm / 10:.3g} mm"
        )
