"""The gate: the limits of a recipe, and the samples that miss them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.recipes import recipe, refused
from support.tiny_models import RECIPE, small, tiny_model

from factory import cli
from factory.case import Case, CaseGate
from factory.errors import PlanError
from factory.models.checkpoint import read_card, save_model, write_card
from factory.models.segmenter import Segmenter, SegmenterConfig, initialise
from factory.models.spade.network import SpadeConfig, SpadeGenerator
from factory.planning.cases import iterate_cases
from factory.planning.compatibility import gate_warnings
from factory.planning.machine import Machine
from factory.planning.plan import make_plan
from factory.rendering.gate import (
    Gate,
    agreement_by_structure,
    missed_limits,
    with_style_of_attempt,
)
from factory.rendering.model_set import ModelSet
from factory.storage.dataset.open import open_dataset
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA, Subject

LARGE = Machine(cores=2, memory_bytes=64 * 10**9)


def tiny_segmenter(folder: Path) -> str:
    """Save an untrained segmenter, whose label maps agree with none."""
    network = Segmenter(SegmenterConfig(8, 2))
    initialise(network, torch.Generator().manual_seed(1))
    card = {
        "name": "judge",
        "family": "segmenter",
        "config": {"labels": 8, "width": 2},
        "orientations": ["sagittal", "coronal", "axial"],
        "label_table": {"names": list(FETA.names)},
        "training": {"subjects": ["a", "b"], "gestational_age_weeks": [30, 34]},
    }
    save_model(folder, {"segmenter": network}, card)
    return str(folder)


def styled_model(folder: Path) -> str:
    """Save the tiny model with a style, like one that is trained with a latent."""
    tiny_model(folder)
    card = read_card(folder)
    card["config"]["latent"] = 4
    torch.manual_seed(0)
    networks = {n: SpadeGenerator(SpadeConfig(**card["config"])) for n in card["orientations"]}
    save_model(folder, networks, card | {"training": {"subjects": ["b", "c"]}})
    return str(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "plain": tiny_model(folder / "plain"),
        "styled": styled_model(folder / "styled"),
        "judge": tiny_segmenter(folder / "judge"),
    }


def test_a_gate_takes_known_structures_and_limits_only() -> None:
    message = refused("gate={ventricle: {dice: 0.8}}")
    assert "gate.ventricle: unknown key" in message
    assert "did you mean ventricles?" in message
    assert "allowed: a Dice above 0, at most 1" in refused("gate={ventricles: {dice: 85}}")
    assert "allowed: at least one of dice" in refused("gate={ventricles: {}}")
    assert "allowed: at least one of external_csf" in refused("gate={tries: 2}")
    assert "allowed: a whole number from 1 to 20" in refused(
        "gate={ventricles: {dice: 0.8}, tries: 0}"
    )


def test_a_case_has_the_whole_gate_or_no_such_key() -> None:
    [plain, *_] = iterate_cases(recipe())
    [gated, *_] = iterate_cases(
        recipe("gate={ventricles: {dice: 0.8}, cerebellum: {surface_mm: 2}}")
    )
    assert "gate" not in json.loads(plain.to_json())
    assert gated.gate == CaseGate(
        model="fetal-segmenter",
        tries=3,
        structures={"ventricles": {"dice": 0.8}, "cerebellum": {"surface_mm": 2.0}},
    )
    assert Case.from_json(gated.to_json()) == gated
    assert replace(gated, gate=None) == plain


def test_each_attempt_has_its_own_seed_and_the_first_the_seed_of_the_case() -> None:
    [case, *_] = iterate_cases(recipe())
    seeds = [with_style_of_attempt(case, i).appearance.style_seed for i in range(4)]
    assert seeds[0] == case.appearance.style_seed
    assert len(set(seeds)) == 4
    assert seeds == [with_style_of_attempt(case, i).appearance.style_seed for i in range(4)]
    assert replace(with_style_of_attempt(case, 2), appearance=case.appearance) == case


@pytest.fixture(scope="module")
def brain() -> Subject:
    return phantom(26.0, 1, 3.0)


def test_limits_are_compared_with_the_agreement(brain: Subject) -> None:
    label = brain.label
    spacing = (3.0, 3.0, 3.0)
    limits = {
        "ventricles": {"dice": 0.9, "volume_error": 0.1, "surface_mm": 0.5},
        "cerebellum": {"dice": 0.9},
    }
    same = agreement_by_structure(label, label, FETA, spacing, limits)
    assert missed_limits(same, limits) == []
    assert same["ventricles"] == {"dice": 1, "volume_error": 0, "surface_mm": 0}
    without = np.where(label == FETA.index("ventricles"), 0, label)
    missed = missed_limits(agreement_by_structure(without, label, FETA, spacing, limits), limits)
    assert missed == [
        "ventricles dice 0 (asked for at least 0.9)",
        "ventricles volume_error 1 (asked for at most 0.1)",
        "ventricles surface_mm no value (asked for at most 0.5)",
    ]
    # neither asked for nor seen: nothing to miss
    assert (
        missed_limits(agreement_by_structure(without, without, FETA, spacing, limits), limits) == []
    )


class NoisePainter:
    """Paints noise by the style seed, and records the seeds."""

    card = {  # noqa: RUF012
        "family": "spade",
        "config": {"latent": 4},
        "label_table": {"names": list(FETA.names)},
    }

    def __init__(self) -> None:
        self.seeds: list[int] = []

    def paint(
        self, case: Case, label: np.ndarray, subject: object, style_ends: object = None
    ) -> tuple[np.ndarray, None]:
        self.seeds.append(case.appearance.style_seed)
        rng = np.random.Generator(np.random.Philox(self.seeds[-1]))
        return rng.random(label.shape, dtype=np.float32), None


class LossySegmenter:
    """Returns the label without a share of the ventricles, one share for each attempt."""

    def __init__(self, shares: list[float]) -> None:
        self.shares = iter(shares)

    def segment(self, image: np.ndarray, label: np.ndarray) -> np.ndarray:
        segmented, where = label.copy(), np.flatnonzero(label == FETA.index("ventricles"))
        segmented.flat[where[: round(next(self.shares) * len(where))]] = 0
        return segmented


def judged(
    subject: Subject, shares: list[float], tries: int
) -> tuple[NoisePainter, np.ndarray, dict]:
    [case, *_] = iterate_cases(recipe(f"gate={{ventricles: {{dice: 0.9}}, tries: {tries}}}"))
    painter, gate = NoisePainter(), Gate.__new__(Gate)
    gate.segmenter = LossySegmenter(shares)  # type: ignore[assignment]
    gate.table = FETA
    image, _, verdict = gate.paint_until_accepted(painter, case, subject.label, subject)
    return painter, image, verdict


def test_an_image_that_misses_is_painted_again_until_one_passes(brain: Subject) -> None:
    painter, image, verdict = judged(brain, [0.9, 0.5, 0.0], tries=5)
    assert len(painter.seeds) == 3
    assert verdict["accepted"] is True
    assert verdict["why"] == ""
    assert (verdict["gate_tries"], verdict["gate_kept"]) == (3, 2)
    assert verdict["gate_dice_ventricles"] == 1
    rng = np.random.Generator(np.random.Philox(painter.seeds[2]))
    np.testing.assert_array_equal(image, rng.random(image.shape, dtype=np.float32))


def test_if_all_attempts_miss_the_nearest_is_used(brain: Subject) -> None:
    painter, image, verdict = judged(brain, [0.9, 0.3, 0.6], tries=3)
    assert verdict["accepted"] is False
    assert "ventricles dice 0.8" in verdict["why"]
    assert (verdict["gate_tries"], verdict["gate_kept"]) == (3, 1)
    rng = np.random.Generator(np.random.Philox(painter.seeds[1]))
    np.testing.assert_array_equal(image, rng.random(image.shape, dtype=np.float32))


def test_the_segmenter_judges_the_channels_of_its_card_or_the_first() -> None:
    gate, channels = Gate.__new__(Gate), ("flair", "t1w", "t2w")
    image = np.arange(3.0)[:, None, None, None] * np.ones((3, 2, 2, 2))
    np.testing.assert_array_equal(gate.judged_image(image, channels), image[0])
    np.testing.assert_array_equal(gate.judged_image(image[1], ()), image[1])
    gate.channels = ("t2w", "flair")
    np.testing.assert_array_equal(gate.judged_image(image, channels), image[[2, 0]])


def options(models: dict[str, str], model: str, limits: str, tries: int = 2) -> list[str]:
    gate = f"{{model: {models['judge']}, tries: {tries}, {limits}}}"
    return [*small(models[model]), f"--set=gate={gate}"]


def test_a_sample_that_never_passes_is_stored_as_not_accepted(
    models: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3; twice the same bytes; a replay too; and in another order of the samples."""
    arguments = options(models, "styled", "ventricles: {dice: 0.99, surface_mm: 1}")
    digests = []
    for run in ("a", "b"):
        out = str(tmp_path / run)
        command = ["render", RECIPE, *arguments, "--serial", "--output", out, "--json"]
        assert cli.main(command) == 3
        report = json.loads(capsys.readouterr().out)
        digests.append(report["digest"])
        assert report["complete"] is True
        assert [one["sample"] for one in report["rejected"]] == [0, 1]
        assert "ventricles dice 0" in report["rejected"][0]["why"]
    assert digests[0] == digests[1]
    table = open_dataset(str(tmp_path / "a")).cases()
    assert list(table["accepted"]) == [False, False]
    assert list(table["gate_tries"]) == [2, 2]
    assert (table["gate_dice_ventricles"] < 0.99).all()
    assert {"gate_volume_error_ventricles", "gate_surface_mm_ventricles"} <= set(table)

    again = ["replay", str(tmp_path / "a"), "1", "--output", str(tmp_path / "r"), "--json"]
    assert cli.main(again) == 0
    assert json.loads(capsys.readouterr().out)["equal"] is True
    # the same command again makes nothing, and says it again
    command = ["render", RECIPE, *arguments, "--serial", "--output", str(tmp_path / "a")]
    assert cli.main(command) == 3
    assert "rejected sample 0: ventricles dice 0" in capsys.readouterr().out


def test_a_sample_that_passes_at_once_equals_the_one_without_a_gate(
    models: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    render = ["render", RECIPE, "--serial", "--json"]
    gated = options(models, "plain", "ventricles: {volume_error: 10}")
    assert cli.main([*render, *small(models["plain"]), "--output", str(tmp_path / "a")]) == 0
    assert cli.main([*render, *gated, "--output", str(tmp_path / "b")]) == 0
    a, b = (open_dataset(str(tmp_path / name)) for name in "ab")
    for name, values in a.sample(1).arrays.items():
        np.testing.assert_array_equal(values, b.sample(1).arrays[name])
    assert list(b.cases()["accepted"]) == [True, True]
    assert list(b.cases()["gate_tries"]) == [1, 1]
    before, after = a.record["weights"], b.record["weights"]
    assert set(after) - set(before) == {"gate/segmenter.safetensors"}


def planned(models: dict[str, str], model: str, *more: str):
    gated = recipe(f"appearance.model={models[model]}", "output.spacing_mm=1", *more)
    networks = ModelSet.of(gated)
    card, size = networks.card, networks.bytes
    return make_plan(gated, card, size, LARGE, 1, gate=networks.gate_card)


def test_a_plan_counts_the_gate_and_warns_of_its_limits(models: dict[str, str]) -> None:
    gate = f"gate={{model: {models['judge']}, tries: 4, ventricles: {{dice: 0.8}}}}"
    without, plain, styled = (
        planned(models, "plain"),
        planned(models, "plain", gate),
        planned(models, "styled", gate),
    )
    assert plain.seconds > without.seconds
    assert plain.memory_per_actor > without.memory_per_actor
    assert without.seconds_at_most == without.seconds
    assert plain.seconds_at_most == plain.seconds
    assert styled.seconds_at_most > 3 * styled.seconds
    assert any("tiny has no style noise" in line for line in plain.warnings)
    assert not any("style noise" in line for line in styled.warnings)
    circle = "gate: a circle: {} and tiny both learnt from 1 of 2 volumes (b)"
    assert any(line.startswith(circle.format(models["judge"])) for line in styled.warnings)
    assert not any("circle" in line for line in plain.warnings)
    assert any("training saw 30 to 34" in line for line in plain.warnings)


def test_a_gate_without_a_segmenter_or_with_other_labels_is_refused(
    models: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(PlanError, match="family 'spade'; allowed: segmenter"):
        planned(models, "plain", f"gate={{model: {models['styled']}, ventricles: {{dice: 0.8}}}}")
    with pytest.raises(PlanError, match="gate: myocardium; the labels are external_csf"):
        planned(models, "plain", f"gate={{model: {models['judge']}, myocardium: {{dice: 0.8}}}}")
    card = read_card(Path(models["judge"]))
    other = tmp_path / "other"
    other.mkdir()
    write_card(other, card | {"label_table": {"names": ["background", "ventricles"]}})
    with pytest.raises(PlanError, match="segments ventricles; the labels are external_csf"):
        planned(models, "plain", f"gate={{model: {other}, ventricles: {{dice: 0.8}}}}")


def test_the_shipped_segmenter_names_the_volumes_of_the_circle() -> None:
    gated = recipe("gate={ventricles: {dice: 0.85}}")
    networks = ModelSet.of(gated)
    assert networks.gate_card is not None
    shared = networks.gate_card["shared_with"]["fetal-spade"]
    assert shared
    assert set(shared).isdisjoint(networks.gate_card["training"]["held_out"])
    [line] = [x for x in gate_warnings(gated, networks.gate_card, networks.card) if "circle" in x]
    assert all(volume in line for volume in shared)
