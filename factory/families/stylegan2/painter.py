"""The painter of subjects that a StyleGAN2 has drawn: they already have their image."""

from pathlib import Path

import numpy as np
import torch

from factory.case import Case
from factory.errors import RenderError
from factory.families.base import StyleEnds
from factory.models.checkpoint import read_card
from factory.storage.subjects.types import Subject


class GeneratedImagePainter:
    """Returns the image of each subject.

    Attributes:
        card: The model's JSON card.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.card = read_card(folder)

    def paint(
        self, case: Case, label: np.ndarray, subject: Subject, style_ends: StyleEnds | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the image of the case's subject. See factory.families.base.Painter.

        Raises:
            RenderError: The subject has no image.
        """
        if subject.image is None:
            raise RenderError(f"{case.id}: the subject has no image, and its model paints none")
        return subject.image, None
