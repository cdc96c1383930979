"""What paints the cases of a group: the files of its models, and their cards."""

from dataclasses import dataclass
from pathlib import Path

from factory.storage.json_value import JsonObject


@dataclass(frozen=True)
class PaintingFiles:
    """What paints a group.

    Attributes:
        model: The folder of the model, or the name of a family that paints without weights.
        fusion: The folder of a trained fusion, if there is one.
    """

    model: Path | str
    fusion: Path | None = None


@dataclass(frozen=True)
class PaintingCards:
    """The cards of the models that paint a group.

    Attributes:
        painter: The card of the model, or of the family without weights.
        fusion: The card of the model that fuses the orientations, if there is one.
    """

    painter: JsonObject
    fusion: JsonObject | None
