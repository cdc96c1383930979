"""Paints a case until its image passes the recipe's gate, or the tries are used up."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from factory.case import Case
from factory.families.base import Painter
from factory.families.segmenter.inference import VolumeSegmenter
from factory.rendering.gate_judgement import (
    columns,
    failing,
    figures,
    has_styles,
    nearness,
    restyled,
)
from factory.schema.label_table import known_table
from factory.storage.subjects.types import Subject


class Gate:
    """The segmenter of a model folder, loaded once. Raises WeightsError where it is none."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.segmenter = VolumeSegmenter(folder, device)

    def painted(
        self, painter: Painter, case: Case, label: np.ndarray, subject: Subject
    ) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
        """The image of a case and its disagreement, see factory.rendering.painters; and the columns
        that say how the image did, accepted and why not among them.

        Of attempts of which none passes it is the one with the highest mean Dice. What is judged
        is what was painted, before lesions are shaded and a scanner adds its defects: whether the
        generator did as the label told it. All of it follows from the case alone.
        """
        asked = case.gate["structures"]
        tries = case.gate["tries"] if has_styles(painter.card, case) else 1
        table, spacing = known_table(subject.table), subject.grid.spacing
        best: tuple[float, Any] | None = None
        for attempt in range(tries):
            image, disagreement = painter.painted(restyled(case, attempt), label, subject)
            made = self.segmenter.segment(image, label)
            found = figures(made, label, table, spacing, asked)
            missed = failing(found, asked)
            if best is None or not missed or nearness(found) > best[0]:
                best = nearness(found), (image, disagreement, found, missed, attempt)
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
