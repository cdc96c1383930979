"""A PNG gives the same picture or label map in every mode and depth."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from factory.storage.errors import SubjectError
from factory.storage.subjects.head_ultrasound import list_head_ultrasounds, load_head_ultrasound
from factory.storage.subjects.pictures import read_drawing, read_grey, read_labels, read_picture
from factory.storage.subjects.slices import read_png_planes

LABEL = np.zeros((12, 13), np.uint8)
LABEL[2:5], LABEL[5:8], LABEL[8:11] = 1, 2, 3

COLOURS = [0, 0, 0, 230, 0, 0, 0, 200, 0, 0, 0, 220]


def indexed(values: np.ndarray, colours: list[int]) -> Image.Image:
    picture = Image.fromarray(values).convert("P")
    picture.putpalette(colours)
    picture.putdata(values.ravel().tolist())
    return picture


def write_grey(path: Path, values: np.ndarray, bits: int) -> None:
    """A grey PNG of 2 or 4 bits a pixel, which Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = []
    for row in values:
        shifts = (row[:, None] >> np.arange(bits)[::-1]) & 1
        rows.append(b"\0" + np.packbits(shifts.astype(np.uint8).ravel()).tobytes())
    header = struct.pack(">IIBBBBB", *values.shape[::-1], bits, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b""))


def written(path: Path, kind: str) -> np.ndarray:
    """Write a label map of a kind, and return its numbers."""
    alpha = Image.fromarray(np.where(LABEL > 1, 255, 90).astype(np.uint8))
    grey = Image.fromarray(LABEL)
    if kind == "palette":
        indexed(LABEL, COLOURS).save(path)
    elif kind == "palette of 2 bits":
        indexed(LABEL, COLOURS).save(path, bits=2)
    elif kind == "1 bit":
        Image.fromarray(LABEL > 0).save(path)
        return (LABEL > 0).astype(np.uint8)
    elif kind in ("2 bits", "4 bits"):
        write_grey(path, LABEL, int(kind[0]))
    elif kind == "8 bits":
        grey.save(path)
    elif kind == "16 bits":
        Image.fromarray(LABEL.astype(np.uint16)).save(path)
    elif kind == "grey with alpha":
        Image.merge("LA", (grey, alpha)).save(path)
    else:
        Image.merge("RGBA", (grey, grey, grey, alpha)).save(path)
    return LABEL


KINDS = ("palette", "palette of 2 bits", "1 bit", "2 bits", "4 bits", "8 bits", "16 bits",
         "grey with alpha", "grey as colours")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_the_numbers_that_are_stored(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "l" / "a_1.png"
    path.parent.mkdir()
    expected = written(path, kind)
    read = read_labels(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, expected)
    (tmp_path / "i").mkdir()
    Image.fromarray(LABEL).save(tmp_path / "i" / "a_1.png")
    [plane] = read_png_planes(tmp_path / "i", 13, tmp_path / "l")
    assert plane.label is not None
    assert plane.label.max() == expected.max()  # so many labels will a model have


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.dstack([LABEL, LABEL, LABEL * 2]), "the label map has colours; allowed: grey"),
        (LABEL.astype(np.uint16) * 200, r"label 600 .*; allowed: whole numbers from 0 to 255"),
    ],
)
def test_files_without_labels_are_refused_in_one_line(
    tmp_path: Path, values: np.ndarray, says: str
) -> None:
    Image.fromarray(values).save(tmp_path / "l.png")
    with pytest.raises(SubjectError, match=f"l.png: {says}"):
        read_labels(tmp_path / "l.png")


def test_masks_of_black_and_white_are_no_labels(tmp_path: Path) -> None:
    for name, values in (("i", LABEL * 60), ("l", np.where(LABEL > 1, 255, 0).astype(np.uint8))):
        (tmp_path / name).mkdir()
        Image.fromarray(values).save(tmp_path / name / "a_1.png")
    with pytest.raises(SubjectError, match="have only 0 and 255; allowed: the labels' numbers"):
        read_png_planes(tmp_path / "i", 13, tmp_path / "l")
    (tmp_path / "l" / "a_1.png").rename(tmp_path / "l" / "b_1.png")
    with pytest.raises(SubjectError, match=r"l/a_1\.png: no such file, and no other slice of"):
        read_png_planes(tmp_path / "i", 13, tmp_path / "l")


def test_pictures_keep_their_range_and_their_colours(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    deep = ramp.astype(np.uint16) * 257
    grey = Image.fromarray(ramp)
    pictures = {
        "8": (grey, ramp),
        "16": (Image.fromarray(deep), deep),
        "alpha": (Image.merge("LA", (grey, grey)), ramp),
        "grey palette": (indexed(ramp, [v for v in range(256) for _ in range(3)]), ramp),
        "1": (Image.fromarray(ramp > 99), np.where(ramp > 99, 255, 0)),
        "colours": (Image.merge("RGBA", [grey] * 4), np.dstack([ramp] * 3)),
    }
    for name, (picture, expected) in pictures.items():
        picture.save(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(read_picture(tmp_path / f"{name}.png"), expected, name)
    write_grey(tmp_path / "4.png", ramp % 16, 4)
    np.testing.assert_array_equal(read_picture(tmp_path / "4.png"), ramp % 16 * 17)
    indexed(LABEL, COLOURS).save(tmp_path / "colour palette.png")
    shown = read_picture(tmp_path / "colour palette.png")
    np.testing.assert_array_equal(shown, np.reshape(COLOURS, (4, 3))[LABEL])
    assert read_grey(tmp_path / "colour palette.png").ndim == 2
    for name in ("8", "16", "alpha", "grey palette"):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}.png").rename(tmp_path / name / "a_1.png")
        [plane] = read_png_planes(tmp_path / name, 16)
        np.testing.assert_allclose(plane.image[0], ramp / 255 * 2 - 1, atol=1e-6)


@pytest.mark.parametrize("kind", ["16 bits", "12 bits of 16", "palette", "grey with alpha"])
def test_an_ultrasound_is_the_same_head_in_any_mode(
    ultrasounds: Path, tmp_path: Path, kind: str
) -> None:
    record = list_head_ultrasounds(ultrasounds)[0]
    other = dict(record)
    for key in ("image", "outline"):
        with Image.open(record[key]) as opened:
            grey = opened.copy()
        values = np.asarray(grey)
        if kind == "16 bits":
            picture = Image.fromarray(values.astype(np.uint16) * 257)
        elif kind == "12 bits of 16":
            picture = Image.fromarray(values.astype(np.uint16) * 16)
        elif kind == "grey with alpha":
            picture = Image.merge("LA", (grey, Image.fromarray(255 - values)))
        elif key == "image":
            picture = indexed(values, [v for v in range(256) for _ in range(3)])
        else:  # an outline of index 1 on a background of 0, whatever their colours
            picture = indexed((values > 0).astype(np.uint8), [255, 255, 255, 0, 0, 0])
        other[key] = str(tmp_path / Path(record[key]).name)
        picture.save(other[key])
    one, same = load_head_ultrasound(record), load_head_ultrasound(other)
    np.testing.assert_array_equal(one.label, same.label)
    scale = 16 / 257 if kind == "12 bits of 16" else 1
    assert one.image is not None
    assert same.image is not None
    np.testing.assert_allclose(same.image, one.image * scale, atol=1e-5)


def test_a_drawing_is_what_is_not_its_background(tmp_path: Path) -> None:
    values = np.full((9, 9), 200, np.uint8)
    values[2:4, 3] = 0
    Image.fromarray(values).save(tmp_path / "d.png")
    np.testing.assert_array_equal(read_drawing(tmp_path / "d.png"), values == 0)


def test_a_pixel_size_in_another_unit_is_refused(ultrasounds: Path, tmp_path: Path) -> None:
    record = {**list_head_ultrasounds(ultrasounds)[0], "pixel_mm": 0.08}
    with pytest.raises(SubjectError, match=r"the head is 26\.\d+ mm round .* 26\d\.\d mm by its"):
        load_head_ultrasound(record)
