"""What an evaluation says of itself beside its tables."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from made_dataset import dataset, person

from factory.evaluate.against import evaluate
from factory.evaluate.spread import ALONE


def test_scores_say_whose_they_are(tmp_path):
    images = [person(i) for i in range(2)]
    made = dataset(tmp_path / "d.zarr", images, originals=images)
    report = evaluate(made.path, "original", [], tmp_path / "o", "distribution", None, None, ALONE)
    about = json.loads((tmp_path / "o" / "paired.json").read_text("utf-8"))
    assert about["dataset"] == made.path
    assert about["recipe_digest"] == made.record["recipe_digest"]
    assert about["real"] == "original"
    assert about["remarks"] == list(report.remarks)
