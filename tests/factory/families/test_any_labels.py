"""Every family on two-channel CT-like images of made-up organs, from a folder of NIfTI.

Each is trained for a few steps on all labels that occur, and what can render a sample renders one.
"""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import factory
from factory.api import load_recipe, render
from factory.config.loading import parse_document
from factory.errors import FactoryError, RecipeError
from factory.execution import training_job
from factory.execution.options import RenderOptions, RunOptions
from factory.families.registry import FAMILIES
from factory.families.spade.fusion_compatibility import check_fusion
from factory.families.stylegan2.inference import LatentSampler
from factory.models.checkpoint import read_card
from factory.storage.dataset.open import open_dataset
from factory.storage.errors import SubjectError
from factory.storage.subjects.types import LabelTable
from factory.training.slices import SliceSampler, SliceStack

NAMES = ["background", "liver", "spleen", "left_kidney", "right_kidney"]
MAPPING = "{3: liver, 9: spleen, 77: vessel, 300: left_kidney, 301: right_kidney}"
HOUNSFIELD = {0: -900, 3: 60, 9: 45, 300: 30, 301: 30}
SERIAL = RenderOptions(run=RunOptions(serial=True, progress=False))

SUBJECTS = """layout: nifti, path: {root}, labels: "{{subject}}_seg.nii.gz", mapping: {mapping},
 images: {{ct: "{{subject}}_ct.nii.gz", pet: "{{subject}}_pet.nii.gz"}}, spacing_mm: [5.0]"""
LEARN = "seed: 3, licence: none, batch: 4, log_every: 1, name: organs"
RECIPES = {
    "spade": """{{family: spade, {learn}, subjects: {{{subjects}, hold_out: [c], mirror: true}},
 orientations: [sagittal, axial], crop: 32, model: {{width: 2, hidden: 4, latent: 0}},
 discriminator: {{width: 4, scales: 1}}, loss: {{reconstruction: 5}}, niter: 0, niter_decay: 1,
 output: {root}/spade}}""",
    "cnn_fusion": """{{family: cnn_fusion, {learn}, subjects: {{{subjects}, hold_out: [c]}},
 spade: {{recipe: {root}/spade.yaml, model: {root}/spade/model, folds: 1}},
 model: {{width: 2, depth: 2, patch: 8}}, niter: 1, output: {root}/fusion}}""",
    "segmenter": """{{family: segmenter, {learn}, subjects: {{{subjects}, hold_out: [c]}},
 orientations: [axial], crop: 32, model: {{width: 2}}, augment: {{gamma: 0.1, noise: 0.01}},
 steps: 3, output: {root}/segmenter}}""",
    "label_vae": """{{family: label_vae, {learn}, subjects: {{{subjects}, hold_out: [c]}},
 shape: [32, 32], model: {{latent: 2, width: 4, most: 4}}, steps: 2, output: {root}/vae}}""",
    "stylegan2": """{{family: stylegan2, {learn}, slices: {{subjects: {{{subjects}}},
 hold_out: [c]}}, resolution: 8, model: {{latent: 4, mapping_layers: 1, base: 32, most: 4}},
 metrics: {{samples: 16, extractor: "support.toy_features:moments"}}, kimg: 0.008,
 snapshot_kimg: 0.008, output: {root}/gan}}""",
}

RENDER = """
seed: 1
subjects:
  nifti: {{path: {root}, labels: "{{subject}}_seg.nii.gz", mapping: {mapping}}}
regions: {{kidneys: [left_kidney, right_kidney]}}
appearance: {{model: {root}/spade/model, fuse: {{cnn: {root}/fusion/model}}}}
gate: {{model: {root}/segmenter/model, liver: {{volume_error: 9}}, kidneys: {{volume_error: 9}}}}
output: {{path: {root}/made.zarr, spacing_mm: 5}}
"""


def save(path: Path, values: np.ndarray) -> None:
    nib.save(nib.Nifti1Image(values, np.diag([5.0, 5, 5, 1])), path)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people; only the third, who is held out, has a spleen."""
    folder = tmp_path_factory.mktemp("organs")
    rng = np.random.Generator(np.random.Philox(key=7))
    for number, person in enumerate("abc"):
        label = np.zeros((24, 20, 14), np.int16)  # x, y, z
        label[12:21, 6:15, 3 : 9 + number] = 3
        label[4:8, 4:8, 2:8] = 300
        label[15:19, 2:5, 2:8] = 301
        if person == "c":
            label[3:6, 12:16, 6:10] = 9
        tones = np.vectorize(HOUNSFIELD.get)(label)
        save(folder / f"{person}_seg.nii.gz", label)
        save(folder / f"{person}_ct.nii.gz", (tones + rng.normal(0, 9, label.shape)).astype("i2"))
        save(folder / f"{person}_pet.nii.gz", np.where(label == 300, 500, 90).astype(np.int16))
    return folder


def text(root: Path, family: str, mapping: str = MAPPING) -> str:
    subjects = SUBJECTS.format(root=root, mapping=mapping)
    return RECIPES[family].format(root=root, learn=LEARN, subjects=subjects)


def train(root: Path, family: str, *overrides: str, mapping: str = MAPPING) -> Path:
    loaded = parse_document(
        text(root, family, mapping), f"{family}.yaml", FAMILIES[family].Recipe, overrides
    )
    return training_job.train(loaded, RunOptions(serial=True))


@pytest.fixture(scope="module")
def models(root: Path) -> dict[str, Path]:
    (root / "spade.yaml").write_text(text(root, "spade"))
    return {family: train(root, family) for family in RECIPES}


def test_every_model_knows_the_labels_that_occur_and_the_channels(
    models: dict[str, Path], root: Path
) -> None:
    for family, folder in models.items():
        card = read_card(folder)
        assert card["label_table"]["names"] == NAMES
        assert card.get("channels") == (None if family == "label_vae" else ["ct", "pet"])
        assert str(root) not in json.dumps(card)
    assert read_card(models["spade"])["paints_surroundings"]  # the PET of the body
    training = read_card(models["spade"])["training"]
    assert training["labels"]["spleen"]["volume_ml"] == [0, 0]  # of the person held out
    assert training["labels"]["liver"]["volume_ml"][1] == pytest.approx(9 * 9 * 7 * 0.125)
    rows = read_card(models["spade"])["metrics"]["held_out"]
    assert {row["channel"] for row in rows} == {"ct", "pet"}


def test_a_sample_is_painted_fused_and_judged_by_name(models: dict[str, Path], root: Path) -> None:
    recipe = root / "render.yaml"
    recipe.write_text(RENDER.format(root=root, mapping=MAPPING))
    render(load_recipe(recipe), options=SERIAL)
    dataset = open_dataset(str(root / "made.zarr"))
    assert list(dataset.layout.table.names) == NAMES
    arrays = dataset.sample(0).arrays
    assert arrays["image"].shape == (2, *arrays["label"].shape)
    assert arrays["image"].any(axis=(1, 2, 3)).all()
    row = dataset.cases().iloc[0]
    assert row["gate_tries"] == 1  # a model without styles paints in one way alone
    assert row["gate_dice_liver"] < 1
    assert row["gate_dice_kidneys"] < 1
    first, _, last = dataset.cases()["outside_training"]
    assert first == ""
    assert "spleen volume_ml 6 (saw 0 to 0)" in last


def test_a_label_vae_makes_stacks_between_people(models: dict[str, Path], root: Path) -> None:
    recipe = root / "between.yaml"
    recipe.write_text(
        RENDER.format(root=root, mapping=MAPPING)
        .replace("made.zarr", "between.zarr")
        .replace("gate:", f"interpolate: {{model: {models['label_vae']}, slices: 6}}\n#")
    )
    changes = ["interpolate.between=[a, b]", "interpolate.steps=1"]
    render(load_recipe(recipe, changes), options=SERIAL)
    dataset = factory.open(root / "between.zarr")
    assert list(dataset.table.names) == NAMES
    assert dataset[0].arrays["label"].shape == (6, 32, 32)


def test_a_gan_draws_its_channels_and_labels(models: dict[str, Path]) -> None:
    sampler = LatentSampler(str(models["stylegan2"]))
    record = {"seed": 1, "to": None, "t": 0.0, "space": "w", "mix": None, "truncation": 1.0}
    image, label = sampler.draw(record)
    assert image.shape == (2, 8, 8)
    assert list(sampler.table.names) == NAMES
    assert label.max() < len(NAMES)


def test_a_mirrored_slice_has_its_sides_swapped() -> None:
    table = LabelTable(tuple(NAMES), ((0, 0, 0),) * len(NAMES))
    label = np.zeros((64, 32, 32), np.uint8)
    label[:, 4:28, 4:16], label[:, 4:28, 16:28] = 3, 4
    stack = SliceStack(label, label.astype(np.float32), np.arange(64))
    drawn, images = SliceSampler([stack], 32, True, 1, table.mirrored_values).batch(0, 32)
    np.testing.assert_array_equal(drawn, label[:32])
    assert 0 < (images[:, 10, 10] == 4).sum() < 32  # the image itself is mirrored


@pytest.mark.parametrize(
    ("overrides", "mapping", "message"),
    [
        ((), "{3: liver, 300: left_kidney, 301: right_kidney}", "c_seg.* label value 9 is not in"),
        (("subjects.hold_out=[d]",), MAPPING, "subjects.hold_out: 'd' is not in .*: a, b, c"),
        (("subjects.images=null",), MAPPING, "subjects.images: missing; this training learns from"),
        (("subjects.images=a.nii",), MAPPING, r"subjects.images: value a.nii; .*\{subject\}"),
        (("subjects.labels=null",), MAPPING, "subjects.labels: missing; the layout nifti requires"),
        (("subjects.layout=bids",), MAPPING, "subjects.labels: value given; allowed: with layout"),
        (("subjects.mapping=freesurfr",), MAPPING, "did you mean freesurfer"),
    ],
)
def test_subjects_that_cannot_be_trained_on_are_one_line(
    root: Path, overrides: tuple[str, ...], mapping: str, message: str
) -> None:
    with pytest.raises((FactoryError, SubjectError), match=message) as caught:
        train(root, "spade", f"output={root}/refused", *overrides, mapping=mapping)
    assert "\n" not in str(caught.value)
    assert not (root / "refused").exists()


def test_single_slices_are_learnt_and_painted_in_their_own_plane(root: Path) -> None:
    folder = root / "flat"
    folder.mkdir()
    for person in "ab":
        for kind in ("seg", "ct", "pet"):
            file = nib.load(root / f"{person}_{kind}.nii.gz")
            nib.save(file.slicer[:, :, 6:7], folder / f"{person}_{kind}.nii.gz")
    changes = (f"subjects.path={folder}", "subjects.hold_out=[b]", f"output={folder}/spade")
    with pytest.raises(RecipeError, match="sagittal, axial; a is a single slice; allowed: axial"):
        train(root, "spade", *changes)
    model = train(root, "spade", *changes, "orientations=[axial]")
    recipe = folder / "render.yaml"
    text = RENDER.format(root=root, mapping=MAPPING).split("gate:")[0] + "output: {spacing_mm: 5, "
    recipe.write_text(text + f"path: {folder}/made.zarr}}")
    flat = [f"subjects.nifti.path={folder}", f"appearance={{model: {model}, fuse: mean}}"]
    render(load_recipe(recipe, flat), options=SERIAL)
    sample = factory.open(folder / "made.zarr")[0]
    assert sample.arrays["label"].shape[0] == 1
    assert sample.arrays["image"].any(axis=(1, 2, 3)).all()


def test_models_of_another_table_are_refused_in_one_line(
    models: dict[str, Path], root: Path
) -> None:
    other = MAPPING.replace("3: liver", "3: livre")
    with pytest.raises(RecipeError, match=r"does not know the labels livre .*did you mean liver"):
        train(root, "cnn_fusion", f"output={root}/refused", mapping=other)
    fusion, spade = read_card(models["cnn_fusion"]), read_card(models["spade"])
    hearts = {**spade, "label_table": {"names": ["background", "lv_pool"]}}
    with pytest.raises(FactoryError, match=r"fuses what a model of liver, .* is one of lv_pool"):
        check_fusion("f", fusion, hearts)
    recipe = root / "other.yaml"
    recipe.write_text(RENDER.format(root=root, mapping=other).replace(" liver: {", " livre: {"))
    with pytest.raises(
        FactoryError, match=r"livre: the model .* does not know.*did you mean liver"
    ):
        factory.plan(load_recipe(recipe))
