"""Made-up organs painted by a contrast: no file, no model."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import zarr
from scipy.ndimage import binary_erosion

import factory
from factory.errors import FactoryError, RecipeError
from factory.execution.options import RenderOptions, RunOptions

RECIPE = """
seed: 1
subjects:
  shapes:
    count: 2
    labels:
      body: {size_mm: [60, 50, 70]}
      left_kidney: {size_mm: [20, 16, 14], centre_mm: [0, -8, -16]}
      right_kidney: {size_mm: [20, 16, 14], centre_mm: [0, -8, 16]}
      liver: {size_mm: [24, 20, 24], centre_mm: [4, 10, 14]}
APPEARANCE
output: {path: FOLDER/made.zarr, spacing_mm: 3}
"""
SERIAL = RenderOptions(run=RunOptions(serial=True, progress=False))


def _load(folder: Path, appearance: str) -> "factory.Recipe":
    file = folder / "recipe.yaml"
    text = RECIPE.replace("APPEARANCE", appearance).replace("FOLDER", str(folder))
    file.write_text(text)
    return factory.load_recipe(file)


def _render(folder: Path, appearance: str) -> zarr.Group:
    folder.mkdir(exist_ok=True)
    factory.render(_load(folder, appearance), options=SERIAL)
    return zarr.open_group(str(folder / "made.zarr"), mode="r")


def test_a_random_contrast_is_rendered_recorded_verified_and_replayed(tmp_path):
    group = _render(tmp_path, "appearance: {contrast: {texture_scales_mm: [0.0]}}\nreplicates: 2")
    path = str(tmp_path / "made.zarr")
    table = factory.open(path).cases
    label = group["label"][:]
    for row in range(4):
        image = group["image"][row] * group["image"].attrs["scale_factor"]
        means = json.loads(table["contrast_means"][row])
        gamma = table["requested_gamma"][row]
        assert means[2] == means[3]  # both kidneys
        deep = [binary_erosion(label[row] == value, iterations=2) for value in (1, 4)]
        inside = [np.median(image[mask]) ** (1 / gamma) for mask in deep]
        # brightness is scaled by one factor, so that the ratio is the drawn one
        assert inside[0] / inside[1] == pytest.approx(means[1] / means[4], rel=0.15)
    assert table["contrast_means"][0] != table["contrast_means"][1]
    assert factory.verify(path).is_sound
    report = factory.replay(path, 2, str(tmp_path / "again.zarr"))
    assert "equal" in "".join(report.lines())


def test_another_variant_of_the_anatomy_keeps_the_look(tmp_path):
    anatomy = "anatomy: [{resize: {structure: liver, share: {each: [0.8, 1.0]}, into: [body]}}]"
    _render(tmp_path, f"{anatomy}\nappearance: {{contrast: random}}")
    table = factory.open(str(tmp_path / "made.zarr")).cases
    assert table["requested_blur_mm"][0] == table["requested_blur_mm"][1]
    assert table["contrast_means"][0] == table["contrast_means"][1]


def test_channels_show_one_anatomy_at_contrasts_of_their_own(tmp_path):
    channels = "{t2w: {preset: t2w}, t1w: {preset: t1w}}"
    group = _render(tmp_path, f"appearance: {{contrast: {{channels: {channels}}}}}")
    image, label = group["image"][0], group["label"][0]
    assert group["image"].attrs["channels"] == ["t1w", "t2w"]
    assert image.shape == (2, *label.shape)
    liver = [channel[label == 4].mean() / channel[label == 1].mean() for channel in image]
    assert abs(liver[0] - liver[1]) > 0.1
    assert {"contrast_means_t1w", "contrast_sds_t2w"} <= set(
        factory.open(str(tmp_path / "made.zarr")).cases
    )
    # the keys of the stored case are sorted
    again = factory.replay(str(tmp_path / "made.zarr"), 0, str(tmp_path / "again.zarr"))
    assert again.to_json()["equal"]


def test_a_lesion_has_a_brightness_of_its_own(tmp_path):
    lesion = "anatomy: [{lesion: {inside: [body], volume_ml: 3, name: tumour}}]"
    labels = "{preset: t1w, labels: {tumour: {mean: 0.05, sd: 0.0}, body: {mean: 0.9, sd: 0.0}}}"
    group = _render(tmp_path, f"{lesion}\nappearance: {{contrast: {labels}}}")
    image, label = group["image"][0], group["label"][0]
    assert group["label"].attrs["flag_meanings"].split()[5] == "tumour"
    assert np.median(image[label == 5]) < 0.5 * np.median(image[label == 1])
    table = factory.open(str(tmp_path / "made.zarr")).cases
    assert len(json.loads(table["contrast_means"][0])) == 6


def test_hounsfield_units_are_stored_as_such(tmp_path):
    group = _render(tmp_path, "appearance: {contrast: ct}")
    attributes = group["image"].attrs
    image = group["image"][0] * attributes["scale_factor"] + attributes["add_offset"]
    label = group["label"][0]
    assert image[label == 4].mean() == pytest.approx(58, abs=25)
    assert image[:3, :3, :3].mean() == pytest.approx(-1000, abs=30)


@pytest.mark.parametrize(
    ("contrast", "words"),
    [
        ("rnadom", r"value rnadom; allowed: .*; did you mean random\?"),
        ("{labels: {livr: {mean: 1}}}", r"labels.livr: value livr; .*; did you mean liver\?"),
        ("{labels: {liver: {}}}", "labels.liver: allowed: at least one of mean, sd"),
        ("{preset: ct, gamma: 2}", "gamma: allowed with Hounsfield units: 1"),
        ("{layers: {liver: {count: 2, by: image}}}", "by: value image; .* allowed: depth"),
        ("{layers: {liver: {count: 2, from_label: body}}}", "both from_label and to_label"),
        (
            "{layers: {liver: {count: 2, from_label: body, to_label: body}}}",
            "to_label: value body; from_label has it; allowed: another label",
        ),
        (
            "{classes: {a: [liver], b: [body, liver]}}",
            r"classes.b\[1\]: value liver; the class a has it; allowed: in one class",
        ),
        ("{preset: t1w, channels: {a: {}}}", "preset: allowed: in each of the channels"),
        ("{channels: {a: {preset: t1w}, b: {preset: ct}}}", "value ct; .* in a dataset alone"),
        ("{fitted: nothing.yaml}", "fitted: value nothing.yaml; no such file"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path, contrast, words):
    with pytest.raises(RecipeError, match=rf"recipe.yaml:\d+:\d+: appearance.contrast.*{words}"):
        _load(tmp_path, f"appearance: {{contrast: {contrast}}}")


def test_a_fitted_contrast_must_know_every_label_or_have_a_preset(tmp_path):
    row = "{mean: 0.5, mean_spread: 0.1, sd: 0.02, sd_spread: 0.01}"
    fitted = tmp_path / "fitted.yaml"
    fitted.write_text(f"people: 2\nlabels: {{background: {row}, body: {row}}}\n")
    recipe = _load(tmp_path, f"appearance: {{contrast: {fitted}}}")
    with pytest.raises(FactoryError, match="no left_kidney, right_kidney, liver; allowed"):
        factory.plan(recipe)
    both = f"appearance: {{contrast: {{fitted: {fitted}, preset: random}}}}"
    group = _render(tmp_path / "both", both)
    image = group["image"][0] * group["image"].attrs["scale_factor"]
    assert np.median(image[group["label"][0] == 1]) == pytest.approx(0.5, abs=0.3)


def test_the_shipped_contrast_of_fetal_brains_paints_them(tmp_path):
    fetal = "{phantom: {count: 1, gestational_age_weeks: 24}}"
    file = tmp_path / "recipe.yaml"
    file.write_text(
        f"seed: 1\nsubjects: {fetal}\nappearance: {{contrast: fetal-t2w}}\n"
        f"output: {{path: {tmp_path}/made.zarr, spacing_mm: 3}}\n"
    )
    factory.render(factory.load_recipe(file), options=SERIAL)
    sample = factory.open(str(tmp_path / "made.zarr"))[0].arrays
    ventricles, grey = (np.median(sample["image"][sample["label"] == v]) for v in (4, 2))
    assert ventricles > grey + 0.15


def test_a_scanner_after_hounsfield_units_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="acquisition: given beside Hounsfield units"):
        _load(tmp_path, "appearance: {contrast: ct}\nacquisition: {noise: {snr: 10}}")


def test_texture_and_layers_by_image_follow_the_edits(tmp_path):
    """The brighter side of an organ's image is on the other side of the mirrored organ."""
    label = np.zeros((24, 24, 24), np.uint8)
    label[2:22, 2:22, 2:22], label[6:18, 6:14, 6:18] = 1, 2
    image = np.full(label.shape, 100.0, np.float32)
    image[6:9] += 100
    for kind, array in (("seg", label), ("image", image)):
        nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / f"a_{kind}.nii.gz")
    text = """
seed: 1
subjects:
  nifti: {path: FOLDER, labels: "{subject}_seg.nii.gz", images: "{subject}_image.nii.gz",
          mapping: {0: background, 1: body, 2: organ}}
anatomy: [{deform: {warp_mm: 0, flip: true}}]
appearance:
  contrast: {preset: t1w, labels: {body: {mean: 0.2, sd: 0}, organ: {mean: 0.5, sd: SD}}, LOOK}
output: {path: FOLDER/made.zarr, shape: [24, 24, 24]}
"""
    file = tmp_path / "recipe.yaml"
    layers = "layers: {organ: {count: 2, by: image, spread: 0.9}}"
    for look, sd in (("texture: image", "0.1"), (layers, "0")):
        changed = text.replace("LOOK", look).replace("SD", sd)
        file.write_text(changed.replace("FOLDER", str(tmp_path)))
        output = str(tmp_path / look[:5])
        factory.render(factory.load_recipe(file, [f"output.path={output}"]), options=SERIAL)
        painted = next(iter(factory.open(output))).arrays
        near, far = (
            abs(np.subtract(*(painted["image"][8:16, 8:12, x].mean() for x in pair)))
            for pair in ((7, 11), (16, 12))
        )
        assert far > 0.1 > 4 * near
