"""Give each subject its own image."""

from dataclasses import dataclass

import numpy as np

from factory.case import Case
from factory.errors import RenderError
from factory.families.base import StyleEnds
from factory.imaging.intensities import normalise
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import Subject


@dataclass
class OwnImagePainter:
    """A painter that gives each subject its own image; see factory.families.base.Painter.

    Attributes:
        card: The card of the family.
    """

    card: JsonObject

    def paint(
        self,
        case: Case,
        label: np.ndarray,
        subject: Subject,
        style_ends: StyleEnds | None = None,
    ) -> tuple[np.ndarray, None]:
        """Return the image of a subject in the factory's unit, and no disagreement.

        Args:
            case: The parameters of the sample.
            label: Not used.
            subject: The subject: its label map before the edits, its image after them.
            style_ends: Not used.

        Raises:
            RenderError: The subject has no image.
        """
        if subject.image is None:
            raise RenderError(f"{case.id}: appearance: original; the subject has no image")
        return normalise(subject.image, subject.label), None
