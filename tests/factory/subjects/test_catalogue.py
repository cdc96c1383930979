"""Subjects of a recipe: which there are, and the shape that holds them all."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.recipes import GRADED

from factory.config.loading import parse_document
from factory.errors import RecipeError
from factory.planning.cases import count_cases, iterate_cases
from factory.planning.grid import grid_shape, needed_shape
from factory.rendering.subject_editor import SubjectEditor
from factory.schema.render_recipe import Recipe, RenderRecipe
from factory.storage.errors import SubjectError


def recipe(*overrides: str, text: str = GRADED) -> Recipe:
    return parse_document(text, "h.yaml", RenderRecipe, overrides)


@settings(max_examples=25, deadline=None)
@given(st.floats(20, 38), st.sampled_from([0.5, 0.8, 1.0, 2.0]))
def test_the_automatic_shape_holds_every_subject_with_a_margin(age: float, spacing: float) -> None:
    checked = recipe(
        f"subjects.phantom.gestational_age_weeks={{uniform: [20, {age!r}]}}",
        f"output.spacing_mm={spacing}",
    )
    shape, needed = grid_shape(checked), needed_shape(checked)
    for voxels, extent in zip(shape, needed, strict=True):
        assert voxels % 16 == 0
        assert extent + 8 <= voxels < extent + 8 + 16
    assert grid_shape(
        parse_document(GRADED, "h.yaml", RenderRecipe, ["output.shape=[64, 80, 96]"])
    ) == (
        64,
        80,
        96,
    )


def test_the_automatic_shape_does_not_depend_on_draws() -> None:
    shapes = {grid_shape(recipe(f"seed={s}", f"subjects.phantom.count={s}")) for s in (1, 2, 50)}
    assert len(shapes) == 1


def test_the_automatic_shape_holds_a_head_that_is_scaled_and_turned() -> None:
    def needed(edit: str) -> np.ndarray:
        return np.array(needed_shape(recipe(f"anatomy=[{edit}]")))

    plain = needed("{deform: {warp_mm: 0}}")
    np.testing.assert_array_equal(plain, needed_shape(recipe("anatomy=[]")))
    np.testing.assert_array_equal(plain, needed("{deform: {warp_mm: 0, scale: [0.8, 0.8, 0.8]}}"))
    wide = "{deform: {warp_mm: 0, scale: [1, 1, {uniform: [0.9, 1.2]}]}}"
    assert np.all(needed(wide) >= 1.2 * plain - 1.2)
    twice = needed(f"{wide}, {wide}")
    assert np.all(twice >= 1.44 * plain - 1.44)
    turned = needed("{deform: {warp_mm: 0, rotation_degrees: [{uniform: [-20, 5]}, 0, 0]}}")
    assert np.all(turned > plain)
    assert np.all(turned < 1.1 * plain)


@pytest.mark.parametrize(
    ("edit", "more"),
    [
        ("scale: [1, 1.3, 1]", 8),
        ("rotation_degrees: [40, 0, 0]", 4),
        ("rotation_degrees: [0, 0, 40]", 4),
        ("rotation_degrees: [15, -10, 20], shear: [0.3, 0, -0.2]", 2),
    ],
)
def test_a_deformed_head_fits_what_was_foreseen(tmp_path, edit: str, more: int) -> None:
    import nibabel as nib

    z, y, x = np.ogrid[-20:21, -20:21, -20:21]
    head = (z / 13.3) ** 2 + (y / 18.3) ** 2 + (x / 13.3) ** 2 < 1
    label = np.where(head, 3, 0).astype(np.uint8).transpose(2, 1, 0)
    nib.Nifti1Image(label, np.eye(4)).to_filename(tmp_path / "a_dseg.nii.gz")
    checked = recipe(
        f"subjects.nifti={{path: {tmp_path}, labels: '{{subject}}_dseg.nii.gz'}}",
        "subjects.phantom=null",
        f"anatomy=[{{deform: {{warp_mm: 0, {edit}}}}}]",
    )
    after = SubjectEditor().load_and_edit(next(iterate_cases(checked))).label
    sizes = [np.ptp(np.flatnonzero(after.any(axis=o))) + 1 for o in ((1, 2), (0, 2), (0, 1))]
    grown = [size - was for size, was in zip(sizes, (27, 37, 27), strict=True)]
    assert max(grown) >= more  # it is not by chance that it fits
    assert all(size <= n for size, n in zip(sizes, needed_shape(checked), strict=True))


def test_subjects_that_cannot_be_listed(tmp_path) -> None:
    with pytest.raises(SubjectError, match="no BIDS dataset"):
        next(iterate_cases(recipe(f"subjects={{bids: {{path: {tmp_path}, mapping: feta}}}}")))


def test_files_as_subjects(tmp_path) -> None:
    import nibabel as nib

    label = np.zeros((40, 50, 60), np.uint8)  # x, y, z
    label[5:35, 10:40, 20:41] = 3
    for name in ("a", "b"):
        image = nib.Nifti1Image(label, np.diag([2.0, 1.0, 1.0, 1.0]))
        image.to_filename(tmp_path / f"{name}_dseg.nii.gz")
    checked = recipe(
        f"subjects.nifti={{path: {tmp_path}, labels: '{{subject}}_dseg.nii.gz'}}",
        "subjects.phantom=null",
    )
    cases = list(iterate_cases(checked))
    assert [case.id for case in cases[:4]] == ["a/grade=0/0", "a/grade=1/0", "a/grade=2/0",
                                               "b/grade=0/0"]  # fmt: skip
    assert count_cases(checked) == len(cases) == 6
    assert list(iterate_cases(checked, 4)) == cases[4:]
    assert needed_shape(checked) == (21, 30, 60)
    assert cases[0].grid.shape == (32, 48, 80)

    files = f"path: {tmp_path}, labels: '{{subject}}_dseg.nii.gz', mapping: {{3: white_matter}}"
    mixed = recipe(f"subjects.nifti={{{files}}}")
    both = {case.id: case.to_json() for case in iterate_cases(mixed)}
    assert count_cases(mixed) == len(both) == 15
    phantoms = {case.id for case in iterate_cases(recipe())}
    assert phantoms < both.keys()


def test_a_repeated_id_names_the_sources_that_have_it(
    hearts: Path, bids: Path, tmp_path: Path
) -> None:
    ways = "interpolate={model: m, between: [P0-ED, P1-ED, P0-ED, P1-ED]}"
    twice = recipe(f"subjects={{short_axis: {{path: {hearts}}}}}", "anatomy=[]", ways)
    with pytest.raises(RecipeError, match="P0-ED-to-P1-ED-1of8 is in interpolated twice"):
        _ = twice.spec.catalogue
    labels = "{subject}/anat/{subject}_rec-mial_dseg.nii.gz"
    folders = f"bids: {{path: {bids}, mapping: feta}}, nifti: {{path: {bids}, labels: '{labels}'}}"
    with pytest.raises(RecipeError, match="sub-0 is in bids and in nifti"):
        _ = recipe(f"subjects={{{folders}}}").spec.catalogue
