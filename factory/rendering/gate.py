"""The gate: paint a case until its image shows what its label map says, or the tries are used up.

A segmenter segments every image. Its label map is compared with the case's own, structure by
structure, and the agreement with the limits of the recipe's gate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from factory.case import Case
from factory.families.base import Painter, StyleEnds, card_channels
from factory.families.registry import family_of
from factory.metrics.overlap import dice, mean_surface_mm, volume_error
from factory.models.checkpoint import WeightsError, read_card
from factory.schema.label_table import base_table
from factory.seeding import derive_seed
from factory.storage.json_value import JsonObject
from factory.storage.subjects.channels import first_channel, select_channels
from factory.storage.subjects.label_mappings import map_by_name
from factory.storage.subjects.types import LabelTable, Subject
from factory.training.tables import card_table

Limits = Mapping[str, Mapping[str, float]]
"""By structure: the least dice, the greatest volume_error, the greatest surface_mm."""

Agreement = dict[str, dict[str, float]]
"""By structure: dice, volume_error and surface_mm; NaN where a figure has no value."""


def agreement_by_structure(
    segmented: np.ndarray,
    label: np.ndarray,
    table: LabelTable,
    spacing: tuple[float, float, float],
    structures: Limits,
) -> Agreement:
    """Measure how well a segmentation agrees with a label map.

    Args:
        segmented: [z, y, x].
        label: Of the same shape.
        table: The labels and regions of both.
        spacing: mm (z, y, x).
        structures: The structures to be measured, labels or regions, are its keys.
    """
    agreement = {}
    for name in structures:
        a, b = (np.isin(array, table.values_of(name)) for array in (segmented, label))
        agreement[name] = {
            "dice": dice(a, b),
            "volume_error": volume_error(a, b),
            "surface_mm": mean_surface_mm(a, b, spacing),
        }
    return agreement


def missed_limits(agreement: Agreement, structures: Limits) -> list[str]:
    """Describe each missed limit in words. A structure that is in neither map misses none."""
    missed = []
    for name, limits in structures.items():
        if np.isnan(agreement[name]["dice"]):
            continue
        for key, limit in limits.items():
            value, is_minimum = agreement[name][key], key == "dice"
            if not (value >= limit if is_minimum else value <= limit):
                text = "no value" if np.isnan(value) else f"{value:.3g}"
                bound = "least" if is_minimum else "most"
                missed.append(f"{name} {key} {text} (asked for at {bound} {limit:g})")
    return missed


def mean_dice(agreement: Agreement) -> float:
    """Return the mean Dice of the structures that are present; 1 if none is.

    If all attempts fail, the one with the highest value is used.
    """
    overlaps = [figures["dice"] for figures in agreement.values() if not np.isnan(figures["dice"])]
    return float(np.mean(overlaps)) if overlaps else 1.0


def agreement_columns(agreement: Agreement) -> dict[str, float]:
    """Return the agreement by column, e.g. gate_dice_ventricles, gate_surface_mm_ventricles."""
    return {
        f"gate_{key}_{name}": value
        for name, figures in agreement.items()
        for key, value in figures.items()
    }


def with_style_of_attempt(case: Case, attempt: int) -> Case:
    """Return the case with the style seed of an attempt; attempt 0 has the case's own seed."""
    if attempt == 0:
        return case
    seed = derive_seed(case.appearance.style_seed, attempt, "attempt")
    return replace(case, appearance=replace(case.appearance, style_seed=seed))


@dataclass(frozen=True)
class Attempt:
    """One painted image and its judgement.

    Attributes:
        number: From 0.
        image: float32 [z, y, x] or [channel, z, y, x].
        disagreement: Of the fused orientations, see `factory.families.base.Painter.paint`.
        agreement: Of the image's segmentation with the label map.
        missed: The missed limits in words; empty if the image passes.
    """

    number: int
    image: np.ndarray
    disagreement: np.ndarray | None
    agreement: Agreement
    missed: list[str]


class Gate:
    """A segmenter, loaded once, that judges painted images.

    Attributes:
        channels: The channels of an image that the segmenter takes; () takes the first.
    """

    channels: tuple[str, ...] = ()

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Load the segmenter of a model folder.

        Raises:
            WeightsError: If the model is no segmenter.
        """
        card = read_card(folder)
        family = family_of(card)
        if not family.segments:
            raise WeightsError(f"{folder}: family {card['family']!r}; expected 'segmenter'")
        self.segmenter = family.segmenter(folder, device)
        self.channels = card_channels(card)
        self.table = card_table(card)

    def paint_until_accepted(
        self,
        painter: Painter,
        case: Case,
        label: np.ndarray,
        subject: Subject,
        style_ends: StyleEnds | None = None,
    ) -> tuple[np.ndarray, np.ndarray | None, JsonObject]:
        """Paint a case in other styles until an image passes.

        If no attempt passes, the one with the highest mean Dice is used. The painted image is
        judged before lesions are shaded and before the scanner adds its defects, since the
        question is whether the generator followed the label map. The result depends on the case
        alone.

        Args:
            painter: Paints the attempts. A model without styles has one attempt only.
            case: A case with a gate.
            label: [z, y, x], in the labels that the painter knows.
            subject: The case's subject.
            style_ends: The real subjects that lend the case their style, if any.

        Returns:
            The image and its disagreement, as `factory.families.base.Painter.paint` returns them;
            and the columns about the gate, among them `accepted` and `why`.
        """
        assert case.gate is not None, "a case without a gate is painted once"
        has_styles = family_of(painter.card).has_styles(painter.card) and style_ends is None
        tries = case.gate.tries if has_styles else 1
        attempts = 0
        best: Attempt | None = None
        while attempts < tries and (best is None or best.missed):
            attempt = self._attempt(attempts, painter, case, label, subject, style_ends)
            attempts += 1
            if (
                best is None
                or not attempt.missed
                or mean_dice(attempt.agreement) > mean_dice(best.agreement)
            ):
                best = attempt
        assert best is not None
        verdict = {
            **agreement_columns(best.agreement),
            "gate_tries": attempts,
            "gate_kept": best.number,
            "accepted": not best.missed,
            "why": "; ".join(best.missed),
        }
        return best.image, best.disagreement, verdict

    def judged_image(self, image: np.ndarray, channels: tuple[str, ...]) -> np.ndarray:
        """Return what the segmenter takes of an image: the channels of its card, or the first one.

        Args:
            image: float32 [z, y, x], or [channel, z, y, x].
            channels: The names of the image's channels; () if it has none.
        """
        if not self.channels:
            return first_channel(image)
        return select_channels(image, channels, self.channels)

    def _attempt(
        self,
        number: int,
        painter: Painter,
        case: Case,
        label: np.ndarray,
        subject: Subject,
        style_ends: StyleEnds | None,
    ) -> Attempt:
        """Paint a case in the style of an attempt, and judge the image."""
        assert case.gate is not None
        image, disagreement = painter.paint(
            with_style_of_attempt(case, number), label, subject, style_ends
        )
        channels = family_of(painter.card).image_channels(
            painter.card, case.appearance.to_json(), subject.channels
        )
        segmented = self.segmenter.segment(self.judged_image(image, channels), label)
        limits, table = case.gate.structures, base_table(subject.table, case.table)
        # the segmenter and the painter have tables of their own
        segmented = map_by_name(segmented, self.table, table.names)
        if "label_table" in painter.card:
            label = map_by_name(label, card_table(painter.card), table.names)
        agreement = agreement_by_structure(segmented, label, table, subject.grid.spacing, limits)
        return Attempt(number, image, disagreement, agreement, missed_limits(agreement, limits))
