"""Paints a case until its image shows what its label says, or the tries are used up.

A segmenter looks at every image; its answer is held against what the recipe's gate asks for.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from factory.case import Case
from factory.families.base import Painter, StyleEnds
from factory.families.registry import family_of
from factory.metrics.overlap import dice, mean_surface_mm, volume_error
from factory.models.checkpoint import WeightsError, read_card
from factory.schema.label_table import painter_label_table
from factory.seeding import derive_seed
from factory.storage.subjects.types import LabelTable, Subject

Limits = Mapping[str, Mapping[str, float]]
Figures = dict[str, dict[str, float]]
"""By structure: dice, volume_error, surface_mm; NaN where there is no value."""


def agreement_by_structure(
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


def missed_limits(found: Figures, structures: Limits) -> list[str]:
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


def mean_dice(found: Figures) -> float:
    """The mean Dice of the structures that are there: of attempts that all fail the highest is
    kept."""
    overlaps = [one["dice"] for one in found.values() if not np.isnan(one["dice"])]
    return float(np.mean(overlaps)) if overlaps else 1.0


def columns(found: Figures) -> dict[str, float]:
    """gate_dice_ventricles, gate_volume_error_ventricles, gate_surface_mm_ventricles, ..."""
    return {f"gate_{key}_{name}": v for name, one in found.items() for key, v in one.items()}


def with_style_of_attempt(case: Case, attempt: int) -> Case:
    """A case in the style of an attempt; of the first, attempt 0, in its own."""
    if attempt == 0:
        return case
    seed = derive_seed(case.appearance.style_seed, attempt, "attempt")
    return replace(case, appearance=replace(case.appearance, style_seed=seed))


class Gate:
    """The segmenter of a model folder, loaded once. Raises WeightsError where it is none."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        card = read_card(folder)
        family = family_of(card)
        if not family.segments:
            raise WeightsError(f"{folder}: family {card['family']!r}; expected 'segmenter'")
        self.segmenter = family.segmenter(folder, device)

    def paint_until_accepted(
        self,
        painter: Painter,
        case: Case,
        label: np.ndarray,
        subject: Subject,
        style_ends: StyleEnds | None = None,
    ) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
        """The image of a case and its disagreement, see factory.families.base.Painter; and the
        columns that say how the image did, accepted and why not among them.

        Of attempts of which none passes it is the one with the highest mean Dice. What is judged
        is what was painted, before lesions are shaded and a scanner adds its defects: whether the
        generator did as the label told it. All of it follows from the case alone.
        """
        assert case.gate is not None, "a case without a gate is painted once"
        asked = case.gate.structures
        has_styles = family_of(painter.card).has_styles(painter.card) and style_ends is None
        tries = case.gate.tries if has_styles else 1
        table, spacing = painter_label_table(subject.table), subject.grid.spacing
        best: tuple[float, Any] | None = None
        for attempt in range(tries):
            image, disagreement = painter.paint(
                with_style_of_attempt(case, attempt), label, subject, style_ends
            )
            made = self.segmenter.segment(image, label)
            found = agreement_by_structure(made, label, table, spacing, asked)
            missed = missed_limits(found, asked)
            if best is None or not missed or mean_dice(found) > best[0]:
                best = mean_dice(found), (image, disagreement, found, missed, attempt)
            if not missed:
                break
        assert best is not None
        image, disagreement, found, missed, kept = best[1]
        verdict = {
            **columns(found),
            "gate_tries": attempt + 1,
            "gate_kept": kept,
            "accepted": not missed,
            "why": "; ".join(missed),
        }
        return image, disagreement, verdict
