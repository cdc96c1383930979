"""Which edits a table allows, and those that work in every one."""

from pathlib import Path

import numpy as np
import pytest

import factory
from factory.anatomy.edits.asymmetry.edit import asymmetry
from factory.anatomy.edits.deform.edit import deform
from factory.anatomy.edits.lesion.edit import lesion
from factory.errors import RecipeError
from factory.storage.subjects.types import FETA, LabelTable

TABLE = LabelTable(
    ("background", "body", "left_kidney", "right_kidney", "cyst"),
    ((0, 0, 0),) * 5,
    (("kidneys", ("left_kidney", "right_kidney")),),
)
RECIPE = """
seed: 1
subjects:
  nifti:
    {{path: D, labels: "{{subject}}.nii", mapping: {{1: body, 2: left_kidney, 3: right_kidney}}}}
regions: {{kidneys: [left_kidney, right_kidney]}}
anatomy:
  - {edit}
appearance: {{model: spade}}
output: {{path: made.zarr, spacing_mm: 2}}
"""


def body() -> np.ndarray:
    label = np.zeros((20, 44, 60), np.uint8)
    label[2:-2, 4:-4, 4:-4] = 1
    label[6:14, 16:28, 10:20] = 2
    label[6:14, 16:28, 40:50] = 3
    return label


def read(tmp_path: Path, edit: str) -> None:
    path = tmp_path / "organs.yaml"
    path.write_text(RECIPE.format(edit=edit))
    factory.load_recipe(path)


@pytest.mark.parametrize(
    ("edit", "missing"),
    [
        ("cerebellar_hypoplasia: {share_of_norm: 0.7}", "cerebellum"),
        ("cerebellar_growth: {share_of_norm: 1}", "cerebellum, external_csf"),
        ("corpus_callosum_agenesis: {}", "corpus_callosum, white_matter, external_csf"),
        ("cortical_thinning: {share: 0.3}", "grey_matter, white_matter, external_csf"),
        ("dilate_ventricles: {radius_mm: 2, into: [white_matter]}", "ventricles, white_matter"),
        ("external_csf: {wider_mm: 2}", "external_csf"),
        ("grow: {to_weeks: 30}", "grey_matter, white_matter"),
        ("microcephaly: {biparietal_mm: 60}", "grey_matter, white_matter"),
        ("ventriculomegaly: {atrial_width_mm: 12}", "ventricles"),
        ("asymmetry: {side: left, ventricle_share: 0.3}", "left_lateral_ventricle"),
    ],
)
def test_an_edit_is_refused_where_its_tissues_are_missing(
    tmp_path: Path, edit: str, missing: str
) -> None:
    words = rf"organs.yaml:8:\d+: anatomy\[0\].*: no {missing} among the labels: background, body"
    with pytest.raises(RecipeError, match=words) as error:
        read(tmp_path, edit)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "edit",
    [
        "deform: {warp_mm: 1, flip: true}",
        "asymmetry: {side: left, hemisphere_share: -0.1}",
        "lesion: {name: cyst, inside: [kidneys], volume_ml: 2, looks_like: body}",
    ],
)
def test_an_edit_that_needs_no_tissue_is_accepted(tmp_path: Path, edit: str) -> None:
    read(tmp_path, edit)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ("lesion: {inside: [kidny], volume_ml: 2}", "value kidny; allowed: one of"),
        ("lesion: {inside: [body], volume_ml: 2, looks_like: liver}", "looks_like: value liver"),
        ("lesion: {name: left_kidney, inside: [body], volume_ml: 2}", "a label of the subjects"),
    ],
)
def test_a_lesion_names_labels_of_the_table(tmp_path: Path, edit: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        read(tmp_path, edit)


def test_a_half_of_any_map_can_be_made_smaller() -> None:
    label = body()
    new, _, record = asymmetry(label, (2.0, 2.0, 2.0), TABLE, "left", hemisphere_share=-0.2)
    halves = (new[:, :, :30] > 0).sum(), (label[:, :, :30] > 0).sum()
    assert halves[0] / halves[1] == pytest.approx(0.8, abs=0.03)
    assert record["achieved_hemisphere_share"] == pytest.approx(-0.2, abs=0.02)
    np.testing.assert_array_equal(new[:, :, 45:], label[:, :, 45:])


def test_a_flip_keeps_the_sides_of_any_table() -> None:
    label = body()
    flipped, _, _ = deform(label, (2.0, 2.0, 2.0), TABLE, seed=0, flip=True)
    np.testing.assert_array_equal(flipped, label)  # it is symmetric
    table = LabelTable(("background", "ctx_lh_cuneus", "spleen", "ctx_rh_cuneus"), FETA.colours[:4])
    np.testing.assert_array_equal(table.mirrored_values, [0, 3, 2, 1])


def test_a_lesion_grows_inside_a_region() -> None:
    label = body()
    new, _, record = lesion(
        label, (2.0, 2.0, 2.0), TABLE, seed=3, volume_ml=4, inside=["kidneys"], name="cyst"
    )
    assert np.isin(label[new == 4], (2, 3)).all()
    assert record["achieved_volume_ml"] == pytest.approx(4, abs=0.01)
