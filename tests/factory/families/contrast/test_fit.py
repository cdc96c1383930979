"""A contrast that is fitted to images: what comes back is what they were made of."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml

from factory.cli import main


def _write_people(folder: Path, count: int = 8) -> None:
    """Write people whose liver is at 0.6 and whose spleen is half as bright as their liver."""
    rng = np.random.default_rng(0)
    label = np.zeros((30, 30, 30), np.uint8)
    label[3:15, 3:27, 3:27] = 1
    label[15:27, 3:27, 3:27] = 2
    for person in range(count):
        liver = 600 + 40 * rng.standard_normal()
        image = rng.normal(0, 20, label.shape) + np.array([0, liver, liver / 2])[label]
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
    mapping.write_text("index\tname\n0\tbackground\n1\tliver\n2\tspleen\n")
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
    assert labels["liver"]["mean_spread"] == pytest.approx(0.04, abs=0.02)
    assert labels["spleen"]["sd"] == pytest.approx(0.02, abs=0.005)
    assert fitted["correlation"][1][2] > 0.8
    assert output.with_suffix(".png").stat().st_size > 1000

    assert main([*words, "--output", str(tmp_path / "fit.json")]) == 2
    assert "allowed: a file ending in .yaml" in capsys.readouterr().err
