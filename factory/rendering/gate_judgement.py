"""Does an image show what its label says? A segmenter's answer, held against what was asked.

Knows no torch: factory/rendering/gate.py paints and segments.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from factory.case import Case
from factory.errors import PlanError
from factory.metrics.overlap import dice, mean_surface_mm, volume_error
from factory.planning.compatibility import warnings
from factory.schema.gate import GateBase
from factory.schema.label_table import known_table
from factory.schema.render_recipe import Recipe
from factory.seeding import seed_of
from factory.storage.subjects.types import LabelTable
from factory.subjects.catalogue import own_table
from factory.text import listed, nearest

SECONDS_PER_MEGAVOXEL = 1.0  # one thread, 0.5 measured; a card may say otherwise
VOXEL_BYTES = 110  # eight labels' shares as float32, in one direction and in all, and a copy

Limits = Mapping[str, Mapping[str, float]]
Figures = dict[str, dict[str, float]]
"""By structure: dice, volume_error, surface_mm; NaN where there is no value."""


def figures(
    made: np.ndarray,
    label: np.ndarray,
    table: LabelTable,
    spacing: tuple[float, float, float],
    structures: Limits,
) -> Figures:
    """How far a segmentation and a label map, both uint8 [z, y, x], agree on some structures."""
    found = {}
    for name in structures:
        a, b = made == table.index(name), label == table.index(name)
        found[name] = {
            "dice": dice(a, b),
            "volume_error": volume_error(a, b),
            "surface_mm": mean_surface_mm(a, b, spacing),
        }
    return found


def failing(found: Figures, structures: Limits) -> list[str]:
    """What misses its limit, in words. A structure that is in neither map misses none."""
    missed = []
    for name, limits in structures.items():
        if np.isnan(found[name]["dice"]):
            continue
        for key, limit in limits.items():
            value, least = found[name][key], key == "dice"
            if not (value >= limit if least else value <= limit):
                shown = "no value" if np.isnan(value) else f"{value:.3g}"
                words = "least" if least else "most"
                missed.append(f"{name} {key} {shown} (asked for at {words} {limit:g})")
    return missed


def nearness(found: Figures) -> float:
    """The mean Dice of the structures that are there: of attempts that all fail the highest is
    kept."""
    overlaps = [one["dice"] for one in found.values() if not np.isnan(one["dice"])]
    return float(np.mean(overlaps)) if overlaps else 1.0


def columns(found: Figures) -> dict[str, float]:
    """gate_dice_ventricles, gate_volume_error_ventricles, gate_surface_mm_ventricles, ..."""
    return {f"gate_{key}_{name}": v for name, one in found.items() for key, v in one.items()}


def has_styles(card: Mapping[str, Any], case: Case | None = None) -> bool:
    """Whether a generator makes several images of one label map. An interpolated heart takes its
    style from two real ones."""
    interpolated = case is not None and case.subject["source"] == "interpolated"
    return card["family"] == "spade" and bool(card["config"].get("latent")) and not interpolated


def restyled(case: Case, attempt: int) -> Case:
    """A case in the style of an attempt; of the first, attempt 0, in its own."""
    if attempt == 0:
        return case
    seed = seed_of(case.appearance["style_seed"], attempt, "attempt")
    return replace(case, appearance=case.appearance | {"style_seed": seed})


def check_gate(recipe: Recipe, card: Mapping[str, Any], shape: tuple[int, int, int]) -> None:
    """Raises PlanError where a gate's model is no segmenter, or none of the recipe's samples."""
    gate = gate_of(recipe)
    if card["family"] != "segmenter":
        raise PlanError(f"gate.model: {gate.model}: family {card['family']!r}; allowed: segmenter")
    known, names = card["label_table"]["names"], known_table(own_table(recipe)).names
    for name in gate.structures:
        if name not in names:
            raise PlanError(
                f"gate: {name}; the labels are {listed(names[1:])}{nearest(name, names)}"
            )
    if tuple(known) != tuple(names):
        raise PlanError(
            f"gate.model: {gate.model} segments {listed(known[1:])}; the labels are "
            f"{listed(names[1:])}"
        )
    flat = shape[0] == 1 or recipe.spec.subjects.short_axis is not None
    if flat and list(card["orientations"]) != ["axial"]:
        raise PlanError(
            f"gate.model: {gate.model} segments in {listed(card['orientations'])}; allowed for "
            "samples of single slices or stacks: a segmenter that is axial alone"
        )


def gate_warnings(
    recipe: Recipe, card: Mapping[str, Any], generator: Mapping[str, Any]
) -> tuple[str, ...]:
    """What there is to know of a gate's judgement, one line each."""
    gate, name = gate_of(recipe), generator.get("name", recipe.spec.model)
    found = []
    if not has_styles(generator) or recipe.spec.interpolate:
        found.append(
            f"gate: {name} has no style noise, it paints a label map in one way alone; what misses "
            "the gate is not tried again"
        )
    theirs = generator.get("training", {}).get("subjects", ())
    own = card.get("training", {}).get("subjects", ())
    if shared := [one for one in own if one in theirs]:
        found.append(
            f"gate: a circle: {gate.model} and {name} both learnt from {len(shared)} of "
            f"{len(own)} volumes ({listed(shared)}); where they err alike, the gate does not see it"
        )
    outside = warnings(recipe, card)
    return (*found, *(f"gate: {gate.model}: {one}" for one in outside))


def gate_of(recipe: Recipe) -> GateBase:
    gate = recipe.spec.gate
    assert gate is not None
    return gate


def said(gate: GateBase) -> str:
    """A gate in words: "ventricles dice at least 0.85; cerebellum volume_error at most 0.2"."""
    return "; ".join(
        f"{name} " + ", ".join(f"{k} at {'least' if k == 'dice' else 'most'} {v:g}"
                               for k, v in limits.items())
        for name, limits in gate.structures.items()
    )  # fmt: skip


def tries(recipe: Recipe, generator: Mapping[str, Any]) -> int:
    """How often a sample is painted at the most."""
    return gate_of(recipe).tries if has_styles(generator) and not recipe.spec.interpolate else 1


def gate_seconds(card: Mapping[str, Any], shape: tuple[int, int, int]) -> float:
    """Of one judgement, on one thread."""
    rate = float(card.get("seconds_per_megavoxel", SECONDS_PER_MEGAVOXEL))
    return rate * math.prod(shape) / 1e6


def gate_memory(shape: tuple[int, int, int]) -> int:
    """Bytes that a segmenter needs at its peak, beside its weights."""
    return VOXEL_BYTES * math.prod(shape)
