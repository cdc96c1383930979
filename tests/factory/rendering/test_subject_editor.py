"""The edits of a recipe are applied to real subjects."""

from typing import Any

import numpy as np
import pytest

from factory.case import Case
from factory.config.loading import parse_document
from factory.errors import AnatomyError
from factory.planning.cases import iterate_cases
from factory.rendering.subject_editor import SubjectEditor
from factory.schema.render_recipe import RenderRecipe
from factory.storage.subjects.growth_curves import transcerebellar_mm

RECIPE = """
seed: 5
subjects: {{phantom: {{count: 1, gestational_age_weeks: 26}}}}
anatomy: [{edit}]
appearance: {{model: fetal-spade}}
output: {{path: x.zarr, spacing_mm: 1.5}}
"""


def case(edit: str) -> Case:
    [only] = iterate_cases(parse_document(RECIPE.format(edit=edit), "r.yaml", RenderRecipe))
    return only


def edited(edit: str) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    editor, requested = SubjectEditor(), case(edit)
    result = editor.load_and_edit(requested)
    return editor.subject(requested).label, result.label, result.records


@pytest.mark.parametrize("mode", ["dilate", "displace"])
def test_the_atrium_gets_the_requested_width(mode: str) -> None:
    before, after, record = edited(f"{{ventriculomegaly: {{atrial_width_mm: 12, mode: {mode}}}}}")
    assert record["ventriculomegaly_requested_atrial_width_mm"] == 12
    assert record["ventriculomegaly_achieved_atrial_width_mm"] == pytest.approx(12, abs=0.75)
    assert (after == 4).sum() > (before == 4).sum()
    np.testing.assert_array_equal(after == 0, before == 0)


def test_a_case_always_has_the_same_warp() -> None:
    before, after, record = edited("{deform: {warp_mm: 2}}")
    _, again, _ = edited("{deform: {warp_mm: 2}}")
    np.testing.assert_array_equal(after, again)
    assert (after != before).any()
    assert record["deform_jacobian_min"] > 0


def test_a_width_that_cannot_be_reached_names_the_case_and_the_largest_that_can() -> None:
    with pytest.raises(AnatomyError, match=r"^phantom-0000//0: .*mm") as caught:
        edited("{ventriculomegaly: {atrial_width_mm: 30}}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "key", "tolerance"),
    [
        ("microcephaly: {biparietal_mm: 55}", "biparietal_mm", 0.76),
        ("grow: {to_weeks: 24}", "biparietal_mm", 1.6),
        ("asymmetry: {side: left, hemisphere_share: -0.1}", "hemisphere_share", 0.02),
        ("cerebellar_hypoplasia: {transcerebellar_mm: 20}", "transcerebellar_mm", 0.76),
        ("cerebellar_hypoplasia: {share_of_norm: 0.7}", "transcerebellar_mm", 0.76),
    ],
)
def test_a_measure_reaches_the_requested_value(edit: str, key: str, tolerance: float) -> None:
    before, after, record = edited(f"{{{edit}}}")
    operator = edit.partition(":")[0]
    achieved, requested = (record[f"{operator}_{word}_{key}"] for word in ("achieved", "requested"))
    assert achieved == pytest.approx(requested, abs=tolerance)
    assert (after != before).any()


def test_a_norm_is_for_the_age_after_growing() -> None:
    growth, hypoplasia = "{grow: {to_weeks: 23}}", "{cerebellar_hypoplasia: {share_of_norm: 0.7}}"
    _, _, record = edited(f"{growth}, {hypoplasia}")
    assert record["cerebellar_hypoplasia_requested_transcerebellar_mm"] == pytest.approx(
        0.7 * transcerebellar_mm(23)
    )


def test_the_error_for_a_head_too_large_for_its_grid_names_the_needed_shape() -> None:
    text = RECIPE.format(edit="{grow: {to_weeks: 38}}").replace("1.5}", "1.5, shape: [64, 64, 64]}")
    [requested] = iterate_cases(parse_document(text, "r.yaml", RenderRecipe))
    with pytest.raises(AnatomyError, match=r"needs \d+ × \d+ × \d+ voxels .* that shape at least"):
        SubjectEditor().load_and_edit(requested)


def test_two_edits_of_one_operator_have_their_own_records() -> None:
    left = "ventriculomegaly: {atrial_width_mm: 11, side: left}"
    right = "ventriculomegaly: {atrial_width_mm: 13, side: right}"
    _, _, record = edited(f"{{{left}}}, {{{right}}}")
    assert record["ventriculomegaly_requested_atrial_width_mm"] == 11
    assert record["ventriculomegaly_2_requested_atrial_width_mm"] == 13
    _, _, alone = edited(f"{{{left}, when: replicate > 0}}, {{{right}}}")
    assert "ventriculomegaly_requested_atrial_width_mm" not in alone
    assert alone["ventriculomegaly_2_requested_atrial_width_mm"] == 13
