"""Scores on the page, read from the folders of evaluations; and folders that hold no scores."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.report_pages import dataset, graded, page_of

from factory.errors import FactoryError
from factory.evaluation.summary_file import write_summary
from factory.report.score_kinds import COPIES, METRICS
from factory.report.scores import read_scores

DISTRIBUTION = """against,direction,precision,fid,kid
learnt from,mean,0.5,12.34567,0.0123456
held out,mean,0.25,,0.02
real against real,mean,0.75,,0.001
"""
PAIRED = """sample,subject,labels,direction,ssim,mse
0,a,new,3D,0.8,0.01
1,b,new,3D,0.9,0.03
0,a,new,axial,,0.02
"""
STRATA = "what,images,close_in_pixels,close_in_features\nsamples of new labels,2,0.5,0\n"
AUDIT = "sample,nearest,distance\nsample 0,r1,0.4\nsample 1,r2,0.1\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    place = tmp_path / "scores"
    place.mkdir()
    for name, text in (("distribution", DISTRIBUTION), ("paired", PAIRED),
                       ("audit-strata", STRATA), ("audit", AUDIT)):  # fmt: skip
        (place / f"{name}.csv").write_text(text)
    for name in ("paired", "audit-pairs"):
        Image.fromarray(np.zeros((30, 3000), np.uint8)).save(place / f"{name}.png")
    return place


def test_each_evaluation_has_its_tables_and_pictures(folder):
    by_title = {one.title.split(",")[0]: one for one in read_scores(str(folder), ["a"])}
    assert [one.section for one in by_title.values()] == [METRICS, METRICS, COPIES]
    distribution = by_title["As a set"].tables[0][1]
    assert distribution.rows[0] == ["learnt from", "mean", "0.5", "12.3", "0.0123"]
    assert distribution.rows[1][3] == "–"
    assert distribution.highlighted == {2}
    paired = by_title["In pairs"].tables[0][1]
    assert paired.rows == [
        ["new", "3D", "2", "0.850 ± 0.071", "0.0200 ± 0.0141"],
        ["new", "axial", "1", "–", "0.0200"],
    ]
    audit = by_title["Does it copy the images that its model learnt from?"]
    assert [row[0] for row in audit.tables[1][1].rows] == ["sample 1", "sample 0"]
    assert [caption[:17] for caption, _ in audit.pictures] == ["The closest pairs"]
    assert all(not one.warning and not one.remarks for one in by_title.values())


def test_scores_are_on_the_page_with_the_remarks_of_their_evaluation(folder, tmp_path):
    stored = dataset(tmp_path / "d.zarr", graded())
    score = {"area": 0.61, "low": 0.5, "high": 0.7, "learnt": 12, "held": 3}
    write_summary(folder, "paired", stored, "original", ["mask: label > 0"])
    write_summary(folder, "audit", stored, "real", [], membership={"pixels": score})
    page, _ = page_of(stored.path, tmp_path / "r.html", folder)
    assert "learnt from mean 0.5 12.3 0.0123" in page.plain
    assert "mask: label > 0" in page.plain
    assert (
        "membership score by pixels: 0.61 (0.50 to 0.70), how well 12 training images" in page.plain
    )
    assert "belong to another dataset" not in page.plain
    assert "without an audit" not in page.plain
    assert "Demystifying MMD GANs" in page.plain
    assert page.tags.count("img") == 6 + 2


def test_scores_of_another_dataset_get_a_warning(folder, tmp_path):
    stored = dataset(tmp_path / "d.zarr", graded())
    other = dataset(tmp_path / "o.zarr", graded(), **{"grown_from": []})
    object.__setattr__(other, "record", {**other.record, "recipe_digest": "b" * 64})
    write_summary(folder, "distribution", other, "real", [])
    page, _ = page_of(stored.path, tmp_path / "r.html", folder)
    assert f"These scores belong to another dataset: {other.path}." in page.plain


def test_several_folders_of_scores_are_shown(folder, tmp_path):
    stored = dataset(tmp_path / "d.zarr", graded())
    second = tmp_path / "second"
    second.mkdir()
    (second / "downstream.csv").write_text("way,measure,effect\nboth,dice,0.04\n")
    page, _ = page_of(stored.path, tmp_path / "r.html", folder, second)
    assert "both dice 0.04" in page.plain
    assert "In pairs" in page.plain


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("notes.txt", b"", "no scores; allowed: a folder that factory evaluate"),
        ("paired.csv", b"", "paired.csv: cannot be read as a table"),
        ("paired.csv", b"\xff\xfe\x00\x01", "paired.csv: cannot be read as a table"),
        ("paired.csv", b"a,b\n1,2\n", "no column sample, labels, direction"),
        ("distribution.csv", b"against\nx\n1,2,3\n", "cannot be read as a table"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FactoryError, match=message) as error:
        read_scores(str(tmp_path), [])
    assert "\n" not in str(error.value)


def test_a_missing_folder_and_broken_files_beside_a_table_are_refused(folder, tmp_path):
    with pytest.raises(FactoryError, match="no such folder"):
        read_scores(str(tmp_path / "nowhere"), [])
    (folder / "paired.json").write_text("{")
    with pytest.raises(FactoryError, match=r"paired\.json: cannot be read"):
        read_scores(str(folder), [])
    (folder / "paired.json").write_text(json.dumps([1]))
    (folder / "paired.png").write_bytes(b"no picture")
    with pytest.raises(FactoryError, match=r"paired\.png: cannot read the picture"):
        read_scores(str(folder), [])
