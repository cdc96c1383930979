"""PNG as what it means: brightness where it is a picture, numbers where it is a label map."""

from pathlib import Path

import numpy as np
from PIL import Image

from factory.storage.errors import SubjectError

MODES_16_BIT = ("I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's modes of 16 bits a pixel."""

MAX_LABEL = 255
"""The largest number that a label may have."""


def read_picture(path: str | Path) -> np.ndarray:
    """A picture as its file shows it: uint8 or uint16, whose largest value is white.

    Grey is [row, column], colours are [row, column, RGB]. A palette gives its colours, and grey
    where all of them are; alpha is dropped. Raises SubjectError, in one line that names the file.
    """
    picture = _open_picture(path)
    if picture.mode in MODES_16_BIT:
        return np.asarray(picture).astype(np.uint16)
    if picture.mode in ("1", "L", "LA"):
        return np.asarray(picture.convert("L"))
    if picture.mode in ("F", "I"):
        raise SubjectError(f"{path}: pixels of 32 bits; allowed: 1 to 16 bits")
    colours = np.asarray(picture.convert("RGB"))
    is_grey = (colours == colours[..., :1]).all()
    return colours[..., 0] if picture.mode in ("P", "PA") and is_grey else colours


def read_grey(path: str | Path) -> np.ndarray:
    """Likewise, and colours as their brightness: uint8 or uint16 [row, column]."""
    picture = _open_picture(path)
    if picture.mode in MODES_16_BIT:
        return np.asarray(picture).astype(np.uint16)
    return np.asarray(picture.convert("L"))


def read_labels(path: str | Path) -> np.ndarray:
    """A label map's numbers, uint8 [row, column]: a palette's indices; of grey the values that are
    stored, so 0 and 1 of 1 bit; alpha is dropped.

    Raises SubjectError, in one line that names the file, for colours and for numbers above 255.
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
                f"{path}: a label map in colours; allowed: grey, or a palette whose indices are "
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
    """Where something was drawn, bool [row, column]: what has not the background's value, which is
    the most frequent one."""
    picture = _open_picture(path)
    values = np.asarray(picture) if picture.mode == "P" else read_grey(path)
    return values != np.bincount(values.ravel()).argmax()


def _open_picture(path: str | Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        said = " ".join(str(error).split())
        raise SubjectError(f"{path}: cannot be read: not a readable picture: {said}") from None


def _grey_step(path: Path, picture: Image.Image) -> int:
    """What Pillow multiplies grey values by, so that 2 or 4 bits a pixel fill the range of 8."""
    if picture.format != "PNG":
        return 1
    with path.open("rb") as file:
        depth = file.read(25)[24]  # of the header, the first chunk
    return 255 // (2**depth - 1) if depth < 8 else 1
