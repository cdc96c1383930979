"""Figures of the summary, compared with published examples and with values by hand."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from factory.errors import FactoryError
from factory.evaluation.reader_study.agreement import (
    difference_interval,
    fleiss_kappa,
    mean_interval,
    share_interval,
)
from factory.evaluation.reader_study.answers import Answer, Study, StudySettings
from factory.evaluation.reader_study.pictures import Frame
from factory.evaluation.reader_study.study import Picture, StudyRequest
from factory.evaluation.reader_study.summary import (
    CANNOT_TELL,
    Summary,
    add_opinions,
    build_tables,
    summarise_study,
)

FRAME = Frame(2, 0.5, (1.0, 1.0, 1.0), True)

DIAGNOSES = """
444444 222555 233335 555555 222444 113333 333355 113334 114444 555555
144444 124444 222333 144444 224445 333335 111455 111112 224444 133555
555555 244444 224555 114444 144445 222224 111155 224444 133333 555555
"""
"""Thirty patients, each diagnosed by six psychiatrists: Fleiss 1971, table 1 (1 depression,
2 personality disorder, 3 schizophrenia, 4 neurosis, 5 other)."""


def test_fleiss_kappa_of_his_own_example():
    counts = np.array([[row.count(c) for c in "12345"] for row in DIAGNOSES.split()])
    assert counts.shape == (30, 5)
    assert fleiss_kappa(counts) == pytest.approx(0.430, abs=5e-4)


def test_fleiss_kappa_of_fourteen_readers():
    """The worked example of the encyclopaedias: ten subjects, five categories."""
    rows = (
        "0 0 0 0 14 0 2 6 4 2 0 0 3 5 6 0 3 9 2 0 2 2 8 1 1 7 7 0 0 0 3 2 6 3 0 2 5 3 2 2 6 5 2 1 0"
    )
    counts = np.array([*map(int, rows.split()), 0, 2, 2, 3, 7]).reshape(10, 5)
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)


@settings(max_examples=25, deadline=None)
@given(
    answers=st.lists(st.integers(0, 2), min_size=2, max_size=30).filter(lambda a: len(set(a)) > 1),
    readers=st.integers(2, 6),
)
def test_readers_who_always_agree_have_kappa_one(answers, readers):
    assert fleiss_kappa(readers * np.eye(3)[answers]) == pytest.approx(1)


def test_kappa_is_nan_or_refused_where_it_is_undefined():
    assert math.isnan(fleiss_kappa(np.array([[3, 0], [3, 0]])))
    assert math.isnan(fleiss_kappa(np.zeros((0, 2))))
    for counts in ([[1, 0]], [[2, 1], [2, 2]]):
        with pytest.raises(ValueError, match="same number of readers"):
            fleiss_kappa(np.array(counts))


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 200), data=st.data())
def test_intervals_equal_those_of_scipy(n, data):
    k = data.draw(st.integers(0, n))
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert share_interval(k / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)
    values = np.array([1.0] * k + [4.0] * (n - k) + [2.0])
    mean, low, high = mean_interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    if values.std() > 0:
        assert (mean, low, high) == pytest.approx((values.mean(), expected.low, expected.high))
        other = values[::2] + 0.5
        if len(other) > 1 and other.std() > 0:
            expected = stats.ttest_ind(values, other, equal_var=False).confidence_interval()
            assert difference_interval(values, other)[1:] == pytest.approx(tuple(expected))


def test_intervals_of_too_few_values_are_nan():
    assert mean_interval(np.array([3.0]))[0] == 3
    assert math.isnan(mean_interval(np.array([3.0]))[1])
    assert math.isnan(mean_interval(np.array([]))[0])
    assert math.isnan(share_interval(math.nan, 0)[0])
    assert math.isnan(difference_interval(np.array([]), np.array([1.0]))[0])


@pytest.fixture
def study(tmp_path) -> Study:
    """Return a study whose pictures 1 to 4 are real and 5 to 8 synthetic."""
    study = Study(tmp_path / "study")
    pictures = [
        Picture("real" if i < 4 else "synthetic", "v", "axial", i, bytes(8)) for i in range(8)
    ]
    study.create(StudySettings(StudyRequest("digest", "real", 8, 0), FRAME), pictures)
    return study


def fill(study: Study, names, group, scale, answer_of, count=8) -> None:
    for reader in study.add_readers(names, group, 0):
        for position in range(count):
            score, verdict = answer_of(reader.order[position])
            study.record_answer(reader, Answer(position, score, verdict), scale)


def test_tables_of_experts_and_a_beginner(study):
    # experts: real 5, synthetic 4, and always right
    fill(study, ["expert-1", "expert-2"], "expert", "mos",
         lambda p: (5, "real") if p <= 4 else (4, "synthetic"))  # fmt: skip
    # the beginner: on the other scale real 2 (so 4), synthetic 1 (so 5); all real, the last unsure
    fill(study, ["beginner-1"], "beginner", "ayaz",
         lambda p: (2, "real") if p <= 4 else (1, None if p == 8 else "real"))  # fmt: skip
    tables = build_tables(add_opinions(study.results()))
    mos = tables["opinion"].set_index(["who", "source"])["mos"]
    assert mos["experts", "real"] == 5
    assert mos["experts", "synthetic"] == 4
    assert mos["beginners", "real"] == 4
    assert mos["beginners", "real − synthetic"] == -1
    assert mos["beginner-1", "synthetic"] == 5
    assert mos["all", "real"] == pytest.approx((5 + 5 + 4) / 3)
    matrix = tables["turing"].set_index(["who", "is"])
    assert matrix.loc[("experts", "real")].tolist() == [8, 0, 0]
    assert matrix.loc[("beginner-1", "synthetic")].tolist() == [3, 0, 1]
    assert matrix.loc[("all", "synthetic")][["real", "synthetic", CANNOT_TELL]].tolist() == [
        3,
        8,
        1,
    ]
    right = tables["accuracy"].set_index("who")
    assert right.loc["experts", "right"] == 1
    assert right.loc["beginner-1", "right"] == pytest.approx(4 / 7)
    assert right.loc["experts", "pictures"] == 8  # two readers, but eight pictures
    kappa = tables["agreement"].set_index(["who", "question"])["kappa"]
    assert kappa["experts", "real or synthetic"] == 1
    assert kappa["all", "real or synthetic"] < 1
    assert ("beginners", "score") not in kappa
    counts = tables["frequency"].set_index(["who", "scale", "source", "score"])["answers"]
    assert counts["all", "mos", "real", 5] == 8
    assert counts["all", "ayaz", "real", 2] == 4  # as it was given
    assert counts["beginner-1", "ayaz", "synthetic", 1] == 4


def test_tables_and_charts_are_written_and_printed(study):
    fill(study, ["reader-1"], None, "mos", lambda p: (1 + p % 5, "real"), count=5)
    summary = summarise_study(str(study.folder))
    text = "\n".join(summary.lines())
    assert "Mean opinion score" in text
    assert "unfinished reader-1: 5 of 8 answered" in text
    assert "no agreement to measure" in text
    answers = pd.read_csv(study.folder / "answers.csv")
    assert len(answers) == 5
    assert {"reader", "scale", "score", "said", "source", "orientation"} <= set(answers.columns)
    names = {file.name for file in summary.files}
    tables = ("answers", "opinion", "frequency", "turing", "accuracy", "agreement")
    assert names == {*(f"{t}.csv" for t in tables), "frequency.png", "turing.png"}
    for name in ("frequency", "turing"):
        picture = np.asarray(Image.open(study.folder / f"{name}.png").convert("L"))
        assert picture.std() > 10


def test_json_has_no_nan(study):
    fill(study, ["reader-1"], None, "mos", lambda p: (3, None), count=1)
    summary = Summary(build_tables(add_opinions(study.results())), [], [])
    data = json.loads(json.dumps(summary.to_json(), allow_nan=False))
    assert data["opinion"][0]["low"] is None
    assert data["accuracy"][0]["right"] is None


def test_a_study_without_answers_is_refused(study, tmp_path):
    with pytest.raises(FactoryError, match="no answer yet"):
        summarise_study(str(study.folder))
    with pytest.raises(FactoryError, match="no such file; factory rate DATASET"):
        summarise_study(str(tmp_path / "nowhere"))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "study.sqlite").write_text("not a database, but long enough" * 40)
    with pytest.raises(FactoryError, match="no reader study"):
        summarise_study(str(tmp_path / "bad"))
