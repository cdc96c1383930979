"""Read PNG files: as pictures, whose pixels are brightness, or as label maps."""

from pathlib import Path

import numpy as np
from PIL import Image

from factory.storage.errors import SubjectError

MODES_16_BIT = ("I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's modes of 16 bits a pixel."""

MAX_LABEL = 255
"""The largest number that a label may have."""


def read_picture(path: str | Path) -> np.ndarray:
    """Read a picture as its file shows it.

    Grey stays grey, colours stay colours; a palette gives its colours, or grey where all of them
    are grey. Alpha is dropped.

    Returns:
        uint8 or uint16, whose largest value is white: [row, column], or [row, column, RGB].

    Raises:
        SubjectError: In one line that names the file.
    """
    picture = _open_picture(path)
    if picture.mode in MODES_16_BIT:
        return np.asarray(picture).astype(np.uint16)
    if picture.mode in ("1", "L", "LA"):
        return np.asarray(picture.convert("L"))
    if picture.mode in ("F", "I"):
        raise SubjectError(f"{path}: the pixels have 32 bits; allowed: 1 to 16 bits")
    colours = np.asarray(picture.convert("RGB"))
    is_grey = (colours == colours[..., :1]).all()
    return colours[..., 0] if picture.mode in ("P", "PA") and is_grey else colours


def read_grey(path: str | Path) -> np.ndarray:
    """Read a picture as its brightness, uint8 or uint16 [row, column]; see read_picture."""
    picture = _open_picture(path)
    if picture.mode in MODES_16_BIT:
        return np.asarray(picture).astype(np.uint16)
    return np.asarray(picture.convert("L"))


def read_labels(path: str | Path) -> np.ndarray:
    """Read a label map's numbers: a palette's indices, or the grey values as stored.

    An image of 1 bit has the labels 0 and 1. Alpha is dropped.

    Returns:
        uint8 [row, column].

    Raises:
        SubjectError: In one line that names the file, for colours and for numbers above 255.
    """
    picture = _open_picture(path)
    if picture.mode in ("P", "PA"):
        return np.asarray(picture if picture.mode == "P" else picture.getchannel(0))
    if picture.mode == "1":
        return np.asarray(picture).astype(np.uint8)
    if picture.mode in ("RGB", "RGBA"):
        channels = np.asarray(picture)[..., :3]
        if (channels != channels[..., :1]).any():
            raise SubjectError(
                f"{path}: the label map has colours; allowed: grey, or a palette whose indices are "
                "the labels"
            )
        return channels[..., 0]
    if picture.mode in ("L", "LA"):
        return np.asarray(picture.convert("L")) // _grey_step(Path(path), picture)
    values = np.asarray(picture)
    if picture.mode not in (*MODES_16_BIT, "I") or values.min() < 0 or values.max() > MAX_LABEL:
        raise SubjectError(
            f"{path}: label {values.max()} ({picture.mode}); allowed: whole numbers from 0 to "
            f"{MAX_LABEL}"
        )
    return values.astype(np.uint8)


def read_drawing(path: str | Path) -> np.ndarray:
    """Read where something was drawn: every pixel that has not the background's value.

    The background's value is the most frequent one.

    Returns:
        bool [row, column].
    """
    picture = _open_picture(path)
    values = np.asarray(picture) if picture.mode == "P" else read_grey(path)
    return np.asarray(values != np.bincount(values.ravel()).argmax())


def _open_picture(path: str | Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SubjectError(f"{path}: cannot be read: not a readable picture: {reason}") from None


def _grey_step(path: Path, picture: Image.Image) -> int:
    """Return by how much Pillow multiplies grey values to spread 2 or 4 bits over 8."""
    if picture.format != "PNG":
        return 1
    with path.open("rb") as file:
        depth = file.read(25)[24]  # bit depth, in PNG's header chunk
    return 255 // (2**depth - 1) if depth < 8 else 1
