"""Which anatomies a recipe asks for between its subjects, and what becomes of them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from factory.errors import RecipeError
from factory.families.spade.slice_painter import SlicePainter
from factory.models.checkpoint import WeightsError, save_model
from factory.models.label_vae import LabelVae, LabelVaeConfig
from factory.models.spade.network import SpadeConfig, SpadeGenerator, StyleEncoder
from factory.storage.subjects.short_axis import list_short_axis_subjects
from factory.subjects.sources.interpolated import (
    SOURCE,
    Interpolate,
    code_distances,
    list_interpolated_records,
    select_pairs,
)

MM = 3.0


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("vae")
    config = {"labels": 4, "shape": [32, 32], "latent": 6, "width": 4, "most": 8}
    torch.manual_seed(0)
    card = {"family": "label_vae", "config": config}
    save_model(folder, {"vae": LabelVae(LabelVaeConfig(**config))}, card)
    return str(folder)


@pytest.fixture
def painter(tmp_path: Path) -> SlicePainter:
    torch.manual_seed(1)
    sizes = {"labels": 4, "width": 2, "hidden": 4, "latent": 3}
    networks = {
        "axial": SpadeGenerator(SpadeConfig(**sizes)),
        "axial-encoder": StyleEncoder(3, 2),
    }
    save_model(tmp_path, networks, {"family": "spade", "config": sizes})
    return SlicePainter(tmp_path, torch.device("cpu"))


def make_section(vae: str, **keys: object) -> Interpolate:
    return Interpolate.model_validate({"model": vae, "slices": 7, **keys}, strict=False)


def test_between_goes_from_each_to_the_next(vae: str, hearts: Path) -> None:
    ends = list_short_axis_subjects(hearts)
    section = make_section(vae, between=["P0-ED", "P1-ED", "P2-ES"], steps=3)
    records = list_interpolated_records(section, ends, seed=1, spacing_mm=MM)
    assert [r["t"] for r in records] == [0.25, 0.5, 0.75] * 2
    assert records[3]["id"] == "P1-ED-to-P2-ES-1of3"
    assert len({r["id"] for r in records}) == 6
    assert json.loads(json.dumps(records)) == records  # a case is plain JSON


def test_without_pairs_every_subject_is_made_anew(vae: str, hearts: Path) -> None:
    records = list_interpolated_records(
        make_section(vae), list_short_axis_subjects(hearts), seed=1, spacing_mm=MM
    )
    assert len(records) == 12
    subject = SOURCE.load(records[0], MM)
    assert subject.label.shape == (7, 32, 32)
    assert subject.image is None


def test_random_pairs_are_the_seeds_and_stay_when_subjects_join(vae: str, hearts: Path) -> None:
    ends = list_short_axis_subjects(hearts)
    section = make_section(vae, pairs={"random": 4})

    def names(some: list, seed: int) -> list[tuple[str, str]]:
        return [(a["id"], b["id"]) for a, b in select_pairs(section, some, seed, MM)]

    pairs = names(ends, 1)
    assert pairs == names(ends, 1) != names(ends, 2)
    for a, b in pairs:
        assert a[:2] != b[:2]  # two people
        assert a[-2:] == b[-2:]  # of one phase
    fewer = [r for r in ends if r["person"] != "P5"]
    assert [p for p in names(fewer, 1) if p in pairs] == [p for p in pairs if "P5" not in str(p)]


def test_nearest_pairs_are_the_least_distances(vae: str, hearts: Path) -> None:
    ends = list_short_axis_subjects(hearts)[:8]
    distances = code_distances(make_section(vae), ends, MM)
    pairs = select_pairs(make_section(vae, pairs={"nearest": 3}), ends, 0, MM)
    allowed = sorted(d for (a, b), d in distances.items() if a[:2] != b[:2] and a[-2:] == b[-2:])
    assert [distances[a["id"], b["id"]] for a, b in pairs] == allowed[:3]


def test_the_style_goes_with_the_anatomy(vae: str, hearts: Path, painter: SlicePainter) -> None:
    ends = list_short_axis_subjects(hearts)
    section = make_section(vae, between=["P0-ED", "P1-ED"], steps=3)
    records = list_interpolated_records(section, ends, seed=1, spacing_mm=MM)

    def style(t: float) -> torch.Tensor:
        return painter.style_between(SOURCE.style_ends({**records[0], "t": t}, MM))

    assert SOURCE.style_ends(records[1], MM)[2] == 0.5
    torch.testing.assert_close(style(0.5), (style(0.0) + style(1.0)) / 2)
    assert not torch.equal(style(0.0), style(1.0))
    subject = SOURCE.load(records[1], MM)
    image = painter.paint_slices(subject.label, style(0.5))
    assert image.shape == subject.label.shape
    assert np.isfinite(image).all()


def test_planes_are_painted_whole_and_empty_slices_not_at_all(painter: SlicePainter) -> None:
    label = np.zeros((3, 32, 64), np.uint8)
    label[1, 10:20, 10:20] = 2
    image = painter.paint_slices(label, torch.zeros(3))
    assert (image[[0, 2]] == 0).all()
    assert (image[1] != 0).mean() > 0.9
    with pytest.raises(ValueError, match="multiples of 32"):
        painter.paint_slices(label[:, :30], torch.zeros(3))


def test_a_painter_needs_a_style_encoder(tmp_path: Path) -> None:
    sizes = {"labels": 4, "width": 2, "hidden": 4, "latent": 0}
    save_model(tmp_path / "plain", {}, {"family": "spade", "config": sizes})
    with pytest.raises(WeightsError, match="no style encoder; train it with"):
        SlicePainter(tmp_path / "plain", torch.device("cpu"))


def test_impossible_pairs_are_refused_in_one_line(vae: str, hearts: Path) -> None:
    ends = list_short_axis_subjects(hearts)
    with pytest.raises(RecipeError, match="no subject 'P0-EX'; did you mean P0-E"):
        list_interpolated_records(make_section(vae, between=["P0-EX", "P1-ED"]), ends, 1, MM)
    with pytest.raises(RecipeError, match="value 99; there are 30 pairs"):
        list_interpolated_records(make_section(vae, pairs={"random": 99}), ends, 1, MM)
    for keys, message in (
        ({"between": ["A", "B"], "pairs": {"random": 1}}, "both between and pairs"),
        ({"pairs": {}}, "one of nearest, random"),
        ({"method": "cubic"}, "linear, spherical"),
        ({"slices": 1}, "2 to 512"),
    ):
        with pytest.raises(ValidationError, match=message):
            make_section(vae, **keys)
