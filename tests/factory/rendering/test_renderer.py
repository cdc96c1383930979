"""Cases become samples: painted, measured, and the same each time."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from support import places

from factory.case import Case, CaseAppearance, CaseEdit, CaseGrid
from factory.errors import RenderError
from factory.imaging.boxes import bounding_box
from factory.imaging.intensities import RANGE, from_network, to_network
from factory.models.checkpoint import WeightsError, read_card, write_card
from factory.models.spade.neighbourhoods import LabelMaps
from factory.rendering.renderer import Renderer
from factory.storage.errors import SubjectError

WEIGHTS = places.WEIGHTS / "fetal-spade"

CASE = Case(
    id="phantom-1/grade=2/0",
    subject={"source": "phantom", "id": "phantom-1", "gestational_age_weeks": 27.0, "seed": 1},
    variant="grade=2",
    replicate=0,
    edits=(
        CaseEdit(
            "dilate_ventricles",
            {"radius_mm": 4.0, "into": ["white_matter"]},
            column_prefix="dilate_ventricles",
        ),
    ),
    appearance=CaseAppearance("fetal-spade", "mean", style_seed=1, uncertainty=True),
    grid=CaseGrid((48, 64, 48), spacing_mm=2.0),
    requested={"grade": 2},
)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    """The shipped networks, on one thread."""
    return Renderer(WEIGHTS, threads=1)


def test_a_case_gives_the_same_bytes_again_and_after_other_cases(renderer: Renderer) -> None:
    first = renderer.render(CASE)
    renderer.render(dataclasses.replace(CASE, edits=()))
    for again in (renderer.render(CASE), Renderer(WEIGHTS, threads=1).render(CASE)):
        np.testing.assert_array_equal(first.image, again.image)
        np.testing.assert_array_equal(first.label, again.label)
        np.testing.assert_array_equal(first.extra["uncertainty"], again.extra["uncertainty"])


def test_a_volume_painted_by_table_is_the_one_painted_by_convolution(
    renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The three volumes and their fusion, the disagreement too: under a step of uint16, 1.8e-5."""
    by_table = renderer.render(CASE)
    monkeypatch.setattr(LabelMaps, "is_recurrent", lambda maps, downscale: False)
    convolved = renderer.render(CASE)
    assert not np.array_equal(by_table.image, convolved.image)  # two ways were taken
    np.testing.assert_allclose(by_table.image, convolved.image, atol=1e-5)
    for name, extra in convolved.extra.items():
        np.testing.assert_allclose(by_table.extra[name], extra, atol=1e-5)


def test_mixed_precision_paints_nearly_the_same_image(renderer: Renderer) -> None:
    """Within a hundredth of a brain's brightness, and half a thousandth of it on average."""
    full = renderer.render(CASE)
    look = dataclasses.replace(CASE.appearance, mixed_precision=True)
    mixed = renderer.render(dataclasses.replace(CASE, appearance=look))
    assert not np.array_equal(full.image, mixed.image)
    np.testing.assert_allclose(mixed.image, full.image, atol=1e-2)
    inside = full.label > 0
    assert np.abs(mixed.image - full.image)[inside].mean() < 5e-4
    np.testing.assert_array_equal(full.label, mixed.label)


def test_the_image_shows_the_tissues_of_the_label(renderer: Renderer) -> None:
    """Fluid is bright on T2w, tissue darker, and the background black."""
    sample = renderer.render(CASE)
    assert sample.image.shape == sample.label.shape == (48, 64, 48)
    assert sample.image.dtype == np.float32
    tissue = {
        name: sample.image[sample.label == i].mean() for i, name in enumerate(sample.table.names)
    }
    assert tissue["background"] < 0.05
    assert tissue["ventricles"] > tissue["white_matter"] + 0.1
    assert tissue["external_csf"] > tissue["grey_matter"] + 0.1
    assert sample.extra["uncertainty"].min() >= 0


def test_measures_are_of_the_edited_label(renderer: Renderer) -> None:
    plain = renderer.render(dataclasses.replace(CASE, edits=()))
    dilated = renderer.render(CASE)
    ventricle = sample_value(dilated, "ventricles")
    ml = (dilated.label == ventricle).sum() * 8 / 1000
    assert dilated.measures["volume_ml_ventricles"] == pytest.approx(ml)
    assert dilated.measures["volume_ml_ventricles"] > plain.measures["volume_ml_ventricles"] + 1
    assert dilated.measures["atrial_width_mm"] > plain.measures["atrial_width_mm"] + 2


def sample_value(sample, name: str) -> int:
    return sample.table.index(name)


def test_only_the_brains_box_is_painted(renderer: Renderer) -> None:
    """The same subject on a larger grid gets the same voxels."""
    small = renderer.render(CASE)
    large = renderer.render(dataclasses.replace(CASE, grid=CaseGrid((64, 80, 64), spacing_mm=2.0)))
    a, b = bounding_box(small.label), bounding_box(large.label)
    np.testing.assert_array_equal(small.label[a], large.label[b])
    np.testing.assert_allclose(small.image[a], large.image[b], atol=1e-5)


def test_tissue_outside_the_training_range_is_recorded(renderer: Renderer) -> None:
    into = ["white_matter", "deep_grey_matter"]
    huge = dataclasses.replace(CASE.edits[0], parameters={"radius_mm": 30.0, "into": into})
    sample = renderer.render(dataclasses.replace(CASE, edits=(huge,)))
    assert "white_matter volume_ml" in sample.measures["outside_training"]


def test_a_case_that_cannot_be_rendered_raises_one_line(renderer: Renderer, tmp_path: Path) -> None:
    look = dataclasses.replace(CASE.appearance, original=True)
    with pytest.raises(RenderError, match=r"phantom-1/grade=2/0.*no image"):
        renderer.render(dataclasses.replace(CASE, appearance=look))
    with pytest.raises(SubjectError, match="16"):
        renderer.render(dataclasses.replace(CASE, grid=CaseGrid((16, 16, 16), spacing_mm=2.0)))
    write_card(tmp_path, {**read_card(WEIGHTS), "family": "label_vae"})
    with pytest.raises(WeightsError, match="'label_vae'; allowed: spade, stylegan2"):
        Renderer(tmp_path, threads=1)


def test_intensities_go_to_the_network_and_back() -> None:
    image = np.linspace(*RANGE, 100, dtype=np.float32)
    np.testing.assert_allclose(from_network(to_network(image)), image, atol=1e-6)
    assert to_network(np.float32([-1, 9])).tolist() == [-1, 1]
    assert torch.from_numpy(to_network(image)).dtype == torch.float32
