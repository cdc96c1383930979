"""What an evaluation says of itself beside its tables."""

import json

from support.datasets import dataset, person

from factory.evaluation.dataset import evaluate
from factory.evaluation.parallel import SERIAL


def test_scores_say_whose_they_are(tmp_path):
    images = [person(i) for i in range(2)]
    made = dataset(tmp_path / "d.zarr", images, originals=images)
    report = evaluate(made.path, "original", [], tmp_path / "o", "distribution", None, None, SERIAL)
    about = json.loads((tmp_path / "o" / "paired.json").read_text("utf-8"))
    assert about["dataset"] == made.path
    assert about["recipe_digest"] == made.record["recipe_digest"]
    assert about["real"] == "original"
    assert about["remarks"] == list(report.remarks)
