"""Models by their cards, circles, and what is to be cited."""

import json

from factory.report.provenance import circle, models, sources
from factory.report.references import PAPERS, references


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


def test_what_a_card_says(tmp_path):
    painter = card(tmp_path / "spade", "spade", limits=["blurs"])
    (found,) = models(record(painter, **{"w.safetensors": "1" * 64}))
    assert (found.name, found.family, found.licence) == ("spade", "spade", "CC0")
    assert ("learnt from", "3 (a, b, c)") in found.about
    assert ("ages", "21 to 34 weeks") in found.about
    assert ("seed", "5") in found.about
    assert found.limits == ["blurs"]
    assert found.trouble == ""
    assert found.weights == [("w.safetensors", "1" * 64)]


def test_a_card_of_other_weights_and_one_that_is_gone(tmp_path):
    painter = card(tmp_path / "spade", "spade")
    (found,) = models(record(painter, **{"w.safetensors": "2" * 64}))
    assert "of other weights" in found.trouble
    (found,) = models(record(str(tmp_path / "gone"), **{"w.safetensors": "2" * 64}))
    assert "cannot be read here" in found.trouble
    assert found.weights == [("w.safetensors", "2" * 64)]


def test_a_circle_is_told(tmp_path):
    painter = card(tmp_path / "spade", "spade")
    judge = card(tmp_path / "judge", "segmenter")
    found = models(record(painter, judge))
    assert [m.does for m in found] == ["paints the images", "judges the images"]
    assert "both learnt from 3 of 3 volumes (a, b, c)" in circle(found)
    other = {"training": {"subjects": ["x", "y"]}}
    apart = card(tmp_path / "apart", "segmenter", **other)
    assert circle(models(record(painter, apart))) == ""
    listed = card(tmp_path / "listed", "segmenter", **other, shared_with={"spade": ["x"]})
    assert "1 of 2 volumes (x)" in circle(models(record(painter, listed)))
    assert circle(models(record(painter))) == ""


def test_where_anatomies_come_from():
    assert sources({"subjects": {"phantom": {"count": 4}, "bids": None}}) == [
        "procedural: 4 heads, no person's image or label map among them"
    ]
    assert "its own terms apply" in sources({"subjects": {"short_axis": {"path": "x"}}})[0]
    assert sources({}) == ["not stated"]


def test_papers_follow_what_was_used(tmp_path):
    found = models(record(card(tmp_path / "spade", "spade"), card(tmp_path / "j", "segmenter")))
    cited = references({"subjects": {"phantom": {}}}, found, ["As a set, against real images"])
    expected = ("fernandez", "spade", "unet", "fid", "kid", "recall", "coverage")
    assert cited == [PAPERS[key] for key in expected]
    hearts = models(record(card(tmp_path / "h", "spade", licence="trained on M&Ms data")))
    cited = references({"subjects": {"short_axis": {"path": "x"}}}, hearts, [])
    assert cited == [PAPERS["spade"], PAPERS["mnms"]]
    assert references({}, [], []) == []
