"""Answers on disk: in turn, once, never lost, and taken back without a trace being wiped."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.evaluation.reader_study.answers import Answer, OutOfTurn, Study
from factory.evaluation.reader_study.pictures import Frame
from factory.evaluation.reader_study.study import Picture

FRAME = Frame(2, 0.5, (1.0, 1.0, 1.0), True)


def begun(folder, count=6) -> Study:
    study = Study(folder)
    pictures = [Picture("real", "v", "axial", i, bytes([i] * 8)) for i in range(count)]
    study.begin({"samples": count, "seed": 3}, FRAME, pictures)
    return study


@pytest.fixture
def study(tmp_path) -> Study:
    return begun(tmp_path / "s")


def test_answers_are_taken_in_turn_and_once(study):
    (reader,) = study.add_readers(["reader-1"], None, 3)
    study.answer(reader, Answer(0, 4, "real"), "mos")
    study.answer(reader, Answer(0, 4, "real"), "mos")  # sent again: the page saw no reply
    for wrong in (Answer(0, 5, "real"), Answer(2, 4, None)):
        with pytest.raises(OutOfTurn):
            study.answer(reader, wrong, "mos")
    assert study.answered(reader) == [Answer(0, 4, "real")]
    for position in range(1, 6):
        study.answer(reader, Answer(position, 1, None), "mos")
    with pytest.raises(OutOfTurn):
        study.answer(reader, Answer(6, 1, None), "mos")
    assert study.pixels(reader, 5) == bytes([reader.order[5] - 1] * 8)
    with pytest.raises(OutOfTurn):
        study.pixels(reader, 6)


def test_no_picture_before_the_answer_to_the_one_before(study):
    (reader,) = study.add_readers(["reader-1"], None, 3)
    assert len(study.pixels(reader, 0)) == 8
    for position in (1, -1):
        with pytest.raises(OutOfTurn):
            study.pixels(reader, position)
    study.answer(reader, Answer(0, 3, None), "mos")
    assert len(study.pixels(reader, 1)) == 8


def test_undo_keeps_what_was_taken_back(study):
    (reader,) = study.add_readers(["reader-1"], None, 3)
    study.answer(reader, Answer(0, 4, "real"), "mos")
    study.undo(reader, 0)
    study.undo(reader, 0)  # sent again
    study.answer(reader, Answer(0, 2, "synthetic"), "mos")
    assert study.answered(reader) == [Answer(0, 2, "synthetic")]
    with pytest.raises(OutOfTurn):
        study.undo(reader, 3)
    with closing(sqlite3.connect(study.file)) as connection:
        kept = connection.execute("SELECT score, withdrawn_at IS NULL FROM answers").fetchall()
    assert kept == [(4, 0), (2, 1)]
    assert [row["score"] for row in study.results()] == [2]


def test_readers_keep_their_order_and_key(study):
    first, second = study.add_readers(["expert-1", "expert-2"], "expert", 3)
    assert first.order != second.order
    assert first.token != second.token
    again, more = study.add_readers(["expert-1", "expert-3"], "expert", 3)
    assert again == first
    assert more.name == "expert-3"


def test_the_file_is_for_its_owner_alone(study):
    assert study.file.stat().st_mode & 0o077 == 0


def test_a_file_that_a_kill_left_empty_is_begun_again(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "study.sqlite").touch()
    assert not Study(tmp_path / "s").exists()
    assert begun(tmp_path / "s").exists()
    assert begun(tmp_path / "s", count=2).about()["asked"]["samples"] == 6  # what is there stays


def test_many_at_once_lose_nothing(study):
    readers = study.add_readers([f"reader-{i}" for i in range(6)], None, 3)

    def read(reader):
        for position in range(6):
            study.answer(reader, Answer(position, 1 + position % 5, None), "ayaz")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(read, readers))
    assert len(study.results()) == 36
    assert {row["scale"] for row in study.results()} == {"ayaz"}


@settings(max_examples=15, deadline=None)
@given(st.lists(st.one_of(st.none(), st.tuples(st.integers(1, 5), st.integers(0, 7))), max_size=12))
def test_any_run_of_answers_and_undos_ends_as_a_list_would(tmp_path_factory, steps):
    study = begun(tmp_path_factory.mktemp("s"))
    (reader,) = study.add_readers(["reader-1"], None, 3)
    expected: list[Answer] = []
    for step in steps:
        if step is None:
            if expected:
                study.undo(reader, len(expected) - 1)
                expected.pop()
            continue
        given_answer = Answer(step[1], step[0], "real")
        if step[1] == len(expected) < 6:
            expected.append(given_answer)
        elif given_answer not in expected:
            with pytest.raises(OutOfTurn):
                study.answer(reader, given_answer, "mos")
            continue
        study.answer(reader, given_answer, "mos")
    assert study.answered(reader) == expected
