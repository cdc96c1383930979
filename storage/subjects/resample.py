"""Bring a subject to another spacing or shape; its place in the world stays."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from factory.storage.errors import SubjectError
from factory.storage.subjects.channels import map_channels
from factory.storage.subjects.label_resampling import (
    SAME_SPACING,
    SMOOTHING,
    align_middle,
    nearly_whole_ratio,
    resample_label_map,
)
from factory.storage.subjects.types import Grid, Subject

AIR_HU = -1024.0
"""The least intensity of CT. Files mark what lies outside the scanner by lower ones."""


def resample(subject: Subject, spacing_mm: float) -> Subject:
    """Return the subject at an isotropic spacing.

    The image is read linearly; along each axis that loses resolution it is first low-passed, by a
    Gaussian whose full width at half maximum takes the source voxel to the target's. Labels are
    read by nearest neighbour. Where the ratio of the two spacings is nearly a whole number, this
    would change volumes; there labels are read by
    factory.storage.subjects.label_resampling.resample_label_map. The field of view keeps its centre
    to half a voxel. Where the spacing is the subject's own, to 0.2 %, the same subject is returned.
    A single slice keeps its thickness.
    """
    old = np.array(subject.grid.spacing)
    is_slice = np.array(subject.grid.shape) == 1
    factor = spacing_mm / old
    is_same = (np.abs(factor - 1) <= SAME_SPACING) | is_slice
    if is_same.all():
        return subject
    factor[is_same] = 1
    shape = np.ceil(np.array(subject.grid.shape) / factor - 1e-6).astype(int).clip(min=1)
    start = (np.array(subject.grid.shape) - 1 - (shape - 1) * factor) / 2
    # On whole voxels, halving the resolution meets no tie that would shift labels half a voxel.
    start = np.where(factor > 1, np.round(start), start)
    nearly_whole = nearly_whole_ratio(factor)
    start = np.where(nearly_whole, align_middle(start, factor, shape), start)
    affine = subject.grid.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start[::-1]
    affine[:3, :3] *= factor[::-1]
    z, y, x = (int(n) for n in shape)
    dz, dy, dx = (float(s) for s in np.where(is_slice, old, spacing_mm))
    grid = Grid((z, y, x), (dz, dy, dx), affine)
    if nearly_whole.any():
        smoothing = np.where(is_slice, 0, SMOOTHING * np.maximum(factor, 1))
        label = resample_label_map(subject.label, np.diag(factor), start, grid.shape, smoothing)
    else:
        label = _nearest_neighbour(subject.label, factor, start, shape)
    image = subject.image
    if image is not None:
        image = map_channels(lambda c: _resample_channel(c, factor, start, grid.shape), image)
    return replace(subject, label=label, image=image, grid=grid)


def _resample_channel(
    image: np.ndarray, factor: np.ndarray, start: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """Return an image [z, y, x] at start + factor · index, low-passed where resolution is lost."""
    width = np.sqrt(np.maximum(factor**2 - 1, 0)) / 2.355
    smooth = ndimage.gaussian_filter(image, width, mode="nearest")
    return np.asarray(
        ndimage.affine_transform(smooth, factor, start, shape, order=1, mode="nearest")
    )


def _nearest_neighbour(
    label: np.ndarray, factor: np.ndarray, start: np.ndarray, shape: np.ndarray
) -> np.ndarray:
    """Return the voxel nearest to start + factor · index, at every index."""
    nearest = [
        (first + step * np.arange(n) + 0.5).astype(int).clip(0, last - 1)
        for first, step, n, last in zip(start, factor, shape, label.shape, strict=True)
    ]
    return label[np.ix_(*nearest)]


def crop_to_shape(subject: Subject, shape: tuple[int, int, int]) -> Subject:
    """Crop and pad a subject by whole voxels, the box of its brain centred in shape (z, y, x).

    Raises:
        SubjectError: Where the brain does not fit, naming its box and the least shape.
    """
    corners = [np.nonzero(subject.label.any(axes))[0] for axes in ((1, 2), (0, 2), (0, 1))]
    if not corners[0].size:
        raise SubjectError(f"subject {subject.id}: the label map is empty")
    low = np.array([c[0] for c in corners])
    size = np.array([c[-1] - c[0] + 1 for c in corners])
    if (size > shape).any():
        spacing = " × ".join(f"{s:g}" for s in subject.grid.spacing)
        raise SubjectError(
            f"subject {subject.id}: the brain's box, {_size_text(size)} voxels (z, y, x) at "
            f"{spacing} mm, does not fit a grid of {_size_text(shape)}; the smallest that does is "
            f"{_size_text(size)}"
        )
    start = low - (np.array(shape) - size) // 2
    z, y, x = (int(n) for n in start)
    return replace(
        subject,
        label=_crop(subject.label, start, shape),
        image=None
        if subject.image is None
        else map_channels(lambda c: _crop(c, start, shape, intensity_outside(c)), subject.image),
        grid=subject.grid.moved((z, y, x), shape),
    )


def axis_aligned_grid(shape: tuple[int, ...], affine: np.ndarray) -> Grid:
    """Return the grid along the world's axes that covers all of an oblique grid, at its spacing.

    Args:
        shape: Voxels (z, y, x) of a grid in closest RAS+ order.
        affine: The affine of that grid, (x, y, z) to mm.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0).round(4)
    ends = np.array(shape[::-1]) - 0.5
    corners = np.stack(np.meshgrid(*[(-0.5, end) for end in ends]), -1).reshape(-1, 3)
    world = corners @ affine[:3, :3].T + affine[:3, 3]
    low, high = world.min(0), world.max(0)
    count = np.ceil((high - low) / spacing - 1e-6).astype(int)
    aligned = np.diag([*spacing, 1.0])
    aligned[:3, 3] = (low + high) / 2 - (count - 1) / 2 * spacing
    x, y, z = (int(n) for n in count)
    dx, dy, dz = (float(s) for s in spacing)
    return Grid((z, y, x), (dz, dy, dx), aligned)


def resample_image_onto(image: np.ndarray, affine: np.ndarray, grid: Grid) -> np.ndarray:
    """Sample an image [z, y, x] or [channel, z, y, x] linearly on a grid; dark beyond its edges."""
    matrix, offset = _relative_transform(affine, grid)

    def sample_channel(channel: np.ndarray) -> np.ndarray:
        return np.asarray(
            ndimage.affine_transform(
                channel, matrix, offset, grid.shape, order=1, cval=intensity_outside(channel)
            )
        )

    return map_channels(sample_channel, image)


def resample_label_onto(label: np.ndarray, affine: np.ndarray, grid: Grid) -> np.ndarray:
    """Read a label map [z, y, x] on a grid; every label keeps its volume."""
    matrix, offset = _relative_transform(affine, grid)
    return resample_label_map(label, matrix, offset, grid.shape)


def _relative_transform(affine: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return a grid's steps (3×3) and first voxel, [z, y, x], in voxels of another's affine."""
    voxel = np.linalg.inv(affine) @ grid.affine
    return voxel[:3, :3][::-1, ::-1], voxel[:3, 3][::-1]


def intensity_outside(channel: np.ndarray) -> float:
    """Return the intensity beyond an image's edges: 0, or of signed images such as CT that of air.

    Args:
        channel: An image of one channel, in the units of its file.
    """
    least = float(channel.min())
    # Interpolation and noise take unsigned images a little below 0.
    return max(least, AIR_HU) if least < -0.05 * float(channel.max()) else 0.0


def _crop(
    array: np.ndarray, start: np.ndarray, shape: tuple[int, int, int], fill: float = 0
) -> np.ndarray:
    """Return array[start : start + shape], filled where that lies outside."""
    window = np.full(shape, fill, array.dtype)
    source, target = [], []
    for first, n, length in zip(start, shape, array.shape, strict=True):
        a, b = max(0, first), min(length, first + n)
        source.append(slice(a, b))
        target.append(slice(a - first, b - first))
    window[tuple(target)] = array[tuple(source)]
    return window


def _size_text(shape: tuple[int, ...] | np.ndarray) -> str:
    """Return a size in words: 20 × 23 × 17."""
    return " × ".join(str(int(n)) for n in shape)
