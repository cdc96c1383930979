"""From a recipe with latents to a dataset, by small untrained networks."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from support.tiny_stylegan import RECIPE, gan

from factory import cli
from factory.config.loading import parse_document
from factory.errors import RecipeError
from factory.families.stylegan2.inference import LatentSampler
from factory.models.checkpoint import WeightsError, read_card, save_model
from factory.models.spade.network import SpadeConfig, SpadeGenerator, StyleEncoder
from factory.planning.cases import count_cases, iterate_cases
from factory.schema.render_recipe import RenderRecipe
from factory.storage.dataset.open import open_dataset
from factory.storage.subjects.short_axis import HEART
from factory.subjects.sources.latents import SOURCE, DrawnLatents, latent_record


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gan(tmp_path_factory.mktemp("gan"))


def make_section(model: Path | str, **keys: object) -> DrawnLatents:
    return DrawnLatents.model_validate({"model": str(model), **keys}, strict=False)


def draw_all(model: Path, **keys: object) -> list[tuple[np.ndarray, np.ndarray]]:
    part, sampler = make_section(model, **keys), LatentSampler(str(model))
    return [sampler.draw(latent_record(part, i, seed=1)) for i in range(SOURCE.count(part))]


def test_latents_become_pairs_in_a_dataset(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(RECIPE.format(model=model, output=tmp_path / "a.zarr"))
    assert cli.main(["render", str(file), "--serial", "--json"]) == 0
    dataset = open_dataset(json.loads(capsys.readouterr().out)["path"])
    assert dataset.layout.shape == (1, 32, 32)
    assert dataset.layout.table.names == HEART.names
    samples = [dataset.sample(i) for i in range(3)]
    for sample, (image, label) in zip(
        samples, draw_all(model, count=3, truncation=0.7), strict=True
    ):
        assert np.array_equal(sample.arrays["label"][0], label)
        np.testing.assert_allclose(sample.arrays["image"][0], image, atol=1e-4)
        assert 0 <= image.min() < image.max() <= 1
    assert len({sample.arrays["image"].tobytes() for sample in samples}) == 3
    assert samples[0].columns["volume_ml_rv"] == pytest.approx(
        (samples[0].arrays["label"] == 3).sum() * 0.008
    )
    assert cli.main(["plan", str(file), "--explain"]) == 0
    assert "3 slices drawn by" in capsys.readouterr().out
    file.write_text(
        RECIPE.format(model=model, output=tmp_path / "b.zarr").replace("count: 3", "count: 4")
    )
    assert cli.main(["render", str(file), "--serial", "--json"]) == 0
    more = open_dataset(json.loads(capsys.readouterr().out)["path"])
    for i, sample in enumerate(samples):  # one more latent leaves the others as they were
        assert np.array_equal(more.sample(i).arrays["image"], sample.arrays["image"])


def test_label_maps_alone_are_painted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {"labels": 4, "width": 2, "hidden": 4, "latent": 3}
    table = {"names": list(HEART.names)}
    save_model(
        tmp_path / "spade",
        {"axial": SpadeGenerator(SpadeConfig(**sizes)), "axial-encoder": StyleEncoder(3, 2)},
        {"family": "spade", "config": sizes, "orientations": ["axial"], "label_table": table},
    )
    file = tmp_path / "r.yaml"
    labels = gan(tmp_path / "labels", image_channels=0)
    text = RECIPE.format(model=labels, output=tmp_path / "c.zarr")
    file.write_text(text)
    assert cli.main(["render", str(file), "--serial"]) == 2
    assert "makes label maps alone; allowed: with an appearance" in capsys.readouterr().err
    file.write_text(text + f"appearance: {{model: {gan(tmp_path / 'other')}}}\n")
    assert cli.main(["render", str(file), "--serial"]) == 2
    assert "paints no labels, it draws images of its own" in capsys.readouterr().err
    file.write_text(text + f"appearance: {{model: {tmp_path / 'spade'}}}\n")
    assert cli.main(["render", str(file), "--serial", "--json"]) == 0
    dataset = open_dataset(json.loads(capsys.readouterr().out)["path"])
    assert "latents/generator.safetensors" in dataset.record["weights"]
    for i, (_, label) in enumerate(draw_all(labels, count=3, truncation=0.7)):
        assert np.array_equal(dataset.sample(i).arrays["label"][0], label)
        assert dataset.sample(i).arrays["image"].std() > 0


def test_replicates_differ_in_the_noise_alone(model: Path) -> None:
    sampler, one = LatentSampler(str(model)), latent_record(make_section(model, count=1), 0, 1)
    first, second = sampler.draw(one, 0)[0], sampler.draw(one, 1)[0]
    other = sampler.draw(latent_record(make_section(model, count=2), 1, 1))[0]
    assert 0 < np.abs(first - second).mean() < np.abs(first - other).mean()


def test_truncation_brings_samples_together(model: Path) -> None:
    spread = [
        np.std([image for image, _ in draw_all(model, count=8, truncation=psi)], axis=0).mean()
        for psi in (1.0, 0.5, 0.0)
    ]
    assert spread[0] > spread[1] > spread[2]


def test_seeds_name_latents(model: Path) -> None:
    named = draw_all(model, seeds=[7, 9])
    again = draw_all(model, seeds=8, count=2)
    assert np.array_equal(named[1][0], again[1][0])
    assert latent_record(make_section(model, seeds=[7, 9]), 1, 1)["id"] == "latent-seed-9"


@pytest.mark.parametrize("space", ["w", "z"])
def test_a_walk_goes_from_latent_to_latent(model: Path, space: str) -> None:
    walk = {"between": [7, 9, 4], "steps": 5, "space": space}
    images = [image for image, _ in draw_all(model, interpolate=walk)]
    assert len(images) == 11
    ends = [image for image, _ in draw_all(model, seeds=[7, 9, 4])]
    np.testing.assert_allclose(images[0], ends[0], atol=1e-5)
    np.testing.assert_allclose(images[5], ends[1], atol=0.5)  # the noise is its leg's
    steps = [np.abs(a - b).mean() for a, b in itertools.pairwise(images[:5])]
    assert max(steps) < np.abs(images[0] - images[4]).mean()
    ids = [latent_record(make_section(model, interpolate=walk), i, 1)["id"] for i in (0, 5, 10)]
    assert ids == ["latent-7-to-9-0of5", "latent-9-to-4-0of5", "latent-9-to-4-5of5"]


def test_mixing_keeps_coarse_styles_and_takes_fine_ones(model: Path) -> None:
    part = {"seeds": [7, 8], "mix": {"seeds": [20, 21, 22], "from_resolution": 32}}
    mixes = [image for image, _ in draw_all(model, **part)]
    assert len(mixes) == 6
    (plain, _), *_ = draw_all(model, seeds=[7])
    coarse = {"seeds": [7], "mix": {"seeds": [20], "from_resolution": 8}}
    far = np.abs(draw_all(model, **coarse)[0][0] - plain).mean()
    assert 0 < np.abs(mixes[0] - plain).mean() < far
    same = draw_all(model, seeds=[7], mix={"seeds": [7], "from_resolution": 8})
    assert np.array_equal(same[0][0], plain)


def test_millions_are_counted_without_being_listed(model: Path, tmp_path: Path) -> None:
    text = RECIPE.format(model=model, output=tmp_path / "x").replace("count: 3", "count: 30000000")
    recipe = parse_document(text, "r.yaml", RenderRecipe)
    assert count_cases(recipe) == 30_000_000
    assert next(iterate_cases(recipe, 29_999_999)).subject["id"] == "latent-29999999"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("latents.count=null", "count, a list of seeds, or interpolate"),
        ("latents.seeds=[1, 2]", "2 seeds are listed"),
        ("latents.truncation=1.5", "a share from 0 to 1"),
        ("latents.mix={seeds: [1], from_resolution: 12}", "a power of two"),
        ("latents.interpolate={between: [1, 2]}", "interpolate alone"),
        ("latents.mode=x", "did you mean model"),
        ("subjects={short_axis: {path: x}}", "beside latents; allowed: none"),
        ("anatomy=[{external_csf: {wider_mm: 2}}]", "without an appearance"),
        ("output.shape=[16, 64, 64]", "the model's resolution is the shape"),
        ("output.original=true", "not of what is drawn from latents"),
        ("latents=null", "subjects: missing; this key is required"),
    ],
)
def test_options_without_meaning_for_latents_are_refused_in_one_line(
    model: Path, override: str, message: str
) -> None:
    text = RECIPE.format(model=model, output="x")
    with pytest.raises(RecipeError, match=message) as caught:
        parse_document(text, "r.yaml", RenderRecipe, (override,))
    assert "\n" not in str(caught.value)


def test_models_without_latents_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="3 image channels; its card has to name them"):
        LatentSampler(str(gan(tmp_path / "rgb", image_channels=3)))
    save_model(tmp_path / "vae", {}, {"family": "label_vae", "config": {}})
    with pytest.raises(WeightsError, match="family 'label_vae'; expected 'stylegan2'"):
        LatentSampler(str(tmp_path / "vae"))
    nameless = gan(tmp_path / "nameless")
    card = {k: v for k, v in read_card(nameless).items() if k != "label_table"}
    (nameless / "card.json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="its card lacks a label_table"):
        LatentSampler(str(nameless))
    plain = LatentSampler(str(gan(tmp_path / "plain", table=None)))
    assert plain.table.names == ("background",)
    assert not plain.draw(latent_record(make_section("m", count=1), 0, 1))[1].any()
