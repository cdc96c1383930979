"""A contrast that is fitted to images: what comes back is what they were made of."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from scipy.ndimage import convolve1d

import factory
from factory.cli import main
from factory.errors import RecipeError
from factory.execution.options import RenderOptions, RunOptions


def _mix_borders(image: np.ndarray) -> np.ndarray:
    """Return an image whose voxels at borders are mixtures, as in real ones."""
    mixed = image.astype(float)
    for axis in range(3):
        mixed = convolve1d(mixed, [0.125, 0.75, 0.125], axis, mode="nearest")
    return mixed


def _write_people(folder: Path, count: int = 8) -> None:
    """Write people whose liver is at 0.6 and whose spleen is half as bright as their liver.

    Voxels at borders are mixtures; around the organs is a thin layer of fluid at 0.9.
    """
    rng = np.random.default_rng(0)
    label = np.zeros((30, 30, 30), np.uint8)
    label[2:28, 2:28, 2:28] = 3
    label[3:15, 3:27, 3:27] = 1
    label[15:27, 3:27, 3:27] = 2
    for person in range(count):
        liver = 600 + 40 * rng.standard_normal()
        image = _mix_borders(np.array([0, liver, liver / 2, 900])[label])
        image += rng.normal(0, 20, label.shape)
        image = np.maximum(image, 0)  # magnitudes, as a magnetic scanner gives them
        image[14, 14, 14:20] = 1000  # what brightness 1 is, in every image
        image[3:5, 3:27, 3:27] = np.where(
            rng.random((2, 24, 24)) < 0.2, 1000, image[3:5, 3:27, 3:27]
        )
        for kind, values in (("seg", label), ("img", image.astype(np.float32))):
            nib.save(nib.Nifti1Image(values, np.eye(4)), folder / f"p{person}_{kind}.nii.gz")


def test_the_command_writes_a_file_that_paints_the_same_brightness(tmp_path, capsys):
    _write_people(tmp_path)
    mapping = tmp_path / "dseg.tsv"
    mapping.write_text("index\tname\n0\tbackground\n1\tliver\n2\tspleen\n3\tfluid\n")
    output = tmp_path / "fit" / "organs.yaml"
    words = ["contrast", "fit", str(tmp_path), "--labels", "{subject}_seg.nii.gz"]
    words += ["--images", "{subject}_img.nii.gz", "--mapping", str(mapping)]
    assert main([*words, "--output", str(output)]) == 0
    assert "fitted to 8 subjects" in capsys.readouterr().out
    fitted = yaml.safe_load(output.read_text())
    labels = fitted["labels"]
    assert fitted["people"] == 8
    assert labels["liver"]["mean"] == pytest.approx(0.6, abs=0.03)
    assert labels["spleen"]["mean"] == pytest.approx(0.3, abs=0.02)
    assert labels["fluid"]["mean"] == pytest.approx(0.9, abs=0.03)  # though half of it is mixed
    assert labels["liver"]["mean_spread"] == pytest.approx(0.04, abs=0.02)
    assert labels["spleen"]["sd"] == pytest.approx(0.02, abs=0.005)
    assert fitted["correlation"][1][2] > 0.8
    assert output.with_suffix(".png").stat().st_size > 1000

    assert main([*words, "--output", str(tmp_path / "fit.json")]) == 2
    assert "allowed: a file ending in .yaml" in capsys.readouterr().err


def _write_ct(folder: Path, count: int = 3) -> list[str]:
    """Write CT-like people, padded below air; return the words of the command that fits them."""
    rng = np.random.default_rng(0)
    label = np.zeros((24, 24, 24), np.uint8)
    label[3:21, 3:21, 3:21] = 1
    label[6:14, 6:18, 6:18] = 2
    for person in range(count):
        means = np.array([-1000, -90, 60 + 5 * person])
        image = _mix_borders(means[label]) + rng.normal(0, 8, label.shape)
        image = image.astype(np.int16)
        image[:, :2] = -2048
        for kind, values in (("seg", label), ("ct", image)):
            nib.save(nib.Nifti1Image(values, np.eye(4)), folder / f"p{person}_{kind}.nii.gz")
    table = "index\tname\n0\tbackground\n1\tfat\n2\tliver\n"
    (folder / "dseg.tsv").write_text(table)
    words = ["contrast", "fit", str(folder), "--labels", "{subject}_seg.nii.gz"]
    words += ["--images", "{subject}_ct.nii.gz", "--mapping", str(folder / "dseg.tsv")]
    return [*words, "--output", str(folder / "ct.yaml")]


def test_a_contrast_fitted_to_ct_is_painted_and_stored_in_hounsfield_units(tmp_path, capsys):
    words = _write_ct(tmp_path)
    assert main([*words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["distances"]["background"] < 30  # in HU
    fitted = yaml.safe_load((tmp_path / "ct.yaml").read_text())
    assert fitted["units"] == "hounsfield"
    assert fitted["labels"]["background"]["mean"] == pytest.approx(-1000, abs=10)
    assert fitted["labels"]["liver"]["mean"] == pytest.approx(65, abs=5)

    def load(contrast: str) -> factory.Recipe:
        (tmp_path / "recipe.yaml").write_text(
            f"""seed: 1
subjects:
  nifti: {{path: {tmp_path}, labels: "{{subject}}_seg.nii.gz", mapping: {tmp_path}/dseg.tsv}}
appearance: {{contrast: {contrast}}}
output: {{path: {tmp_path}/made.zarr, spacing_mm: 1}}
"""
        )
        return factory.load_recipe(tmp_path / "recipe.yaml")

    recipe = load(f"{{fitted: {tmp_path}/ct.yaml}}")
    factory.render(recipe, options=RenderOptions(run=RunOptions(serial=True, progress=False)))
    sample = factory.open(str(tmp_path / "made.zarr"))[0].arrays
    for value, mean in ((0, -1000), (1, -90), (2, 65)):
        assert np.median(sample["image"][sample["label"] == value]) == pytest.approx(mean, abs=20)
    beside = "preset: value t1w; allowed beside a contrast that is fitted in Hounsfield units: ct"
    with pytest.raises(RecipeError, match=beside):
        load(f"{{fitted: {tmp_path}/ct.yaml, preset: t1w}}")
    channels = r"channels.b.fitted: Hounsfield units; .* in a dataset alone"
    with pytest.raises(RecipeError, match=channels):
        load(f"{{channels: {{a: {{preset: t1w}}, b: {{fitted: {tmp_path}/ct.yaml}}}}}}")


def test_images_of_different_units_are_refused(tmp_path, capsys):
    words = _write_ct(tmp_path)
    file = tmp_path / "p1_ct.nii.gz"
    magnitudes = np.abs(np.asarray(nib.load(file).dataobj))
    nib.save(nib.Nifti1Image(magnitudes, np.eye(4)), file)
    assert main(words) == 2
    assert "p0: its image is in Hounsfield units, that of p1 is not" in capsys.readouterr().err
