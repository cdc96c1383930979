"""The warnings about label maps before anything is painted."""

from factory.config.loading import parse_document
from factory.planning.cases import iterate_cases
from factory.rendering.preflight import find_extremes, label_warnings
from factory.schema.render_recipe import RenderRecipe

RECIPE = """
seed: 5
subjects: {phantom: {count: 3, gestational_age_weeks: {uniform: [24, 30]}}}
anatomy:
  - dilate_ventricles: {radius_mm: {each: [0, 2, 8]}, into: [white_matter]}
appearance: {model: fetal-spade}
output: {path: x.zarr, spacing_mm: 2.0}
"""


def test_the_extremes_hold_the_least_and_the_most_of_every_number() -> None:
    all_cases = list(iterate_cases(parse_document(RECIPE, "r.yaml", RenderRecipe)))
    extremes = find_extremes(all_cases)
    assert len(extremes) < len(all_cases)
    for key in ("gestational_age_weeks", "radius_mm"):
        values = [case.requested[key] for case in all_cases]
        assert {min(values), max(values)} <= {case.requested[key] for case in extremes}


def test_parameters_of_the_scanner_do_not_count_as_extremes() -> None:
    scan = "acquisition={noise: {snr: {uniform: [5, 30]}}}"
    plain, scanned = (
        find_extremes(
            list(iterate_cases(parse_document(RECIPE, "r.yaml", RenderRecipe, overrides)))
        )
        for overrides in ([], [scan])
    )
    assert [case.id for case in scanned] == [case.id for case in plain]


def test_a_tissue_outside_the_training_range_is_named_with_both_ranges() -> None:
    recipe = parse_document(RECIPE, "r.yaml", RenderRecipe)
    wide = {"volume_ml": [0, 1e6], "depth_mm": [0, 1e3]}
    ranges = {"ventricles": {"volume_ml": [0, 20], "depth_mm": [0, 1e3]}, "white_matter": wide}
    warnings = label_warnings(recipe, {"training": {"labels": ranges}})
    assert warnings
    assert all("ventricles volume_ml" in w and "(saw 0 to 20)" in w for w in warnings)
    assert not any("white_matter" in w or "radius_mm=0/" in w for w in warnings)
    assert label_warnings(recipe, {"training": {"labels": {"ventricles": wide}}}) == ()


def test_each_group_is_compared_with_what_its_own_painter_saw() -> None:
    looks = "a: {share: 50 %}, b: {share: 50 %, appearance: {contrast: random}}"
    recipe = parse_document(RECIPE, "r.yaml", RenderRecipe, [f"groups={{{looks}}}"])
    small = {"training": {"labels": {"ventricles": {"volume_ml": [0, 1], "depth_mm": [0, 1]}}}}
    assert {line[0] for line in label_warnings(recipe, small)} == {"a", "b"}
    assert {line[0] for line in label_warnings(recipe, small, {"b": {}})} == {"a"}


def test_an_edit_that_cannot_be_made_is_a_warning() -> None:
    wide = "{ventriculomegaly: {atrial_width_mm: {each: [0, 30]}}}"
    recipe = parse_document(RECIPE, "r.yaml", RenderRecipe, [f"anatomy=[{wide}]"])
    warnings = label_warnings(recipe, {"training": {"labels": {}}})
    assert warnings
    assert all("atrial_width_mm=30/0: ventriculomegaly" in w for w in warnings)
    assert all("the largest that can be reached is" in w for w in warnings)
