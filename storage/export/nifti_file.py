"""Volumes as NIfTI files: the stored 16-bit levels with their slope, so that nothing is lost."""

from pathlib import Path

import nibabel as nib
import numpy as np

from factory.storage.dataset.layout import quantise

LEVELS = 65535


def save_image(
    path: Path, values: np.ndarray, affine: np.ndarray, limits: tuple[float, float]
) -> None:
    """Write an image [z, y, x] as uint16 with scl_slope and scl_inter.

    affine: 4×4, voxel (x, y, z, 1) to RAS+ mm. limits: the value range the dataset stores.
    """
    low, high = limits
    levels, _ = quantise(values, low, high)
    file = _make_nifti(levels, affine)
    file.header.set_slope_inter((high - low) / LEVELS, low)
    nib.save(file, path)


def save_label(path: Path, label: np.ndarray, affine: np.ndarray) -> None:
    """Write labels [z, y, x] as uint8."""
    nib.save(_make_nifti(label.astype(np.uint8), affine), path)


def _make_nifti(values: np.ndarray, affine: np.ndarray) -> nib.Nifti1Image:
    file = nib.Nifti1Image(values.T, affine)
    file.set_sform(affine, code="scanner")
    file.set_qform(affine, code="scanner")
    file.header.set_xyzt_units("mm")
    return file
