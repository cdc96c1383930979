"""Models by their cards, shared training data, and the papers to cite."""

import json

from factory.report.provenance import describe_sources, list_models, shared_data_warning
from factory.report.references import PAPERS, list_references


def card(folder, family: str, **more) -> str:
    folder.mkdir()
    training = {"subjects": ["a", "b", "c"], "held_out": ["d"], "spacing_mm": [0.8, 1.0],
                "gestational_age_weeks": [21.0, 34.0], "recipe": {"seed": 5}}  # fmt: skip
    content = {"name": folder.name, "family": family, "config": {}, "licence": "CC0",
               "training": training, "sha256": {"w.safetensors": "1" * 64}, **more}  # fmt: skip
    (folder / "card.json").write_text(json.dumps(content))
    return str(folder)


def record(painter: str, judge: str | None = None, **weights: str) -> dict:
    gate = {"gate": {"model": judge, "ventricles": {"dice": 0.8}}} if judge else {}
    return {"recipe": {"resolved": {"appearance": {"model": painter, "fuse": "mean"}, **gate}},
            "weights": weights}  # fmt: skip


def test_facts_come_from_the_card(tmp_path):
    painter = card(tmp_path / "spade", "spade", limits=["blurs"])
    (model,) = list_models(record(painter, **{"w.safetensors": "1" * 64}))
    assert (model.name, model.family, model.licence) == ("spade", "spade", "CC0")
    assert ("learnt from", "3 (a, b, c)") in model.facts
    assert ("ages", "21 to 34 weeks") in model.facts
    assert ("seed", "5") in model.facts
    assert model.limits == ["blurs"]
    assert model.warning == ""
    assert model.weights == [("w.safetensors", "1" * 64)]


def test_a_card_of_other_weights_and_a_missing_card_get_a_warning(tmp_path):
    painter = card(tmp_path / "spade", "spade")
    (model,) = list_models(record(painter, **{"w.safetensors": "2" * 64}))
    assert "belongs to other weights" in model.warning
    (model,) = list_models(record(str(tmp_path / "gone"), **{"w.safetensors": "2" * 64}))
    assert "cannot be read here" in model.warning
    assert model.weights == [("w.safetensors", "2" * 64)]


def test_a_gate_that_shares_training_data_gets_a_warning(tmp_path):
    painter = card(tmp_path / "spade", "spade")
    judge = card(tmp_path / "judge", "segmenter")
    models = list_models(record(painter, judge))
    assert [m.does for m in models] == ["paints the images", "judges the images"]
    assert "both learnt from 3 of 3 volumes (a, b, c)" in shared_data_warning(models)
    other = {"training": {"subjects": ["x", "y"]}}
    independent = card(tmp_path / "independent", "segmenter", **other)
    assert shared_data_warning(list_models(record(painter, independent))) == ""
    listed = card(tmp_path / "listed", "segmenter", **other, shared_with={"spade": ["x"]})
    assert "1 of 2 volumes (x)" in shared_data_warning(list_models(record(painter, listed)))
    assert shared_data_warning(list_models(record(painter))) == ""


def test_where_anatomies_come_from():
    assert describe_sources({"subjects": {"phantom": {"count": 4}, "bids": None}}) == [
        "procedural: 4 heads, no person's image or label map among them"
    ]
    assert "its own terms apply" in describe_sources({"subjects": {"short_axis": {"path": "x"}}})[0]
    assert describe_sources({}) == ["not stated"]


def test_papers_follow_what_was_used(tmp_path):
    models = list_models(
        record(card(tmp_path / "spade", "spade"), card(tmp_path / "j", "segmenter"))
    )
    cited = list_references(
        {"subjects": {"phantom": {}}}, models, ["fid", "kid", "recall", "coverage"]
    )
    expected = ("fernandez", "spade", "unet", "fid", "kid", "recall", "coverage")
    assert cited == [PAPERS[key] for key in expected]
    hearts = list_models(record(card(tmp_path / "h", "spade", licence="trained on M&Ms data")))
    cited = list_references({"subjects": {"short_axis": {"path": "x"}}}, hearts, [])
    assert cited == [PAPERS["spade"], PAPERS["mnms"]]
    assert list_references({}, [], []) == []
