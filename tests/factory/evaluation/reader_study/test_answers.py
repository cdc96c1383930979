"""Answers on disk: in turn, once, never lost, and still on the disk if they are withdrawn."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.evaluation.reader_study.answers import Answer, OutOfTurn, Study, StudySettings
from factory.evaluation.reader_study.pictures import Frame
from factory.evaluation.reader_study.study import Picture, StudyRequest

FRAME = Frame(2, 0.5, (1.0, 1.0, 1.0), True)


def create_study(folder, count=6) -> Study:
    study = Study(folder)
    pictures = [Picture("real", "v", "axial", i, bytes([i] * 8)) for i in range(count)]
    study.create(StudySettings(StudyRequest("digest", "real", count, 3), FRAME), pictures)
    return study


@pytest.fixture
def study(tmp_path) -> Study:
    return create_study(tmp_path / "s")


def test_answers_are_recorded_in_turn_and_once(study):
    (reader,) = study.add_readers(["reader-1"], None, 3)
    study.record_answer(reader, Answer(0, 4, "real"), "mos")
    study.record_answer(reader, Answer(0, 4, "real"), "mos")  # sent again: the page saw no reply
    for wrong in (Answer(0, 5, "real"), Answer(2, 4, None)):
        with pytest.raises(OutOfTurn):
            study.record_answer(reader, wrong, "mos")
    assert study.list_answers(reader) == [Answer(0, 4, "real")]
    for position in range(1, 6):
        study.record_answer(reader, Answer(position, 1, None), "mos")
    with pytest.raises(OutOfTurn):
        study.record_answer(reader, Answer(6, 1, None), "mos")
    assert study.pixels(reader, 5) == bytes([reader.order[5] - 1] * 8)
    with pytest.raises(OutOfTurn):
        study.pixels(reader, 6)


def test_a_picture_is_given_only_after_the_answer_to_the_one_before(study):
    (reader,) = study.add_readers(["reader-1"], None, 3)
    assert len(study.pixels(reader, 0)) == 8
    for position in (1, -1):
        with pytest.raises(OutOfTurn):
            study.pixels(reader, position)
    study.record_answer(reader, Answer(0, 3, None), "mos")
    assert len(study.pixels(reader, 1)) == 8


def test_a_withdrawn_answer_stays_on_the_disk(study):
    (reader,) = study.add_readers(["reader-1"], None, 3)
    study.record_answer(reader, Answer(0, 4, "real"), "mos")
    study.withdraw_answer(reader, 0)
    study.withdraw_answer(reader, 0)  # sent again
    study.record_answer(reader, Answer(0, 2, "synthetic"), "mos")
    assert study.list_answers(reader) == [Answer(0, 2, "synthetic")]
    with pytest.raises(OutOfTurn):
        study.withdraw_answer(reader, 3)
    with closing(sqlite3.connect(study.file)) as connection:
        rows = connection.execute("SELECT score, withdrawn_at IS NULL FROM answers").fetchall()
    assert rows == [(4, 0), (2, 1)]
    assert study.results()["score"].tolist() == [2]


def test_readers_keep_their_order_and_key(study):
    first, second = study.add_readers(["expert-1", "expert-2"], "expert", 3)
    assert first.order != second.order
    assert first.token != second.token
    again, more = study.add_readers(["expert-1", "expert-3"], "expert", 3)
    assert again == first
    assert more.name == "expert-3"


def test_only_the_owner_can_read_the_file(study):
    assert study.file.stat().st_mode & 0o077 == 0


def test_a_file_that_a_kill_left_empty_is_created_again(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "study.sqlite").touch()
    assert not Study(tmp_path / "s").exists()
    assert create_study(tmp_path / "s").exists()
    # a study that exists is kept
    assert create_study(tmp_path / "s", count=2).settings().request.samples == 6


def test_many_readers_at_once_lose_no_answer(study):
    readers = study.add_readers([f"reader-{i}" for i in range(6)], None, 3)

    def answer_all(reader):
        for position in range(6):
            study.record_answer(reader, Answer(position, 1 + position % 5, None), "ayaz")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(answer_all, readers))
    assert len(study.results()) == 36
    assert set(study.results()["scale"]) == {"ayaz"}


@settings(max_examples=15, deadline=None)
@given(st.lists(st.one_of(st.none(), st.tuples(st.integers(1, 5), st.integers(0, 7))), max_size=12))
def test_any_sequence_of_answers_and_withdrawals_ends_as_a_list_would(tmp_path_factory, steps):
    study = create_study(tmp_path_factory.mktemp("s"))
    (reader,) = study.add_readers(["reader-1"], None, 3)
    expected: list[Answer] = []
    for step in steps:
        if step is None:
            if expected:
                study.withdraw_answer(reader, len(expected) - 1)
                expected.pop()
            continue
        answer = Answer(step[1], step[0], "real")
        if step[1] == len(expected) < 6:
            expected.append(answer)
        elif answer not in expected:
            with pytest.raises(OutOfTurn):
                study.record_answer(reader, answer, "mos")
            continue
        study.record_answer(reader, answer, "mos")
    assert study.list_answers(reader) == expected
