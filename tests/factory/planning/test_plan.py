"""Plans: what is counted is what would be made, and what does not fit is refused with a number."""

import dataclasses
import itertools
import math

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.recipes import GRADED

from factory.config.loading import parse_document
from factory.errors import FactoryError, PlanError
from factory.lookup import find_model, find_recipe
from factory.planning.cases import iterate_cases
from factory.planning.cost import memory_per_actor
from factory.planning.machine import Machine
from factory.planning.plan import Plan, layout_of, make_plan
from factory.results import PlanReport
from factory.schema.render_recipe import Recipe, RenderRecipe
from factory.storage.subjects.types import FETA

CARD = {
    "config": {"labels": 8, "width": 12, "hidden": 32, "latent": 0},
    "label_table": {"names": list(FETA.names)},
    "training": {"gestational_age_weeks": [21, 34], "spacing_mm": [0.8, 1.0]},
}
WEIGHTS = 15_000_000
LARGE = Machine(cores=8, memory_bytes=64 * 10**9, disk_bytes=10**12)


def recipe(*overrides: str) -> Recipe:
    return parse_document(GRADED, "h.yaml", RenderRecipe, overrides)


def planned(*overrides: str, machine: Machine = LARGE, actors: int | None = None) -> Plan:
    return make_plan(recipe(*overrides), CARD, WEIGHTS, machine, actors)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(1, 3), st.integers(1, 8), st.data())
def test_shards_partition_the_cases(
    count: int, replicates: int, size: int, data: st.DataObject
) -> None:
    made = planned(
        f"subjects.phantom.count={count}",
        f"replicates={replicates}",
        f"output.samples_per_shard={size}",
    )
    shards = list(made.shards())
    assert len(shards) == made.layout.shards
    assert [shard.index for shard in shards] == list(range(len(shards)))
    every = [case for shard in shards for case in shard.cases]
    assert every == list(iterate_cases(made.recipe))
    assert len(every) == made.layout.samples
    assert all(shard.start == every.index(shard.cases[0]) for shard in shards)
    assert all(len(shard.cases) == size for shard in shards[:-1])

    done = data.draw(st.frozensets(st.sampled_from(range(len(shards)))))
    rest = list(dataclasses.replace(made, finished_shards=done).remaining())
    assert {shard.index for shard in rest} == set(range(len(shards))) - done
    assert made.samples_in(done) + sum(len(shard.cases) for shard in rest) == len(every)


def test_a_plan_of_a_hundred_million_is_lazy() -> None:
    made = planned("subjects.phantom.count=100000000", machine=Machine(8, 64 * 10**9))
    assert made.layout.samples == 300_000_000
    assert next(made.shards()).cases[0].id == "phantom-0000/grade=0/0"


def test_bytes_are_those_of_the_arrays() -> None:
    plain = planned("output.shape=[112, 128, 144]", "subjects.phantom.gestational_age_weeks=24")
    voxels = 112 * 128 * 144
    assert plain.layout.arrays == ("image", "label")
    assert plain.raw_bytes == 9 * voxels * (2 + 1)
    extra = planned("output.uncertainty=true", "output.shape=[128, 144, 144]")
    assert extra.layout.arrays == ("image", "label", "uncertainty")
    assert extra.raw_bytes == 9 * 128 * 144 * 144 * (2 + 1 + 2)
    assert extra.layout.ranges["uncertainty"] == (0.0, 1.2)
    assert 0 < plain.stored_bytes < plain.raw_bytes


def test_actors_follow_cores_memory_and_work() -> None:
    per_actor = planned().memory_per_actor
    assert planned().actors == 8
    assert planned(machine=Machine(3, 64 * 10**9)).actors == 3
    assert planned(machine=Machine(8, 2 * per_actor + 1)).actors == 2
    assert planned("subjects.phantom.count=1", "anatomy=[]").actors == 1
    assert planned(actors=5).actors == 5
    five = planned(actors=5)
    assert five.peak_memory_bytes == 5 * five.memory_per_actor


def test_stages_overlap_where_cores_or_a_gpu_would_idle() -> None:
    per_actor = planned().memory_per_actor
    assert not planned().overlap  # an actor a core
    alone = planned(actors=1)
    assert alone.overlap
    assert alone.memory_per_actor > per_actor
    assert alone.to_json()["overlap"] is True
    assert not planned(actors=1, machine=Machine(1, 64 * 10**9)).overlap
    assert not planned(machine=Machine(8, 2 * per_actor + 1)).overlap  # no memory for it
    beside_a_gpu = planned().for_device("cuda")
    assert beside_a_gpu.overlap
    assert beside_a_gpu.memory_per_actor == alone.memory_per_actor
    assert planned().for_device("cpu") == planned()
    assert not alone.for_device("cuda", overlap=False).overlap


def test_time_is_for_what_remains() -> None:
    made = planned(machine=Machine(2, 64 * 10**9))
    assert made.seconds == pytest.approx(math.ceil(9 / 2) * made.seconds_per_sample)
    assert dataclasses.replace(made, finished_shards=frozenset(range(9))).seconds == 0
    card = CARD | {"seconds_per_megavoxel": 2.0}
    faster = make_plan(recipe("anatomy=[]"), card, WEIGHTS, LARGE)
    assert faster.seconds_per_sample == pytest.approx(2 * math.prod(made.layout.shape) / 1e6)


def test_time_is_for_the_edits_too() -> None:
    def seconds(*overrides: str) -> float:
        plain = planned("anatomy=[]").seconds_per_sample
        return planned(*overrides).seconds_per_sample - plain

    deform, wide = "{deform: {warp_mm: 1}}", "{ventriculomegaly: {atrial_width_mm: 12, mode: MODE}}"
    once = seconds(f"anatomy=[{deform}]")
    assert once > 0
    assert seconds(f"anatomy=[{deform}, {deform}]") == pytest.approx(2 * once)
    groups = f"groups={{ill: {{share: 33, anatomy: [{deform}]}}, well: {{share: 67}}}}"
    assert seconds("anatomy=[]", groups) == pytest.approx(once / 3)
    dilate, displace, both = (
        seconds(f"anatomy=[{wide.replace('MODE', mode)}]")
        for mode in ("dilate", "displace", "{each: [dilate, displace]}")
    )
    assert dilate < displace
    assert both == pytest.approx((dilate + displace) / 2)


def test_memory_grows_with_all_that_takes_it() -> None:
    layout = planned().layout
    base = memory_per_actor(layout, CARD, WEIGHTS)
    wider = CARD | {"config": {"labels": 8, "width": 64, "hidden": 128}}
    assert memory_per_actor(layout, wider, WEIGHTS) > base
    assert memory_per_actor(layout, CARD, 2 * WEIGHTS) > base
    for change in ({"shape": (256, 256, 256)}, {"samples_per_shard": 8}):
        assert memory_per_actor(dataclasses.replace(layout, **change), CARD, WEIGHTS) > base


def test_what_does_not_fit_is_refused_with_the_number() -> None:
    per_actor = planned().memory_per_actor
    with pytest.raises(
        PlanError, match=r"memory: 1 renderer\(s\) of [\d.]+ GB .* 0\.5 GB are free"
    ):
        planned(machine=Machine(8, 500_000_000))
    with pytest.raises(PlanError, match=r"memory: 3 renderer\(s\)"):
        planned(machine=Machine(8, 2 * per_actor), actors=3)
    with pytest.raises(PlanError, match=r"output\.shape: \[64, 64, 64\] .* at least \["):
        planned("output.shape=[64, 64, 64]")


def test_labels_the_model_does_not_know_are_refused() -> None:
    names = [name for name in FETA.names if name != "brainstem"]
    card = CARD | {"label_table": {"names": names}}
    with pytest.raises(PlanError, match=r"labels: brainstem: the model fetal-spade does not know"):
        make_plan(recipe(), card, WEIGHTS, LARGE)


def test_warnings_say_what_training_never_saw() -> None:
    assert planned().warnings == ()
    outside = planned(
        "subjects.phantom.gestational_age_weeks={uniform: [20, 36]}", "output.spacing_mm=2"
    ).warnings
    assert outside == (
        "gestational_age_weeks: 20 to 36 asked for; the model's training saw 21 to 34",
        "spacing_mm: 2 asked for; the model's training saw 0.8 to 1",
    )
    assert make_plan(recipe(), {}, WEIGHTS, LARGE).warnings == ()  # a card that does not say


def test_what_readers_remark_is_one_warning_a_line(tmp_path) -> None:
    label = np.full((20, 20, 20), 3, np.uint8)
    folder = tmp_path / "sub-01" / "anat"
    for path in (folder, tmp_path / "sub-02"):
        path.mkdir(parents=True)
    for kind in ("dseg", "T2w"):
        image = nib.Nifti1Image(label, None)
        image.header.set_zooms((2, 2, 2))
        image.to_filename(folder / f"sub-01_{kind}.nii.gz")
    made = planned(f"subjects={{bids: {{path: {tmp_path}, mapping: feta}}}}")
    left_out, sides = made.warnings
    assert left_out == (
        f"{tmp_path}: 1 of 2 participants or sessions are left out, because they have "
        "no label file *_dseg.nii.gz: sub-02"
    )
    assert sides.startswith(f"{folder}/sub-01_dseg.nii.gz and 1 more file: neither an sform nor")
    assert f"warning  {sides}" in PlanReport(made).lines()
    assert made.to_json()["warnings"] == [left_out, sides]
    source = f"{{path: {folder}, labels: '{{subject}}_dseg.nii.gz'}}"
    [same] = planned(f"subjects={{nifti: {source}}}").warnings
    assert same == sides.replace(" and 1 more file", "")


def test_a_disk_that_may_be_too_small_is_a_warning() -> None:
    (warning,) = planned("replicates=9999", machine=Machine(8, 64 * 10**9, 10**9)).warnings
    assert warning.startswith("disk: about ")
    assert warning.endswith("1 GB are free")


def test_a_plan_as_json_is_plain_and_says_what_the_issue_asks() -> None:
    report = planned().to_json()
    asked = {"samples", "shards", "bytes", "peak_memory_bytes", "seconds", "done"}
    assert asked <= report.keys()
    assert report["samples"] == report["shards"] == 9


def test_names_resolve_here_first_then_to_what_is_installed(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    installed = find_recipe("recipes/hydrocephalus.yaml")
    assert installed.is_absolute()
    assert find_recipe("hydrocephalus") == find_recipe("hydrocephalus.yaml") == installed
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "hydrocephalus.yaml").write_text(GRADED)
    assert find_recipe("recipes/hydrocephalus.yaml").read_text() == GRADED
    assert find_recipe("hydrocephalus").read_text() == GRADED

    (tmp_path / "mine").mkdir()
    with pytest.raises(FactoryError, match=r"mine: a folder without card\.json"):
        find_model("mine")
    (tmp_path / "mine" / "card.json").write_text("{}")
    assert find_model("mine").samefile(tmp_path / "mine")
    ours = tmp_path / "models" / "weights" / "ours"
    ours.mkdir(parents=True)
    (ours / "card.json").write_text("{}")
    assert find_model("ours").samefile(ours)


@pytest.mark.parametrize("name", ["", ".", "recipes", "nobody", "../x", "/", "\0", "a" * 5000])
def test_names_that_resolve_to_nothing(name: str) -> None:
    for find in (find_recipe, find_model):
        with pytest.raises(FactoryError) as caught:
            find(name)
        assert "\n" not in str(caught.value)


def test_the_nearest_name_is_offered() -> None:
    with pytest.raises(FactoryError, match=r"did you mean hydrocephalus\.yaml\?"):
        find_recipe("recipes/hydrocephalous.yaml")


def test_remaining_is_lazy_too() -> None:
    made = planned("subjects.phantom.count=100000000", machine=Machine(8, 64 * 10**9))
    rest = dataclasses.replace(made, finished_shards=frozenset({0, 2})).remaining()
    assert [shard.index for shard in itertools.islice(rest, 2)] == [1, 3]


def test_files_that_say_no_age_can_be_planned(tmp_path) -> None:
    label = np.ones((20, 20, 20), np.uint8)
    nib.Nifti1Image(label, np.eye(4)).to_filename(tmp_path / "one_dseg.nii.gz")
    source = f"{{path: {tmp_path}, labels: '{{subject}}_dseg.nii.gz'}}"
    made = planned(f"subjects.nifti={source}", "subjects.phantom=null")
    assert made.layout.samples == 3
    assert made.warnings == ()


def test_shards_hold_one_volume_on_a_disk_and_about_eight_in_a_bucket() -> None:
    def size(path: str, shape: str, *more: str) -> int:
        made = recipe(f"output.path={path}", f"output.shape={shape}", *(more or many))
        return layout_of(made).samples_per_shard

    typical, many = "[128, 144, 112]", ("subjects.phantom.count=200",)
    assert size("d.zarr", typical) == size("d.zarr", "[32, 32, 32]") == 1
    assert size("s3://bucket/d.zarr", typical) == 8
    assert size("s3://bucket/d.zarr", "[256, 288, 224]") == 1
    assert size("s3://bucket/d.zarr", "[160, 176, 144]") == 4
    assert size("s3://bucket/d.zarr", "[48, 48, 48]") == 32
    assert size("s3://bucket/d.zarr", typical, "output.samples_per_shard=3") == 3
    few = layout_of(recipe("output.path=s3://bucket/d.zarr", "subjects.phantom.count=8"))
    assert (few.samples, few.shards) == (24, 12)  # for renderers to share
    with pytest.raises(FactoryError, match="allowed: auto, or a whole number from 1 to 4096"):
        recipe("output.samples_per_shard=0")
