"""Heads in ultrasound: the ellipse, the frame, and what is refused."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from factory.storage.errors import SubjectError
from factory.storage.subjects.head_frame import (
    LENGTH,
    SIDE,
    Ellipse,
    fit_ellipse,
    frame_mask,
    mask_ellipse,
    resample_to_frame,
)
from factory.storage.subjects.head_ultrasound import (
    HEAD,
    list_head_ultrasounds,
    load_head_ultrasound,
)
from factory.storage.subjects.load import load_subject


def inside(ellipse: Ellipse, shape: tuple[int, int] = (120, 140)) -> np.ndarray:
    """Return how far each pixel lies from the centre; 1 is on the ellipse."""
    rows, columns = np.indices(shape) - np.array(ellipse.centre)[:, None, None]
    cos, sin = math.cos(ellipse.angle), math.sin(ellipse.angle)
    along, across = rows * cos + columns * sin, columns * cos - rows * sin
    return np.hypot(along / ellipse.long, across / ellipse.short)


@st.composite
def ellipses(draw: st.DrawFn) -> Ellipse:
    short = draw(st.floats(20, 35))
    return Ellipse(
        (draw(st.floats(55, 65)), draw(st.floats(60, 80))),
        draw(st.floats(1.15, 1.5)) * short,
        short,
        draw(st.floats(-math.pi / 2, math.pi / 2, exclude_max=True)),
    )


def same(fitted: Ellipse, truth: Ellipse, within: float) -> None:
    assert fitted.centre == pytest.approx(truth.centre, abs=within)
    assert (fitted.long, fitted.short) == pytest.approx((truth.long, truth.short), abs=within)
    assert abs(math.sin(fitted.angle - truth.angle)) < within / 10
    assert -math.pi / 2 <= fitted.angle < math.pi / 2


@settings(max_examples=25, deadline=None)
@given(ellipses())
def test_an_ellipse_fits_its_outline_and_its_inside(truth: Ellipse) -> None:
    outline = np.abs(inside(truth) - 1) * truth.short < 0.7
    fitted, residual = fit_ellipse(outline)
    same(fitted, truth, 0.5)
    assert residual < 1
    same(mask_ellipse(inside(truth) <= 1), truth, 0.5)


def test_an_outline_cut_by_the_edge_is_still_an_ellipse() -> None:
    truth = Ellipse((60.0, 20.0), 50.0, 40.0, 0.3)
    fitted, _ = fit_ellipse(np.abs(inside(truth) - 1) * 40 < 0.7)
    same(fitted, truth, 0.5)


@settings(max_examples=15, deadline=None)
@given(ellipses())
def test_every_head_comes_to_lie_upright_at_one_length(ellipse: Ellipse) -> None:
    image = resample_to_frame((inside(ellipse) <= 1).astype(float), ellipse)
    label = frame_mask(ellipse)
    assert image.shape == label.shape == (SIDE, SIDE)
    assert np.ptp(np.flatnonzero(label.any(axis=1))) + 1 == LENGTH
    assert np.mean((image > 0.5) != label) < 0.02  # half a pixel of small sources
    assert (label == label[::-1]).all()
    assert (label == label[:, ::-1]).all()


def test_what_lies_along_the_head_comes_to_lie_along_the_rows() -> None:
    ellipse = Ellipse((60.0, 70.0), 50.0, 38.0, 0.6)
    spot = np.zeros((120, 140))
    spot[round(60 + 40 * math.cos(0.6)), round(70 + 40 * math.sin(0.6))] = 1
    row, column = np.unravel_index(resample_to_frame(spot, ellipse).argmax(), (SIDE, SIDE))
    assert abs(row - (SIDE - 1) / 2 - 40 * LENGTH / 100) < 1.5
    assert abs(column - (SIDE - 1) / 2) < 1.5


def test_circumference_of_a_circle_and_of_a_line() -> None:
    assert Ellipse((0, 0), 5.0, 5.0, 0).circumference == pytest.approx(10 * math.pi)
    assert Ellipse((0, 0), 5.0, 1e-9, 0).circumference == pytest.approx(20, rel=1e-3)


def test_records_and_subjects(ultrasounds: Path) -> None:
    records = list_head_ultrasounds(ultrasounds)
    assert [r["id"] for r in records] == [
        "001_HC", "002_2HC", "002_HC", "003_HC", "004_HC", "005_HC"
    ]  # fmt: skip
    assert [r["person"] for r in records[1:3]] == ["002", "002"]
    subject = load_subject(records[0], None)
    assert subject.table == HEAD
    assert subject.label.shape == (1, SIDE, SIDE)
    assert subject.image is not None
    assert 0 <= subject.image.min() < subject.image.max() <= 1
    assert subject.image[subject.label == 0].max() == 0
    assert subject.grid.spacing[1] == pytest.approx(2 * 60 * 0.8 / LENGTH, rel=0.01)
    assert subject.metadata["circumference_mm"] == records[0]["circumference_mm"]


def test_the_ellipse_is_as_long_round_as_the_table_says(real_data: Path) -> None:
    for record in list_head_ultrasounds(real_data / "fetal-ultrasound-hc18")[::30]:
        with Image.open(record["outline"]) as image:
            ellipse, _ = fit_ellipse(np.asarray(image) > 0)
        measured = ellipse.circumference * record["pixel_mm"]
        assert measured == pytest.approx(record["circumference_mm"], rel=1e-3)


def spoilt(root: Path, how: str) -> str:
    """Spoil a copy of the synthetic folder, and return the message that it must give."""
    table = root / "pixel_size_and_HC.csv"
    outline = root / "001_HC_Annotation.png"
    if how == "no table":
        table.unlink()
        return "not a folder of head ultrasounds"
    if how == "no column":
        table.write_text(table.read_text().replace("pixel size(mm)", "pixel"))
        return r"needs the column pixel size\(mm\)"
    if how == "no number":
        table.write_text(table.read_text().replace("001_HC.png,0.8", "001_HC.png,wide"))
        return r"line 2: pixel size\(mm\) 'wide'; allowed: mm above 0"
    if how == "no outline":
        outline.unlink()
        return "001_HC_Annotation.png: no such file"
    if how == "no picture":
        outline.write_text("not a picture")
        return "001_HC_Annotation.png: cannot be read"
    if how == "empty":
        Image.fromarray(np.zeros((150, 170), np.uint8)).save(outline)
        return "no ellipse fits its pixels"
    if how == "square":
        square = np.zeros((150, 170), np.uint8)
        square[30:120, [30, 130]] = square[[30, 119], 30:131] = 255
        Image.fromarray(square).save(outline)
        return r"strays \d+\.\d pixels from an ellipse"
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(root / "001_HC.png")
    return "but its outline"


@pytest.mark.parametrize(
    "how",
    ["no table", "no column", "no number", "no outline", "no picture", "empty", "square", "shape"],
)
def test_unreadable_files_are_refused_in_one_line(
    ultrasounds: Path, tmp_path: Path, how: str
) -> None:
    root = tmp_path / "heads"
    shutil.copytree(ultrasounds, root)
    message = spoilt(root, how)
    with pytest.raises(SubjectError, match=message) as error:
        load_head_ultrasound(list_head_ultrasounds(root)[0])
    assert "\n" not in str(error.value)


def test_heads_of_other_sizes_are_left_out_or_refused(ultrasounds: Path) -> None:
    assert len(list_head_ultrasounds(ultrasounds, (270, 300))) == 3
    with pytest.raises(SubjectError, match="no head of 1 to 2 mm; they span 267"):
        list_head_ultrasounds(ultrasounds, (1, 2))
