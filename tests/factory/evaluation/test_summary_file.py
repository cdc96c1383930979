"""The JSON file that an evaluation writes beside its tables."""

import json

from support.datasets import dataset, person

from factory.evaluation.dataset import Comparison, evaluate_dataset
from factory.evaluation.parallel import SERIAL


def test_it_names_the_dataset_that_was_scored(tmp_path):
    images = [person(i) for i in range(2)]
    stored = dataset(tmp_path / "d.zarr", images, originals=images)
    comparison = Comparison("original", [], "distribution", tmp_path / "o", None, None, SERIAL)
    report = evaluate_dataset(stored.path, comparison)
    summary = json.loads((tmp_path / "o" / "paired.json").read_text("utf-8"))
    assert summary["dataset"] == stored.path
    assert summary["recipe_digest"] == stored.record["recipe_digest"]
    assert summary["real"] == "original"
    assert summary["remarks"] == list(report.remarks)
