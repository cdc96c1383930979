"""The page about a dataset: what is on it, for any kind of dataset."""

import re

import numpy as np
import pytest
from support.report_pages import SECTIONS, SHAPE, dataset, graded, page_of

from factory.errors import FactoryError
from factory.report.page import write_page
from factory.storage.errors import DatasetError
from factory.storage.subjects.head_ultrasound import HEAD
from factory.storage.subjects.short_axis import HEART

INLINE = ("data:", "#")
"""How the addresses of all that a page loads must begin."""


def test_every_section_is_there_and_nothing_is_loaded_from_elsewhere(tmp_path):
    stored = dataset(tmp_path / "d.zarr", graded())
    page, text = page_of(stored.path, tmp_path / "r.html")
    assert page.sections == SECTIONS
    assert all(address.startswith(INLINE) for address in page.loaded)
    assert all(link.startswith("#") and link[1:] in SECTIONS for link in page.links)
    assert not re.search(r"@import|url\((?!#)|<script|<link|<iframe|<object", text)
    assert {"light dark", "prefers-color-scheme: dark"} <= {
        m for m in ("light dark", "prefers-color-scheme: dark") if m in text
    }
    assert "6 synthetic samples of 2 subjects, made by the recipe small; complete." in page.plain
    assert stored.digest() in page.plain
    assert stored.record["recipe_digest"] in page.plain
    assert "seed: 1" in page.plain
    assert page.tags.count("img") == 6


def test_requested_and_achieved_values_are_compared(tmp_path):
    stored = dataset(tmp_path / "d.zarr", graded())
    page, _ = page_of(stored.path, tmp_path / "r.html")
    # the grade that does not change the width is not counted
    assert "atrial width (mm) 4 +0.15 0.0577 0.2" in page.plain
    assert "Exactly as requested in every sample: gestational age (weeks)." in page.plain
    assert "components ventricles 1 6" in page.plain


def test_names_are_escaped(tmp_path):
    bad = "<script>alert(1)</script>"
    rows = [{"subject": bad, "group": g, "volume_ml_x": v, "why": bad, "accepted": False}
            for g, v in (("<b>$x^", 1.0), ("$\\frac", 2.0), ("<b>$x^", 3.0))]  # fmt: skip
    gate = {"gate": {"model": bad, "ventricles": {"dice": 0.8}}}
    stored = dataset(tmp_path / "d.zarr", rows, resolved=gate)
    page, text = page_of(stored.path, tmp_path / "r.html")
    assert "<script" not in text
    assert "script" not in page.tags
    assert "<b>$x" not in text
    assert bad in page.words
    assert "group <b>$x^" in page.plain


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        ([{"subject": "one"}], {}),
        ([{}], {}),
        ([{"subject": "s", "grade": None, "volume_ml_x": None}] * 2, {}),
        ([{"subject": "s", "volume_ml_x": 1.0}] * 3, {"image": np.zeros(SHAPE, np.float32)}),
        ([{"subject": "s"}] * 2, {"shape": (1, 32, 32)}),
        ([{"subject": "s"}] * 2, {"shape": (1, 32, 32), "table": HEAD}),
        ([{"subject": "s"}] * 2, {"shape": (3, 24, 24), "spacing": (8, 1, 1), "table": HEART}),
        ([{"subject": "s", "accepted": False, "failure": "nowhere to grow"}], {}),
        ([{"subject": "s", "variant": f"v{i}"} for i in range(9)], {}),
    ],
    ids=["one", "no columns", "no values", "constant", "slices", "heads", "hearts", "vacant",
         "a variant each"],
)  # fmt: skip
def test_any_dataset_has_a_page_with_every_section(tmp_path, rows, options):
    stored = dataset(tmp_path / "d.zarr", rows, **options)
    page, _ = page_of(stored.path, tmp_path / "r.html")
    assert page.sections == SECTIONS
    one = len(rows) == 1
    assert f"{len(rows)} synthetic sample{'' if one else 's'}" in page.plain


def test_an_unfinished_dataset_is_reported_as_such(tmp_path):
    stored = dataset(tmp_path / "d.zarr", graded(1), samples=9)
    page, _ = page_of(stored.path, tmp_path / "r.html")
    assert "not complete: 3 of 9 samples are finished" in page.plain
    assert "none, as it is not complete" in page.plain


def test_vacant_and_rejected_samples_are_counted_and_named(tmp_path):
    rows = graded(2)
    rows[1] |= {"accepted": False, "failure": "the ventricles have nowhere to grow"}
    rows[2] |= {"accepted": False, "why": "ventricles dice 0.4", "gate_dice_ventricles": 0.4}
    for i in (0, 3, 4, 5):
        rows[i] |= {"accepted": True, "why": "", "gate_dice_ventricles": 0.9, "gate_tries": 1}
    rows[2]["gate_tries"] = 3
    gate = {"gate": {"model": "nowhere", "tries": 3, "ventricles": {"dice": 0.85}}}
    stored = dataset(tmp_path / "d.zarr", rows, resolved=gate)
    page, _ = page_of(stored.path, tmp_path / "r.html")
    assert "1 did not pass the gate; 1 could not be rendered." in page.plain
    assert (
        "Of 5 samples that were judged, 4 passed at the first attempt and 1 did not pass at all."
        in page.plain
    )
    assert "Dice at least 0.85 0.9 0.4 1" in page.plain
    assert "2: ventricles dice 0.4" in page.plain
    assert "1: the ventricles have nowhere to grow" in page.plain
    # the four accepted ones stand for their grades; and the rejected one
    assert page.tags.count("img") == 5


def test_only_a_few_of_many_samples_are_read(tmp_path, monkeypatch):
    stored = dataset(tmp_path / "d.zarr", graded(5, 4))
    indices: list[int] = []
    sample = type(stored).sample
    monkeypatch.setattr(
        type(stored), "sample", lambda self, i: indices.append(i) or sample(self, i)
    )
    page_of(stored.path, tmp_path / "r.html", with_digest=False)
    assert len(indices) == len(set(indices)) == 12


def test_what_cannot_be_reported_is_refused_in_one_line(tmp_path):
    with pytest.raises(DatasetError, match="no such dataset"):
        write_page(str(tmp_path / "nowhere.zarr"))
    stored = dataset(tmp_path / "e.zarr", [], samples=2)
    with pytest.raises(FactoryError, match="no sample is finished yet"):
        write_page(stored.path, tmp_path / "r.html")
    stored = dataset(tmp_path / "d.zarr", graded(1, 1))
    with pytest.raises(FactoryError, match="a folder; allowed: a file"):
        write_page(stored.path, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(FactoryError, match="cannot write the report"):
        write_page(stored.path, tmp_path / "file" / "r.html")
