"""Load the painter of a model."""

from pathlib import Path

import torch

from factory.families.base import Painter
from factory.families.registry import TRAINABLE, family_of, untrained_family
from factory.models.checkpoint import WeightsError, read_card


def load_painter(model: Path | str, device: torch.device, fusion: Path | None = None) -> Painter:
    """Load the painter of a model's folder, or of a family without weights.

    Args:
        model: The model's folder, or the name of a family that paints without weights.
        device: The device that paints.
        fusion: The folder of a trained fusion, if there is one.

    Raises:
        WeightsError: If the model's family does not paint.
        FactoryError: If the fusion is no fusion, or was trained for another model.
    """
    if isinstance(model, str):
        untrained = untrained_family(model)
        if untrained is None:
            raise WeightsError(f"{model}: no family that paints without weights")
        return untrained.untrained_painter(device)
    card = read_card(model)
    family = family_of(card)
    if not family.paints:
        painting = ", ".join(name for name, other in TRAINABLE.items() if other.paints)
        raise WeightsError(f"{model}: family {card['family']!r}; allowed: {painting}")
    return family.painter(model, card, device, fusion)
