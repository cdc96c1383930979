"""A stored row has the requested parameters and the measures of a sample."""

import numpy as np

from factory.case import Case, CaseAppearance, CaseGrid
from factory.execution.worker import RenderWorker
from factory.rendering.sample import Sample
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.open import create_dataset
from factory.storage.subjects.types import FETA, Grid

SHAPE = (8, 10, 12)


class ToyRenderer:
    def __init__(self, threads: int) -> None:
        self.threads = threads

    def render(self, case: Case) -> Sample:
        value = case.requested["grade"]
        return Sample(
            case=case,
            image=np.full(SHAPE, 0.1 * value, np.float32),
            label=np.full(SHAPE, value, np.uint8),
            grid=Grid.centred(SHAPE, (1.0, 1.0, 1.0)),
            table=FETA,
            measures={"atrial_width_mm": 7.5 + value, "outside_training": None},
            extra={"uncertainty": np.full(SHAPE, 0.01 * self.threads, np.float32)},
        )


def test_rows_have_the_requested_parameters_and_the_measures(tmp_path):
    ranges = {"image": (0.0, 1.2), "uncertainty": (0.0, 1.2)}
    layout = Layout(2, SHAPE, FETA, ranges, samples_per_shard=2)
    dataset = create_dataset(str(tmp_path / "d"), layout, {"recipe_digest": "r"}, "", threads=3)
    cases = tuple(
        Case(
            id=f"phantom-7/grade={grade}/0",
            subject={"source": "phantom", "id": "phantom-7", "gestational_age_weeks": 28.5},
            variant=f"grade={grade}",
            replicate=0,
            edits=(),
            appearance=CaseAppearance("toy", "mean", style_seed=0),
            grid=CaseGrid(SHAPE, spacing_mm=1.0),
            requested={"grade": grade, "radius_mm": 1.5 * grade},
        )
        for grade in (2, 4)
    )
    worker = RenderWorker(dataset, ToyRenderer, threads=3)
    worker.setup()
    dataset.write_shard(0, 0, [worker.render(case) for case in cases])
    dataset.seal()
    table = dataset.cases()
    assert list(table["case"]) == [case.id for case in cases]
    assert list(table["subject"]) == ["phantom-7"] * 2
    assert list(table["gestational_age_weeks"]) == [28.5, 28.5]
    assert list(table["grade"]) == list(table["requested_grade"]) == [2, 4]
    assert list(table["requested_radius_mm"]) == [3.0, 6.0]
    assert list(table["atrial_width_mm"]) == [9.5, 11.5]
    assert table["accepted"].all()
    sample = dataset.sample(1)
    assert (sample.arrays["label"] == 4).all()
    np.testing.assert_allclose(sample.arrays["image"], 0.4, atol=1e-5)
    np.testing.assert_allclose(sample.arrays["uncertainty"], 0.03, atol=1e-5)
    assert Case.from_json(sample.case) == cases[1]
