"""What a NIfTI header says of a volume's place: its unit, its size, and which way its axes run.

By the standard, and as nibabel reads it: the sform holds where its code is above 0, else the qform
where its code is, else the pixdim alone, which give voxel sizes but no orientation.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import xform_codes
from nibabel.spatialimages import HeaderDataError

from factory.storage.errors import SubjectError

UNIT_MM = {1: 1000.0, 2: 1.0, 3: 0.001}
"""Millimetres by the code of a unit: metre, millimetre, micrometre. A file that names none is taken
to be in millimetres, as all software does."""

HEAD_MM = (20.0, 400.0)
"""Limits of a labelled head's longest side: a fetus of twelve weeks; an adult with the neck."""

BODY_PART_MM = (1.0, 2500.0)
"""Limits of the longest side of labelled structures that may be any."""

HEART_MM = (20.0, 300.0)
"""Limits of a labelled heart's longest side in plane: a fetus; a dilated adult's."""

BODY_MM = (10.0, 2500.0)
"""Limits of the longest side of a field of view without labels."""

TURN_TOLERANCE_DEGREES, SIZE_TOLERANCE = 1.0, 0.01
"""How much two transforms may differ in angle and, relatively, in voxel size to count as equal."""


def convert_to_mm(affine: np.ndarray, header: nib.Nifti1Header, path: Path) -> np.ndarray:
    """Return a file's affine in millimetres.

    Raises:
        SubjectError: Where the header's unit of space is not one of the standard.
    """
    code = int(header["xyzt_units"]) & 7
    if code == 0:
        return affine
    if code not in UNIT_MM:
        raise SubjectError(
            f"{path}: xyzt_units has the unit of space {code}; allowed: 0 (not given), 1 (metre), "
            "2 (millimetre), 3 (micrometre)"
        )
    scale = UNIT_MM[code]
    return affine if scale == 1 else np.diag([scale, scale, scale, 1.0]) @ affine


def check_size(
    path: str | Path, what: str, sides_mm: np.ndarray, allowed_mm: tuple[float, float]
) -> None:
    """Raise SubjectError where something is too small or too large to be what it should be.

    Args:
        path: The file, for the error.
        what: What was measured, e.g. "the labelled head".
        sides_mm: Lengths (z, y, x), or (y, x).
        allowed_mm: The least and the most that the longest of them may be.
    """
    low, high = allowed_mm
    if not low <= sides_mm.max() <= high:
        size = " × ".join(f"{side:.4g}" for side in sides_mm)
        axes = "z, y, x" if len(sides_mm) == 3 else "y, x"
        raise SubjectError(
            f"{path}: {what} is {size} mm ({axes}); allowed: {low:g} to {high:g} mm along the "
            "longest side; the header's spacing or its unit (xyzt_units) is wrong"
        )


def orientation_remark(path: Path) -> str | None:
    """Describe what is uncertain about a file's orientation and what is assumed.

    Returns:
        A sentence; None where nothing is uncertain or the file cannot be read.
    """
    try:
        header = nib.load(path).header
    except (OSError, ImageFileError, HeaderDataError):
        return None
    if not isinstance(header, nib.Nifti1Header):
        return None
    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    if not sform and not qform:
        return (
            "neither an sform nor a qform is given (both codes are 0), so the file does not say "
            "which side is left; the voxel sizes (pixdim) are used, and the first axis is taken to "
            "run from right to left"
        )
    if not sform or not qform:
        return None
    try:
        difference = _describe_difference(header.get_sform(), header.get_qform())
    except HeaderDataError:  # the qform's quaternion is invalid, but the sform is used
        return None
    if difference is None:
        return None
    return (
        f"the sform ({_describe_code(sform)}) and the qform ({_describe_code(qform)}) differ: "
        f"{difference}; the sform is used"
    )


def _describe_code(code: int) -> str:
    """Return an sform or qform code with its name."""
    is_named = code in xform_codes.value_set("code")
    return f"code {code}, {xform_codes.label[code]}" if is_named else f"code {code}"


def _describe_difference(sform: np.ndarray, qform: np.ndarray) -> str | None:
    """Describe how two affines place a volume differently; None where they agree."""
    sides = ["".join(nib.aff2axcodes(affine)) for affine in (sform, qform)]
    if sides[0] != sides[1]:
        return f"their axes run {sides[0]} and {sides[1]}"
    lengths = [np.linalg.norm(affine[:3, :3], axis=0) for affine in (sform, qform)]
    directions = [a[:3, :3] / n for a, n in zip((sform, qform), lengths, strict=True)]
    cosines = (directions[0] * directions[1]).sum(axis=0).clip(-1, 1)
    angle_degrees = float(np.degrees(np.arccos(cosines)).max())
    if angle_degrees > TURN_TOLERANCE_DEGREES:
        return f"they are turned by {angle_degrees:.1f}° against each other"
    ratios = lengths[0] / lengths[1]
    ratio = ratios[np.abs(ratios - 1).argmax()]
    if abs(ratio - 1) > SIZE_TOLERANCE:
        return f"the voxels of the sform are {ratio:.3g} times as large"
    return None
