"""Work shared among Ray's processes gives what one process gives, in order."""

import os
from collections.abc import Callable

import pytest

from factory.errors import FactoryError
from factory.evaluation.parallel import Workers, map_in_workers


def doubling() -> Callable[[int], tuple[int, int]]:
    return lambda number: (2 * number, os.getpid())


def refusing() -> Callable[[int], int]:
    def work(number: int) -> int:
        if number == 3:
            raise FactoryError("the third is none")
        return number

    return work


def test_results_come_in_order_from_several_processes_and_errors_as_they_were_raised() -> None:
    crew = Workers(workers=2)
    with crew.gathered():
        found = list(map_in_workers(doubling, 12, crew))
        assert [value for value, _ in found] == [2 * i for i in range(12)]
        processes = {process for _, process in found}
        assert len(processes) == 2
        assert os.getpid() not in processes
        with pytest.raises(FactoryError, match=r"^the third is none$"):
            list(map_in_workers(refusing, 5, crew))


def test_alone_it_is_this_process() -> None:
    assert {process for _, process in map_in_workers(doubling, 3)} == {os.getpid()}
    with pytest.raises(FactoryError, match=r"^the third is none$"):
        list(map_in_workers(refusing, 5))


def test_progress_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(list(map_in_workers(doubling, 3, Workers(show=True), "counting"))) == 3
    said = capsys.readouterr().err
    assert said.startswith("counting 3 images\n")
    assert "3 of 3 images" in said
