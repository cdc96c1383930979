"""Label stack -> image stack: one SPADE network, slice by slice, in a style that can be chosen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from factory.case import Case
from factory.errors import RecipeError
from factory.families.base import StyleEnds
from factory.imaging.intensities import from_network, normalise, to_network
from factory.models.checkpoint import WeightsError, load_weights, read_card
from factory.models.spade.network import STRIDE, SpadeConfig, SpadeGenerator, StyleEncoder
from factory.models.spade.stack import SpadeStack
from factory.storage.subjects.short_axis import HEART
from factory.storage.subjects.types import Subject

ENCODER = "axial-encoder"


def of_hearts(card: Mapping[str, Any]) -> bool:
    """Whether a card is of a model for SlicePainter."""
    return card.get("label_table", {}).get("names") == list(HEART.names)


class SlicePainter:
    """The axial generator of a model folder and its style encoder, loaded once.

    card: its JSON card. Raises WeightsError where the folder holds no SPADE model with a latent.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.card, self.device = read_card(folder), device
        if self.card["family"] != "spade":
            raise WeightsError(f"{folder}: family {self.card['family']!r}; expected 'spade'")
        config = self.config = SpadeConfig(**self.card["config"])
        if not config.latent or f"{ENCODER}.safetensors" not in self.card["sha256"]:
            raise WeightsError(f"{folder}: no style encoder; train it with model.latent above 0")
        encoder = StyleEncoder(config.latent, config.width)
        generator = SpadeGenerator(config)
        self.encoder = load_weights(folder, ENCODER, encoder, self.card).to(device)
        load_weights(folder, "axial", generator, self.card)
        self.stack = SpadeStack(generator, device)

    @torch.inference_mode()
    def style_of(self, image: np.ndarray, label: np.ndarray) -> Tensor:
        """The style code (Z,) of a real stack [z, y, x]: the mean μ of the slices with labels."""
        filled = label.any(axis=(1, 2))
        slices = torch.from_numpy(to_network(normalise(image, label))[filled]).to(self.device)
        mu_BZ, _ = self.encoder(slices[:, None])
        return mu_BZ.mean(0).cpu()

    def style_from(self, seed: int) -> Tensor:
        """A style code (Z,) drawn from the prior."""
        return torch.randn(self.config.latent, generator=torch.Generator().manual_seed(seed))

    def paint(
        self, case: Case, label: np.ndarray, subject: Subject, style_ends: StyleEnds | None = None
    ) -> tuple[np.ndarray, None]:
        """See factory.families.base.Painter."""
        mixed_precision = case.appearance.mixed_precision
        if style_ends is None:
            style = self.style_from(case.appearance.style_seed)
        else:
            style = self.style_between(style_ends)
        return self.paint_slices(label, style, mixed_precision), None

    def style_between(self, style_ends: StyleEnds) -> Tensor:
        """The style code (Z,) on the way from one real subject's to another's.

        Raises RecipeError where one of them has no image.
        """
        first, last, t = style_ends
        codes = []
        for subject in (first, last):
            if subject.image is None:
                raise RecipeError(f"interpolate: {subject.id} has no image to take a style from")
            codes.append(self.style_of(subject.image, subject.label))
        return codes[0] + t * (codes[1] - codes[0])

    def paint_slices(
        self, label: np.ndarray, style: Tensor, mixed_precision: bool = False
    ) -> np.ndarray:
        """An image float32 [z, y, x] in units of the 99.5th percentile inside the labels.

        style: (Z,), or (z, Z) for one a slice. Whole planes are drawn, the surroundings too, whose
        anatomy no label holds in place; slices without labels are 0. Raises ValueError where the
        planes' sides are no multiples of STRIDE.
        """
        if label.shape[1] % STRIDE or label.shape[2] % STRIDE:
            raise ValueError(f"planes of {label.shape[1:]}: sides must be multiples of {STRIDE}")
        filled = np.flatnonzero(label.any(axis=(1, 2)))
        drawn = np.full(label.shape, -1.0, np.float32)
        if filled.size:
            styles = style.expand(len(label), -1)[filled]
            drawn[filled] = self.stack.draw(label[filled], styles, mixed_precision)
        return from_network(drawn)
