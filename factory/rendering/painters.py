"""The painter that a model's card asks for."""

from pathlib import Path

import torch

from factory.families.base import Painter
from factory.families.registry import FAMILIES, family_of
from factory.models.checkpoint import WeightsError, read_card


def load_painter(folder: Path, device: torch.device, fusion: Path | None = None) -> Painter:
    """The painter of a model's folder. fusion: the folder of a trained one.

    Raises WeightsError where the folder is of no family that paints, FactoryError where the fusion
    is none, or another model's.
    """
    card = read_card(folder)
    family = family_of(card)
    if not family.paints:
        painting = ", ".join(name for name, one in FAMILIES.items() if one.paints)
        raise WeightsError(f"{folder}: family {card['family']!r}; allowed: {painting}")
    return family.painter(folder, card, device, fusion)
