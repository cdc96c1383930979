"""One label table a recipe: FETA's tissues, then what a mapping keeps apart, then its lesions."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from support import places

from factory.case import AddedLabel, Case
from factory.config.loading import parse_document
from factory.errors import FactoryError, PlanError
from factory.execution.worker import to_stored
from factory.planning.cases import iterate_cases
from factory.planning.grid import needed_shape
from factory.planning.machine import UNLIMITED
from factory.planning.plan import layout_of, make_plan
from factory.rendering.preflight import label_warnings
from factory.rendering.renderer import Renderer
from factory.rendering.subject_editor import SubjectEditor
from factory.schema.label_table import added_labels, dataset_table, map_to_base_labels
from factory.schema.render_recipe import Recipe, RenderRecipe
from factory.storage.subjects.nifti import load_nifti_pair
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA
from factory.training.data import subject_records
from factory.training.recipe import TrainingSubjects

WEIGHTS = places.WEIGHTS / "fetal-spade"
TEXT = """\
seed: 5
subjects:
  phantom: {count: 2, gestational_age_weeks: 22}
anatomy:
  - lesion: {inside: [white_matter], volume_ml: 2, intensity: 1.4}
groups:
  second:
    share: 50 %
    anatomy:
      - lesion: {name: clot, inside: [ventricles], volume_ml: 0.5, looks_like: brainstem}
  first:
    share: 50 %
    anatomy:
      - lesion: {name: cyst, inside: [grey_matter, white_matter], volume_ml: 1}
      - lesion: {name: clot, inside: [white_matter], volume_ml: 1, looks_like: brainstem}
appearance: {model: fetal-spade}
output: {path: x.zarr, spacing_mm: 2}
"""
NAMES = ("lesion", "cyst", "clot")


def recipe(*overrides: str, text: str = TEXT) -> Recipe:
    return parse_document(text, "h.yaml", RenderRecipe, overrides)


def test_the_table_is_the_recipes_and_every_case_carries_it() -> None:
    made = recipe()
    labels = (
        AddedLabel("lesion", "white_matter"),
        AddedLabel("cyst", "grey_matter"),
        AddedLabel("clot", "brainstem"),
    )
    assert added_labels(made.spec) == labels
    assert layout_of(made).table == dataset_table(FETA, labels)
    assert layout_of(made).table.names == (*FETA.names, *NAMES)
    assert len(set(dataset_table(FETA, labels).colours)) == len(FETA.names) + 3
    every = list(iterate_cases(made))
    assert all(case.labels == labels for case in every)
    assert Case.from_json(every[0].to_json()) == every[0]
    assert layout_of(recipe("anatomy=[]", "groups=null")).table == FETA


def test_edits_and_records_go_by_the_lesions_names() -> None:
    editor = SubjectEditor()
    in_first = next(case for case in iterate_cases(recipe()) if case.group == "first")
    edited = editor.load_and_edit(in_first)
    label, record = edited.label, edited.records
    table = editor.subject(in_first).table
    for name, ml in (("lesion", 2), ("cyst", 1), ("clot", 1)):
        assert (label == table.index(name)).sum() * 0.008 == pytest.approx(ml, abs=0.005)
        assert record[f"{name}_requested_volume_ml"] == ml
    assert record["lesion_intensity"] == 1.4
    assert (record["cyst_looks_like"], record["clot_looks_like"]) == ("grey_matter", "brainstem")
    painted = map_to_base_labels(label, in_first.labels, FETA)
    assert painted.max() < len(FETA.names)
    assert (painted[label == table.index("clot")] == FETA.index("brainstem")).all()
    np.testing.assert_array_equal(painted[label < 8], label[label < 8])


def test_a_lesion_that_is_switched_off_leaves_the_table_as_it_is() -> None:
    text = TEXT.replace("intensity: 1.4}", "intensity: 1.4}\n    when: gestational_age_weeks > 30")
    first = next(iterate_cases(recipe(text=text)))
    editor = SubjectEditor()
    edited = editor.load_and_edit(first)
    label, record = edited.label, edited.records
    table = editor.subject(first).table
    assert table.names == (*FETA.names, *NAMES)
    assert not (label == table.index("lesion")).any()
    assert "lesion_requested_volume_ml" not in record


COMMON = "lesion: {inside: [white_matter], volume_ml: 2, intensity: 1.4}"
CYST, CLOT = "name: cyst", "inside: [ventricles]"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (CYST, "name: lesion", r"\.lesion\.name: value lesion; an earlier lesion has it"),
        (CYST, "name: lesion", r"^h\.yaml:14:\d+: groups\.first\.anatomy\[0\]\.lesion\.name: "),
        (CYST, "name: ventricles", r"^h\.yaml:14:\d+: .*name: value ventricles; allowed: none of"),
        (CYST, "name: requested", r"name: value requested; allowed: none of"),
        (COMMON, "ventriculomegaly: {atrial_width_mm: 12, into: [ventricles]}", r"into: value \["),
        (COMMON, "ventriculomegaly: {atrial_width_mm: 12, into: []}", r"into: value \[\]; allowed"),
        (CYST, "name: Cyst", r"name: value Cyst; allowed: a name of small letters"),
        ("ml: 0.5, looks_like: brainstem", "ml: 0.5, looks_like: cerebellum", r"^h\.yaml:10:"),
        ("ml: 0.5, looks_like: brainstem", "ml: 0.5", r"value ventricles; an earlier clot looks"),
        (CLOT, "inside: [ventricle]", r"value ventricle; .*did you mean ventricles"),
        (CLOT, "inside: []", r"inside: value \[\]; allowed: a list, without repeats"),
        ("volume_ml: 2", "volume_mm: 2", r"unknown key; allowed: .*volume_ml"),
        (COMMON, "corpus_callosum_agenesis: {}", r"^h\.yaml:5:.*: no corpus_callosum among the"),
        (COMMON, "cortical_thinning: {}", r"no share, no thickness_mm; allowed: share, or"),
        (COMMON, "cortical_thinning: {share: 0.1, gains: csf}", r"external_csf, white_matter"),
        (COMMON, "external_csf: {wider_mm: 16}", r"wider_mm: value 16; allowed: 0 to 15 mm"),
        (
            "seed: ",
            "regions: {lateral_ventricles: [ventricles]}\nseed: ",
            r"a measure of fetal heads",
        ),
    ],
)
def test_what_cannot_be_is_refused_at_its_line(old: str, new: str, words: str) -> None:
    assert old in TEXT
    with pytest.raises(FactoryError, match=words) as caught:
        recipe(text=TEXT.replace(old, new))
    assert "\n" not in str(caught.value)


def test_a_painter_must_know_what_a_lesion_looks_like() -> None:
    names = [name for name in FETA.names if name != "brainstem"]
    made = recipe("subjects={nifti: {path: d, labels: '{subject}.nii', mapping: {1: grey_matter}}}")
    with pytest.raises(PlanError, match=r"labels: brainstem: .* does not know"):
        make_plan(made, {"label_table": {"names": names}}, 0, UNLIMITED)


def test_no_warning_speaks_of_labels_that_no_training_saw() -> None:
    seen = {"lesion": {"volume_ml": [9, 9], "depth_mm": [9, 9]}, "white_matter": {}}
    seen["white_matter"] = {"volume_ml": [0, 1e6], "depth_mm": [0, 1e3]}
    made = recipe("output.spacing_mm=3")
    assert label_warnings(made, {"training": {"labels": seen}}) == ()


def test_a_lesion_is_painted_as_it_looks_and_as_bright_as_asked() -> None:
    renderer = Renderer(WEIGHTS, threads=1)
    case = next(iterate_cases(recipe("groups=null")))
    sample = renderer.render(case)
    row = to_stored(sample).columns
    assert row["volume_ml_lesion"] == pytest.approx(2, abs=0.005)
    assert row["requested_volume_ml"] == 2
    assert row["lesion_looks_like"] == "white_matter"
    assert "lesion" not in row["outside_training"]
    as_white, _ = renderer.painters[""].render(
        map_to_base_labels(sample.label, case.labels, FETA), case.appearance
    )
    mask = sample.label == sample.table.index("lesion")
    np.testing.assert_array_equal(sample.image[~mask], as_white[~mask])
    ratio = sample.image[mask] / as_white[mask]
    assert 1 < ratio.min() < ratio.max() <= 1.4 + 1e-5


def test_a_head_that_grows_is_given_room() -> None:
    wide = recipe(text=TEXT.replace(COMMON, "external_csf: {wider_mm: {uniform: [10, 15]}}"))
    small, large = needed_shape(recipe()), needed_shape(wide)
    assert [b - a for a, b in zip(small, large, strict=True)] == [15, 15, 15]
    edited = SubjectEditor().load_and_edit(next(iterate_cases(wide)))
    label, record = edited.label, edited.records
    assert label.shape == layout_of(wide).shape
    assert record["external_csf_requested_wider_mm"] >= 10


def with_callosum(folder: Path) -> Path:
    """A phantom's labels as a file, with a bar of value 8 at the top of its deep grey matter."""
    subject = phantom(22, 1, 2.0)
    label = subject.label.copy()
    z, y, _ = np.argwhere(label == FETA.index("deep_grey_matter")).max(0)
    middle = label.shape[2] // 2
    label[z : z + 2, y - 14 : y, middle - 4 : middle + 4] = 8
    nib.save(nib.Nifti1Image(label.T, subject.grid.affine), folder / "one.nii.gz")
    return folder


MAPPING = dict(enumerate((*FETA.names, "corpus_callosum")))


def test_a_callosum_that_a_mapping_keeps_apart_can_be_missing(tmp_path: Path) -> None:
    folder = with_callosum(tmp_path)
    words = ", ".join(f"{value}: {name}" for value, name in MAPPING.items())
    source = f"{{path: {folder}, labels: '{{subject}}.nii.gz', mapping: {{{words}}}}}"
    made = recipe(
        f"subjects={{nifti: {source}}}",
        "groups=null",
        "anatomy=[{corpus_callosum_agenesis: {share: {each: [0, 1]}}}]",
    )
    assert layout_of(made).table.names == (*FETA.names, "corpus_callosum")
    editor = SubjectEditor()
    volumes = []
    for case in iterate_cases(made):
        edited = editor.load_and_edit(case)
        label, record = edited.label, edited.records
        volumes.append((label == 8).sum())
        assert (
            map_to_base_labels(label, case.labels, FETA)[label == 8] == FETA.index("white_matter")
        ).all()
    assert volumes == [14 * 8 * 2, 0]
    assert record["corpus_callosum_agenesis_lost_volume_ml"] == pytest.approx(14 * 8 * 2 * 0.008)
    with_lesion = recipe(f"subjects={{nifti: {source}}}", "groups=null")
    assert layout_of(with_lesion).table.names == (*FETA.names, "corpus_callosum", "lesion")


def test_a_subject_has_the_callosum_its_mapping_names(tmp_path: Path) -> None:
    path = with_callosum(tmp_path) / "one.nii.gz"
    apart = load_nifti_pair(None, path, MAPPING)
    assert apart.table.names == (*FETA.names, "corpus_callosum")
    joined = load_nifti_pair(None, path, {**MAPPING, 8: "white_matter"})
    assert joined.table == FETA
    np.testing.assert_array_equal(joined.label[apart.label == 8], FETA.index("white_matter"))


def test_no_training_takes_a_callosum_apart(real_data: Path) -> None:
    part = TrainingSubjects(path=str(real_data / "fetal-spina-bifida"), mapping=MAPPING)
    with pytest.raises(
        FactoryError, match=r"subjects\.mapping: corpus_callosum; allowed: background"
    ):
        subject_records(part)
