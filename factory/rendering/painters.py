"""Load the painter of a model."""

from pathlib import Path

import torch

from factory.families.base import Painter
from factory.families.registry import FAMILIES, family_of
from factory.models.checkpoint import WeightsError, read_card


def load_painter(folder: Path, device: torch.device, fusion: Path | None = None) -> Painter:
    """Load the painter of a model's folder.

    Args:
        folder: The model's folder.
        device: The device that paints.
        fusion: The folder of a trained fusion, if there is one.

    Raises:
        WeightsError: If the model's family does not paint.
        FactoryError: If the fusion is no fusion, or was trained for another model.
    """
    card = read_card(folder)
    family = family_of(card)
    if not family.paints:
        painting = ", ".join(name for name, other in FAMILIES.items() if other.paints)
        raise WeightsError(f"{folder}: family {card['family']!r}; allowed: {painting}")
    return family.painter(folder, card, device, fusion)
