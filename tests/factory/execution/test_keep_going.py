"""`--keep-going`: a case that fails gets a placeholder, and every command reports it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from support import toy_render
from support.tiny_models import RECIPE, small, tiny_model

from factory import cli
from factory.case import CaseGrid
from factory.execution.placeholder import placeholder_sample
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.open import open_dataset
from factory.storage.subjects.types import FETA

# no brain of 21 weeks has room for the second of two widths
FAILS = "--set=anatomy.0.ventriculomegaly={atrial_width_mm: {each: [0, 30]}, mode: dilate}"


def test_every_command_reports_the_failed_case(capsys, tmp_path) -> None:
    path = str(tmp_path / "d.zarr")
    options = [RECIPE, *small(tiny_model(tmp_path / "tiny")), FAILS, "--serial", "--output", path]
    assert cli.main(["render", *options]) == 3
    assert "1 shards failed, the others stand; shard 1: " in capsys.readouterr().err
    assert not open_dataset(path).is_complete()

    assert cli.main(["render", *options, "--keep-going", "--json"]) == 3
    report = json.loads(capsys.readouterr().out)
    assert (report["complete"], report["samples"], report["rendered"]) == (True, 2, 0), report
    assert [failure["sample"] for failure in report["failures"]] == [1]

    table = open_dataset(path).cases()
    assert list(table["accepted"]) == [True, False]
    assert list(table["requested_atrial_width_mm"]) == [0, 30]
    assert table["failure"][1] == report["failures"][0]["why"]
    assert open_dataset(path).failures() == {1: table["failure"][1]}

    assert cli.main(["verify", path]) == 0
    out = capsys.readouterr().out
    assert ": all are as they were written\nfailed   sample 1: " in out
    assert cli.main(["inspect", path]) == 0
    assert "failed   sample 1: " in capsys.readouterr().out

    assert cli.main(["render", *options, "--keep-going", "--json"]) == 3  # it is tried again
    assert json.loads(capsys.readouterr().out)["digest"] == report["digest"]

    key = "label/c/1/0/0/0"
    before = Path(path, key).read_bytes()
    Path(path, key).write_bytes(before[:9] + b"?" + before[10:])
    assert cli.main(["repair", path, "--serial"]) == 0
    assert Path(path, key).read_bytes() == before
    assert open_dataset(path).is_complete()


def test_a_placeholder_has_every_array_of_the_layout() -> None:
    shapes = dict.fromkeys(("stack_0", "stack_0_label"), (4, 6, 8))
    ranges = {"image": (-0.5, 1.0), "stack_0": (0.0, 1.0), "uncertainty": (0.0, 1.0)}
    layout = Layout(1, (3, 4, 5), FETA, ranges, shapes=shapes)
    case = replace(toy_render.case(2), grid=CaseGrid((3, 4, 5), spacing_mm=2.0))
    sample = placeholder_sample(case, layout, "because\nof this")
    for name in layout.arrays:
        assert not np.any(sample.storable_array(name, layout) - layout.ranges.get(name, (0, 0))[0])
    assert sample.columns["failure"] == "because of this"
    assert sample.columns["accepted"] is False
    assert sample.columns["grade"] == 2
    assert tuple(sample.spacing_mm) == (2.0, 2.0, 2.0)
