"""A whole training of an anatomy generator, and what its individuals are like."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.anatomies import RECIPE

from factory.errors import RecipeError
from factory.families.anatomy.drawing import draw_labels
from factory.families.anatomy.model_files import load_anatomy, save_anatomy
from factory.families.anatomy.preparation import check_edits, smooth_outline, stack_to_volume
from factory.families.anatomy.sampling import AnatomySampler, head_diameters_mm, mirror_label
from factory.families.anatomy.scoring import evaluate
from factory.families.registry import load_training
from factory.models.checkpoint import WeightsError
from factory.storage.subjects.growth_curves import intracranial_mm
from factory.storage.subjects.types import Grid, LabelTable, Subject
from factory.training.data import held_out_subjects


def test_individuals_follow_from_their_seed_and_differ(bodies: Path) -> None:
    sampler = AnatomySampler(load_anatomy(bodies))
    maps = [
        draw_labels(sampler.draw(seed, None, 1.0), sampler.model.lattice, 3.0) for seed in (1, 1, 2)
    ]
    assert np.array_equal(maps[0], maps[1])
    assert maps[0].shape != maps[2].shape or not np.array_equal(maps[0], maps[2])
    largest = sampler.largest_extent_mm(None, 1.0)
    for label in maps:
        assert set(np.unique(label)) == {0, 1, 2}
        assert all(n * 3.0 <= mm + 6 for n, mm in zip(label.shape, largest, strict=True))


def test_files_give_back_the_model(bodies: Path, tmp_path: Path) -> None:
    model = load_anatomy(bodies)
    save_anatomy(tmp_path, model)
    again = load_anatomy(tmp_path)
    assert np.array_equal(again.people[0].label, model.people[0].label)
    assert float((again.velocity - model.velocity).abs().max()) < 0.01
    weights = tmp_path / "anatomy.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(WeightsError, match="sha256 differs"):
        load_anatomy(tmp_path)


def test_held_out_people_are_fitted_better_than_by_an_affine_map(bodies: Path) -> None:
    recipe = load_training(bodies.parent.parent / "bodies.yaml").spec
    rows = evaluate(bodies, held_out_subjects(recipe.subjects, 3.0), bodies.parent)
    mean = rows[rows["label"] == "mean"].iloc[0]
    assert mean["affine"] - 0.02 < mean["fit"]
    assert mean["fit"] > 0.8


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        ("deform: {warp_mm: 2}", "it is random; allowed: fixed edits"),
        ("dilate: {structure: organ, mm: {uniform: [1, 2]}}", "allowed: one number"),
        ("erode: {structure: organ, mm: 1}\n    when: age > 3", "allowed: no condition"),
    ],
)
def test_edits_of_the_people_have_fixed_sizes(tmp_path: Path, edit: str, text: str) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(RECIPE.format(people="x", output="y") + f"anatomy:\n  - {edit}\n")
    with pytest.raises(RecipeError, match=text):
        check_edits(load_training(file).spec.anatomy)


def test_a_smooth_outline_has_no_spikes() -> None:
    label = np.zeros((20, 20, 20), np.uint8)
    label[4:14, 4:14, 4:14] = 1
    label[4:14, 4:14, 14:16] = 2
    label[8, 8, 16:19] = 2
    label[18, 18, 18] = 2
    smooth = smooth_outline(label, (1.0, 1.0, 1.0), 2.0)
    assert not smooth[8, 8, 17:].any()
    assert smooth[18, 18, 18] == 0
    assert (smooth[6:12, 6:12, 6:12] == 1).all()
    assert set(np.unique(smooth)) == {0, 1, 2}


def test_a_mirror_image_exchanges_sides() -> None:
    table = LabelTable(("background", "left_a", "right_a"), ((0, 0, 0),) * 3)
    assert mirror_label(np.array([[[1, 0, 2]]], np.uint8), table).tolist() == [[[1, 0, 2]]]
    assert mirror_label(np.array([[[1, 1, 0]]], np.uint8), table).tolist() == [[[0, 2, 2]]]


def test_diameters_of_no_deviation_are_those_of_the_growth_curves() -> None:
    assert head_diameters_mm(28, [0, 0, 0]) == pytest.approx(intracranial_mm(28))
    wide, long = head_diameters_mm(28, [1, 1, 1])
    assert wide > intracranial_mm(28)[0]
    assert long > intracranial_mm(28)[1]


def test_a_stack_becomes_a_volume_whose_outline_goes_from_slice_to_slice() -> None:
    y, x = np.mgrid[:40, :40] - 20
    label = np.stack([(np.hypot(y, x) < r).astype(np.uint8) for r in (6, 10, 14)])
    grid = Grid.centred((3, 40, 40), (8.0, 2.0, 2.0))
    table = LabelTable(("background", "heart"), ((0, 0, 0), (255, 0, 0)))
    volume = stack_to_volume(Subject("s", label, grid, table))
    assert volume.grid.spacing == (2.0, 2.0, 2.0)
    assert [np.array_equal(volume.label[4 * k], label[k]) for k in range(3)] == [True] * 3
    areas = volume.label.sum((1, 2))
    assert (np.diff(areas) > 0).all()
    cubic = replace(volume, id="c")
    assert stack_to_volume(cubic) is cubic
