"""How large stacks are stored, and the scanners that ship."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import places

from factory.acquisition.acquire import acquire_stacks
from factory.acquisition.section import DEFECTS
from factory.config.document import read_yaml
from factory.config.loading import parse_document
from factory.lookup import scanner_files
from factory.planning.cases import iterate_cases
from factory.planning.cost import memory_per_actor
from factory.planning.explain import explain_recipe
from factory.planning.machine import Machine
from factory.planning.plan import Plan, make_plan
from factory.planning.stack_shapes import stack_shapes
from factory.results import PlanReport
from factory.schema.json_schema import recipe_schema
from factory.schema.render_recipe import Recipe, RenderRecipe
from factory.storage.subjects.types import FETA, Grid

TEXT = """\
seed: 7
subjects: {phantom: {count: 3, gestational_age_weeks: 28}}
appearance: {model: fetal-spade}
acquisition:
  stacks: {orientations: [axial, coronal], thickness_mm: 3, in_plane_mm: 1}
output: {path: h.zarr, spacing_mm: 3, shape: [40, 44, 36]}
"""
CARD = {"config": {"hidden": 32, "width": 12}, "label_table": {"names": list(FETA.names)}}
MACHINE = Machine(cores=2, memory_bytes=8 * 10**9, disk_bytes=10**12)
SHIPPED = sorted((places.RECIPES / "scanners").glob("*.yaml"))


def recipe(*overrides: str) -> Recipe:
    return parse_document(TEXT, "h.yaml", RenderRecipe, overrides)


def planned(*overrides: str) -> Plan:
    return make_plan(recipe(*overrides), CARD, 15_000_000, MACHINE)


thicknesses = st.tuples(st.floats(1.5, 5), st.floats(1.5, 5)).map(sorted)
planes = st.tuples(st.floats(0.6, 2), st.floats(0.6, 2)).map(sorted)
gaps = st.tuples(st.floats(0, 2), st.floats(0, 2)).map(sorted)


@settings(max_examples=10, deadline=None)
@given(thicknesses, gaps, planes, st.sampled_from([0.8, 1.0, 1.3]), st.integers(0, 1000))
def test_no_case_needs_more_than_the_arrays_hold(thickness, gap, plane, spacing, seed) -> None:
    made = recipe(
        f"acquisition.stacks.thickness_mm={{uniform: {thickness}}}",
        f"acquisition.stacks.gap_mm={{each: [{gap[0]}, {gap[1] + 1e-3}]}}" if gap[1] < 1.9
        else f"acquisition.stacks.gap_mm={gap[0]}",
        f"acquisition.stacks.in_plane_mm={{normal: {{mean: {sum(plane) / 2}, sd: 1, "
        f"min: {plane[0]}, max: {plane[1] + 0.01 if plane[1] < 1.9 else 2}}}}}",
        f"output.spacing_mm={spacing}",
        "output.shape=[24, 28, 20]",
        f"seed={seed}",
    )  # fmt: skip
    shapes = stack_shapes(made)
    shape = (24, 28, 20)
    label = np.ones(shape, np.uint8)
    grid = Grid.centred(shape, (spacing,) * 3)
    for case in list(iterate_cases(made))[:2]:
        parameters = case.acquisition.parameters
        image = label.astype(np.float32)
        scanned = acquire_stacks(image, label, grid, FETA, parameters, case.acquisition.seed)
        for k, stack in enumerate(scanned.stacks):
            assert all(n <= m for n, m in zip(stack.image.shape, shapes[f"stack_{k}"], strict=True))


def test_a_plan_counts_the_stacks() -> None:
    plain, fine = planned("acquisition=null"), planned("acquisition.labels=stack")
    assert fine.layout.arrays == (
        "image", "label", "stack_0", "stack_0_label", "stack_1", "stack_1_label",
    )  # fmt: skip
    # 40 × 44 × 36 voxels of 3 mm, in slices of 3 mm with pixels of 1 mm
    assert fine.layout.shapes["stack_0"] == (40, 132, 108)
    assert fine.layout.shapes["stack_1_label"] == (44, 120, 108)
    voxels = 40 * 132 * 108 + 44 * 120 * 108
    assert fine.raw_bytes - plain.raw_bytes == 3 * 3 * voxels
    assert fine.memory_per_actor > plain.memory_per_actor + 8 * voxels
    assert fine.seconds > plain.seconds
    noisy = planned("acquisition.noise.snr=8", "acquisition.labels=stack")
    assert noisy.stored_bytes > fine.stored_bytes + 3 * voxels  # noise does not compress
    assert fine.to_json()["stacks"] == {"stack_0": [40, 132, 108], "stack_1": [44, 120, 108]}
    lines = PlanReport(fine).lines()
    assert any(line.startswith("stack_1  coronal, 44 × 120 × 108 voxels") for line in lines)
    assert not any("stack" in line for line in PlanReport(plain).lines())


def test_memory_of_a_plan_grows_with_the_finest_stack() -> None:
    coarse, fine = (
        planned(f"acquisition.stacks.in_plane_mm={value}").layout
        for value in ("1", "{uniform: [0.5, 1]}")
    )
    assert memory_per_actor(fine, CARD, 0) > memory_per_actor(coarse, CARD, 0)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_scanner_that_ships_plans_and_fits_the_schema(path: Path) -> None:
    assert scanner_files()[path.stem].resolve() == path
    made = make_plan(recipe("acquisition.stacks=null", f"acquisition={{scanner: {path.stem}}}"),
                CARD, 15_000_000, MACHINE)  # fmt: skip
    assert len(made.layout.stacks) == 3
    case = next(iterate_cases(made.recipe))
    assert case.acquisition.scanner == path.stem
    assert case.acquisition.parameters.keys() <= set(DEFECTS)
    assert f"On a {path.stem} scanner: three stacks" in " ".join(explain_recipe(made.recipe))
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# ")
    schema = recipe_schema("render").to_json()
    text = json.loads(json.dumps(read_yaml(path.read_text(), path.name).data))
    of_section = {"$ref": "#/$defs/Acquisition", "$defs": schema["$defs"]}
    validator = jsonschema.Draft202012Validator(of_section)
    assert [error.message for error in validator.iter_errors(text)] == []
    assert list(validator.iter_errors({**text, "gamma": 9}))


def test_there_are_scanners() -> None:
    assert {"1.5T-haste", "3T-haste"} <= {path.stem for path in SHIPPED}
