"""Writing volumes as NIfTI files, with the stored 16-bit levels, so that nothing is lost."""

from pathlib import Path

import nibabel as nib
import numpy as np

from factory.storage.dataset.layout import quantise

_MAXIMUM_LEVEL = 65535  # of uint16


def save_image(
    path: Path, values: np.ndarray, affine: np.ndarray, limits: tuple[float, float]
) -> None:
    """Write an image [z, y, x] as uint16 with scl_slope and scl_inter.

    Args:
        path: The file to write.
        values: float32 [z, y, x].
        affine: 4×4, voxel (x, y, z, 1) to RAS+ mm.
        limits: The lowest and the highest value that the dataset stores.
    """
    low, high = limits
    levels, _ = quantise(values, low, high)
    file = _make_nifti(levels, affine)
    file.header.set_slope_inter((high - low) / _MAXIMUM_LEVEL, low)
    nib.save(file, path)


def save_label(path: Path, label: np.ndarray, affine: np.ndarray) -> None:
    """Write labels [z, y, x] in their own type; affine: 4×4, voxel (x, y, z, 1) to RAS+ mm."""
    nib.save(_make_nifti(label, affine), path)


def _make_nifti(values: np.ndarray, affine: np.ndarray) -> nib.Nifti1Image:
    file = nib.Nifti1Image(values.T, affine)
    file.set_sform(affine, code="scanner")
    file.set_qform(affine, code="scanner")
    file.header.set_xyzt_units("mm")
    return file
