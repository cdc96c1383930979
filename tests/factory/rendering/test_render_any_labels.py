"""Label maps of made-up organs, from files to a dataset, with a model that knows more labels."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
import zarr

import factory
from factory.errors import FactoryError
from factory.models.checkpoint import save_model
from factory.models.spade.network import SpadeConfig, SpadeGenerator
from factory.planning.explain import explain_recipe
from factory.storage.errors import SubjectError
from factory.storage.subjects.label_mappings import mapping_table

MODEL_NAMES = ["background", "vessel", "spleen", "left_lung", "right_lung", "liver"]

RECIPE = """
seed: 1
subjects:
  nifti:
    path: {folder}
    labels: "{{subject}}_seg.nii.gz"
    mapping: {mapping}
regions:
  lungs: [left_lung, right_lung]
appearance: {{model: {model}, fuse: mean}}
output: {{path: {folder}/made.zarr, spacing_mm: 4}}
"""

MAPPING = "{7: liver, 300: left_lung, 301: right_lung, 9: spleen}"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    sizes = {"labels": len(MODEL_NAMES), "width": 2, "hidden": 4, "latent": 0}
    torch.manual_seed(0)
    orientations = ("sagittal", "coronal", "axial")
    networks = {name: SpadeGenerator(SpadeConfig(**sizes)) for name in orientations}
    card = {
        "name": "organs",
        "family": "spade",
        "config": sizes,
        "orientations": list(orientations),
        "label_table": {"names": MODEL_NAMES},
    }
    save_model(folder, networks, card)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    values = np.zeros((24, 28, 20), np.int32)  # x, y, z
    values[3:10, 5:20, 4:14] = 300
    values[14:21, 5:20, 4:14] = 301
    values[6:18, 5:24, 15:19] = 7
    nib.save(nib.Nifti1Image(values, np.diag([4.0, 4, 4, 1])), tmp_path / "p_seg.nii.gz")
    return tmp_path


def write_recipe(folder: Path, model: Path, mapping: str = MAPPING) -> Path:
    path = folder / "organs.yaml"
    path.write_text(RECIPE.format(folder=folder, model=model, mapping=mapping))
    return path


def test_a_dataset_has_the_labels_that_occur_by_name(folder: Path, model: Path) -> None:
    factory.render(factory.load_recipe(write_recipe(folder, model)))
    dataset = factory.open(folder / "made.zarr")
    names = ("background", "liver", "left_lung", "right_lung")  # the spleen occurs nowhere
    assert dataset.table.names == names
    assert dict(dataset.table.regions) == {"lungs": ("left_lung", "right_lung")}
    label = dataset[0].arrays["label"]
    counts = dict(zip(*np.unique(label, return_counts=True), strict=True))
    assert [counts[value] for value in (1, 2, 3)] == [12 * 19 * 4, 7 * 15 * 10, 7 * 15 * 10]
    row = dataset.cases.iloc[0]
    assert row["volume_ml_lungs"] == pytest.approx(2 * 7 * 15 * 10 * 0.064)
    assert row["extent_ap_mm_lungs"] == 15 * 4
    assert row["components_lungs"] == 2
    assert "atrial_width_mm" not in row
    attributes = dict(zarr.open_group(folder / "made.zarr", mode="r")["label"].attrs)
    assert attributes["flag_meanings"] == " ".join(names)
    assert attributes["left_right_pairs"] == [["left_lung", "right_lung"]]
    assert attributes["regions"] == {"lungs": ["left_lung", "right_lung"]}
    factory.verify(folder / "made.zarr")


def test_a_table_of_labels_is_a_mapping_too(folder: Path, model: Path) -> None:
    table = folder / "dseg.tsv"
    table.write_text("index\tname\n7\tLiver\n300\tLeft lung\n301\tRight lung\n9\tSpleen\n")
    assert mapping_table(str(table)).names[-1] == "right_lung"
    result = factory.plan(factory.load_recipe(write_recipe(folder, model, str(table))))
    assert result.layout.samples == 1


def test_a_recipe_chooses_its_measures(folder: Path, model: Path) -> None:
    path = write_recipe(folder, model)
    with path.open("a") as file:
        file.write("measures: {volume_ml: [lungs], largest_width_mm: all}\n")
    recipe = factory.load_recipe(path)
    assert {
        "Region lungs: left_lung, right_lung.",
        "Measured: largest_width_mm; volume_ml of lungs.",
    } <= set(explain_recipe(recipe))
    factory.render(recipe)
    dataset = factory.open(folder / "made.zarr")
    measured = [name for name in dataset.cases if name.startswith(("vol", "ext", "larg", "comp"))]
    widths = [f"largest_width_mm_{name}" for name in ("liver", "left_lung", "right_lung", "lungs")]
    assert sorted(measured) == sorted(["volume_ml_lungs", *widths])
    assert dataset.cases.iloc[0]["largest_width_mm_liver"] == 4 * 4
    again = factory.replay(str(folder / "made.zarr"), 0, str(folder / "again.zarr")).replayed
    assert {name for name in measured if name in again.columns} == set(measured)


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        ("[volme_ml]", r"measures\[0\]: value volme_ml; .* did you mean volume_ml"),
        ("volume_ml", "measures: value volume_ml; allowed: a list of measures, or a mapping"),
        ("[]", "measures: .*at least one measure"),
        ("{volume_ml: [livr]}", r"measures\.volume_ml\[0\]: value livr; .*did you mean liver"),
        ("{volume_ml: every}", r"measures\.volume_ml: value every; allowed: all, a list"),
        ("[atrial_width_mm]", "needs the labels ventricles, .* there is no ventricles"),
        ("{heart_checks: [liver]}", "it measures the whole label map; allowed: all"),
    ],
)
def test_a_choice_of_measures_that_does_not_fit_is_one_line(
    folder: Path, model: Path, measures: str, message: str
) -> None:
    path = write_recipe(folder, model)
    with path.open("a") as file:
        file.write(f"measures: {measures}\n")
    with pytest.raises(FactoryError, match=rf"organs\.yaml:\d+:\d+: .*{message}") as error:
        factory.load_recipe(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("{7: liver, 9: left_lung, 8: right_lung}", "label value 300, 301 is not in the mapping"),
        ("{7: liver, 300: left_lung, 301: rigth_lung}", r"regions\.lungs\[1\]: .*rigth_lung"),
        ("{7: kidney, 300: left_lung, 301: right_lung}", "kidney: the model .* does not know"),
        ("{70000: liver}", "value 70000"),
        ("freesurfr", "did you mean freesurfer"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(
    folder: Path, model: Path, mapping: str, message: str
) -> None:
    with pytest.raises((FactoryError, SubjectError), match=message) as error:
        factory.plan(factory.load_recipe(write_recipe(folder, model, mapping)))
    assert "\n" not in str(error.value)
