"""Work shared among Ray processes gives the results of one process, in order."""

import os
from collections.abc import Callable

import pytest

from factory.errors import FactoryError
from factory.evaluation.parallel import Workers, map_in_workers


def make_doubling() -> Callable[[int], tuple[int, int]]:
    return lambda number: (2 * number, os.getpid())


def make_refusing() -> Callable[[int], int]:
    def work(number: int) -> int:
        if number == 3:
            raise FactoryError("number three is refused")
        return number

    return work


def test_results_come_in_order_from_several_processes_and_errors_as_they_were_raised() -> None:
    workers = Workers(processes=2)
    with workers.session():
        results = list(map_in_workers(make_doubling, 12, workers))
        assert [value for value, _ in results] == [2 * i for i in range(12)]
        processes = {process for _, process in results}
        assert len(processes) == 2
        assert os.getpid() not in processes
        with pytest.raises(FactoryError, match=r"^number three is refused$"):
            list(map_in_workers(make_refusing, 5, workers))


def test_one_worker_is_this_process() -> None:
    assert {process for _, process in map_in_workers(make_doubling, 3)} == {os.getpid()}
    with pytest.raises(FactoryError, match=r"^number three is refused$"):
        list(map_in_workers(make_refusing, 5))


def test_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(list(map_in_workers(make_doubling, 3, Workers(show_progress=True), "counting"))) == 3
    shown_lines = capsys.readouterr().err
    assert shown_lines.startswith("counting 3 images\n")
    assert "3 of 3 images" in shown_lines
