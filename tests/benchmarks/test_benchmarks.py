"""The benchmarks that go over all edits of label maps leave none out."""

import runpy
from pathlib import Path

import pytest

from factory.anatomy.edits.registry import operator_names

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("name", ["edits_pictures", "anatomy_speed"])
def test_a_benchmark_of_edits_has_every_operator(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))  # as where it is run as a script
    table = runpy.run_path(str(BENCHMARKS / f"{name}.py"))["EDITS"]
    assert {entry.split(",")[0].split(" ")[0] for entry in table} == set(operator_names())
