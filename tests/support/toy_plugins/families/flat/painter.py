"""Label map -> image: the tone of each label."""

from pathlib import Path

import numpy as np
from factory.families.flat.job import Tones

from factory.case import Case
from factory.families.base import StyleEnds
from factory.models.checkpoint import load_weights, read_card
from factory.storage.subjects.types import Subject


class FlatPainter:
    def __init__(self, folder: Path) -> None:
        self.card = read_card(folder)
        self.tones = load_weights(folder, "tones", Tones(), self.card).tones.numpy()

    def paint(
        self, case: Case, label: np.ndarray, subject: Subject, style_ends: StyleEnds | None = None
    ) -> tuple[np.ndarray, None]:
        return self.tones[label], None
