"""The section `acquisition`: scanners, keys beside them, sweeps, and mistakes."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from campaigns import fuzz

from factory.case import Case
from factory.config.loading import load_document, parse_document
from factory.errors import RecipeError
from factory.planning.cases import count_cases, iterate_cases
from factory.planning.explain import Description, explain_recipe
from factory.schema.render_recipe import Recipe, RenderRecipe
from factory.storage.errors import SubjectError

TEXT = """\
seed: 7
subjects:
  phantom: {count: 2, gestational_age_weeks: 28}
appearance: {model: fetal-spade}
acquisition:
  scanner: 1.5T-haste
  noise: {snr: {each: [8, 20]}}
output: {path: h.zarr}
"""
PLANE = "in_plane_mm: 1"
PLAIN = TEXT.replace("  scanner: 1.5T-haste\n", "")


def recipe(*overrides: str, text: str = TEXT) -> Recipe:
    return parse_document(text, "h.yaml", RenderRecipe, overrides)


def parameters(recipe: Recipe) -> dict:
    return next(iterate_cases(recipe)).acquisition.parameters


def refused(*overrides: str, text: str = TEXT) -> str:
    with pytest.raises(RecipeError) as caught:
        recipe(*overrides, text=text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_scanner_gives_the_keys_that_the_recipe_does_not() -> None:
    haste = next(iterate_cases(recipe()))
    assert haste.acquisition.scanner == "1.5T-haste"
    assert haste.acquisition.labels == "volume"
    scan = haste.acquisition.parameters
    assert scan["stacks"]["thickness_mm"] == 3
    assert scan["stacks"]["orientations"] == ["axial", "coronal", "sagittal"]
    assert scan["noise"] == {"snr": 8}  # a sweep, in place of the scanner's own distribution
    thick = parameters(recipe("acquisition.stacks.thickness_mm=4"))["stacks"]
    assert thick == scan["stacks"] | {"thickness_mm": 4}
    still = parameters(recipe("acquisition.motion=null", "acquisition.voids=null"))
    assert scan.keys() - still.keys() == {"motion", "voids"}
    assert parameters(recipe(text=PLAIN)) == {"noise": {"snr": 8}}


def test_another_scanner_may_be_chosen_on_the_command_line() -> None:
    loaded = recipe("acquisition.scanner=0.064T")
    assert parameters(loaded)["stacks"]["thickness_mm"] == 5
    assert parameters(loaded)["noise"]["snr"] == 8


def test_a_users_own_scanner_file_lies_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("gamma: 1.3\nnoise: {snr: 50}\n")
    (tmp_path / "r.yaml").write_text(TEXT.replace("1.5T-haste", "mine.yaml"))
    loaded = load_document(tmp_path / "r.yaml", RenderRecipe)
    assert next(iterate_cases(loaded)).acquisition.scanner == "mine"
    assert parameters(loaded) == {"noise": {"snr": 8}, "gamma": 1.3}
    (tmp_path / "mine.yaml").write_text("gamma: 1.3\ngama: 3\n")
    with pytest.raises(RecipeError, match=r"mine.yaml:2:1: acquisition.gama: unknown.*mean gamma"):
        load_document(tmp_path / "r.yaml", RenderRecipe)
    (tmp_path / "mine.yaml").write_text("labels: stack\n")
    with pytest.raises(RecipeError, match=r"mine.yaml:1:1: labels: not allowed in the file"):
        load_document(tmp_path / "r.yaml", RenderRecipe)


def test_the_resolved_recipe_does_not_need_the_scanners_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("gamma: 1.3\nmotion: {translation_mm: 2}\n")
    text = TEXT.replace("1.5T-haste", "mine.yaml\n  motion: null")
    (tmp_path / "r.yaml").write_text(text)
    loaded = load_document(tmp_path / "r.yaml", RenderRecipe)
    (tmp_path / "mine.yaml").unlink()
    again = parse_document(loaded.text(), "again.yaml", RenderRecipe, ["output.path=h.zarr"])
    assert again.digest == loaded.digest
    assert [c.to_json() for c in iterate_cases(again)] == [
        c.to_json() for c in iterate_cases(loaded)
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("scanner: 1.5T-hast", "h.yaml:6:12: acquisition.scanner: value 1.5T-hast; no such sc"),
        ("scanner: 1.5T-hast", "did you mean 1.5T-haste?"),
        ("scanner: 3", "h.yaml:6:12: acquisition.scanner: value 3; allowed: a scanner's name"),
        ("scanner: {each: [a, b]}", "acquisition.scanner: value {each: [a, b]}; allowed: a scann"),
        ("scanner: nowhere/x.yaml", "no such scanner; allowed: 0.064T, 1.5T-haste"),
        ("scannner: 3T", "h.yaml:6:3: acquisition.scannner: unknown key; allowed: scanner,"),
        ("labels: stak", "h.yaml:6:11: acquisition.labels: value stak; allowed: volume, stack"),
        ("labels: stack", "h.yaml:6:11: acquisition.labels: value stack; without stacks"),
        ("gamma: 3", "h.yaml:6:10: acquisition.gamma: value 3; allowed: 0.5 to 2"),
        ("kspace: {kpt: 1}", "h.yaml:6:12: acquisition.kspace.kpt: unknown key; allowed: kept,"),
        ("bias_field: {order: 6, strength: 0}", "6:23: acquisition.bias_field.order: value 6"),
        ("motion: {translation_cm: 1}", "did you mean translation_mm? it is in millimetres"),
        (f"stacks: {{thickness_mm: 3mm, {PLANE}}}", "thickness_mm is in millimetres: write 3"),
        (f"stacks: {{thickness_mm: {{uniform: [1, 3]}}, {PLANE}}}", "uniform[0]: value 1; allowed"),
        (f"stacks: {{orientations: [axal], thickness_mm: 3, {PLANE}}}", "did you mean axial?"),
        (f"stacks: {{orientations: [], thickness_mm: 3, {PLANE}}}", "h.yaml:6:26: acquisition.st"),
        (f"stacks: {{{PLANE}}}", "acquisition.stacks.thickness_mm: missing"),
        ("histogram: {reference: a.nii.gz}", "acquisition.histogram.labels: missing"),
    ],
)
def test_mistakes_have_a_place_and_a_hint(change: str, message: str) -> None:
    assert message in refused(text=TEXT.replace("scanner: 1.5T-haste", change))


def test_a_scan_without_a_defect_is_refused() -> None:
    text = refused(text=TEXT.replace("  noise: {snr: {each: [8, 20]}}\n", "").replace(
        "scanner: 1.5T-haste", "labels: volume"))  # fmt: skip
    assert "no defect is given; allowed: some of scanner, stacks" in text


def test_every_number_may_be_swept_and_is_a_column() -> None:
    loaded = recipe(
        "acquisition.stacks.thickness_mm={range: [2, 4, 1]}",
        "acquisition.voids.share={uniform: [0, 0.2]}",
    )
    all_cases = list(iterate_cases(loaded))
    assert len(all_cases) == count_cases(loaded) == 2 * 2 * 3
    assert [c.variant for c in all_cases[:3]] == [
        f"snr={s},thickness_mm={t}" for s, t in ((8, 2), (20, 2), (8, 3))
    ]
    assert {(c.requested["snr"], c.requested["thickness_mm"]) for c in all_cases} == {
        (s, t) for s in (8, 20) for t in (2, 3, 4)
    }  # fmt: skip
    assert len({c.requested["voids_share"] for c in all_cases}) == len(all_cases)
    for case in all_cases:
        scan = case.acquisition.parameters
        assert case.requested["voids_share"] == scan["voids"]["share"] <= 0.2
        assert case.requested["dropped_share"] == scan["dropped"]["share"]
        assert case.requested["motion_translation_mm"] == scan["motion"]["translation_mm"]


def test_a_scan_belongs_to_its_case_and_to_nothing_else() -> None:
    few = {c.id: c for c in iterate_cases(recipe())}
    more = {c.id: c for c in iterate_cases(recipe("subjects.phantom.count=4", "replicates=2",
                                          "acquisition.noise.snr={each: [5, 20, 8]}"))}  # fmt: skip
    assert few.keys() < more.keys()
    assert all(more[id].to_json() == case.to_json() for id, case in few.items())
    seeds = [case.acquisition.seed for case in more.values()]
    assert len(set(seeds)) == len(seeds)
    case = next(iter(few.values()))
    assert Case.from_json(case.to_json()) == case


def test_without_the_section_cases_are_what_they_were() -> None:
    loaded = parse_document(fuzz.LANGUAGE, "r.yaml", RenderRecipe)
    assert all("acquisition" not in json.loads(case.to_json()) for case in iterate_cases(loaded))
    # and what is painted does not change when the section is added
    plain = [
        json.loads(c.to_json())
        for c in iterate_cases(recipe(text=PLAIN.replace("each: [8, 20]", "choice: [8]")))
    ]
    none = TEXT[: TEXT.index("acquisition")] + TEXT[TEXT.index("output") :]
    for case, before in zip(plain, iterate_cases(recipe(text=none)), strict=True):
        del case["acquisition"], case["requested"]["snr"]
        assert case == json.loads(before.to_json())


def test_a_histogram_is_of_the_references_brain(tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.Philox(1))
    brain = np.zeros((12, 12, 12), np.uint8)
    brain[3:9, 3:9, 3:9] = 200  # of any kind of labels
    image = np.where(brain > 0, rng.uniform(100, 400, brain.shape), 5000).astype(np.float32)
    for name, values in (("image", image), ("brain", brain)):
        nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / f"{name}.nii.gz")
    files = f"{{reference: {tmp_path}/image.nii.gz, labels: {tmp_path}/brain.nii.gz}}"
    values = parameters(recipe(f"acquisition.histogram={files}"))["histogram"]["values"]
    inside = image[brain > 0] / np.percentile(image[brain > 0], 99.5)
    assert values == sorted(values)
    assert values[0] == pytest.approx(inside.min(), rel=1e-4)
    assert values[-1] == pytest.approx(inside.max(), rel=1e-4)
    other = recipe(f"acquisition.histogram={files.replace('image', 'none')}")
    with pytest.raises(SubjectError, match=r"none.nii.gz: no such file"):
        next(iterate_cases(other))


def test_the_scan_is_explained_in_words() -> None:
    text = explain_recipe(recipe("acquisition.labels=stack"))
    assert any(
        s == "On a 1.5T-haste scanner: three stacks (axial, coronal, sagittal), slices 3 mm thick, "
        "1.1 mm in plane."
        for s in text
    )
    defects = next(s for s in text if s.startswith("With"))
    assert "With a bit of motion" in defects
    assert "signal-to-noise ratio each of 8, 20" in defects
    assert "2 % of slices dropped" in defects
    assert text[-1] == "Labels stay with the volume, and follow each stack too."
    assert "Scanned: the volume itself, slice by slice." in explain_recipe(recipe(text=PLAIN))
    six = "acquisition.stacks.orientations=[axial, axial, coronal, coronal, sagittal, sagittal]"
    assert "six stacks" in " ".join(
        explain_recipe(recipe(six, "acquisition.motion.translation_mm=9"))
    )
    assert "a lot of motion" in " ".join(
        explain_recipe(recipe("acquisition.motion.translation_mm=9"))
    )


def test_the_table_of_cases_lists_what_differs() -> None:
    scan = "acquisition={gamma: {uniform: [0.8, 1.2]}, dropped: {share: 0.1}, noise: {snr: 8}}"
    first = tuple(iterate_cases(recipe(scan)))
    text = Description(len(first), first=first)
    header, row, *_ = text.lines()
    assert header.split() == ["subject", "gestational_age_weeks", "replicate", "requested"]
    assert "gamma" in row
    assert "dropped_share" not in row
    assert "snr" not in row
    assert "dropped_share 0.1" in text.to_json()["cases"][0]["requested"]
