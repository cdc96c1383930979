"""From a stack of labels to a stack of images: one network paints slices in a selectable style."""

from collections.abc import Mapping
from pathlib import Path

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
from factory.storage.json_value import JsonValue
from factory.storage.subjects.short_axis import HEART
from factory.storage.subjects.types import Subject

ENCODER = "axial-encoder"
"""The style encoder's file in a model folder, without its suffix."""


def is_heart_model(card: Mapping[str, JsonValue]) -> bool:
    """Return whether a card is of a model for SlicePainter."""
    names: list[str] | None = card.get("label_table", {}).get("names")
    return names == list(HEART.names)


class SlicePainter:
    """The axial generator of a model folder and its style encoder.

    Attributes:
        card: The model's JSON card.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Load the networks.

        Args:
            folder: The model folder.
            device: Where the networks compute.

        Raises:
            WeightsError: The folder holds no SPADE model with a style encoder.
        """
        self.card, self.device = read_card(folder), device
        if self.card["family"] != "spade":
            raise WeightsError(f"{folder}: family {self.card['family']!r}; expected 'spade'")
        config = self.config = SpadeConfig(**self.card["config"])
        if not config.latent or f"{ENCODER}.safetensors" not in self.card["sha256"]:
            raise WeightsError(f"{folder}: no style encoder; train it with model.latent above 0")
        encoder = StyleEncoder(config.latent, config.width, config.channels)
        generator = SpadeGenerator(config)
        self.encoder = load_weights(folder, ENCODER, encoder, self.card).to(device)
        load_weights(folder, "axial", generator, self.card)
        self.stack = SpadeStack(generator, device)

    @torch.inference_mode()
    def style_of(self, image: np.ndarray, label: np.ndarray) -> Tensor:
        """Return the style code (Z,) of a real stack: the mean μ of its slices with labels.

        Args:
            image: float32 [z, y, x].
            label: uint8 [z, y, x].
        """
        filled = label.any(axis=(1, 2))
        slices = torch.from_numpy(to_network(normalise(image, label))[filled]).to(self.device)
        mu_BZ: Tensor = self.encoder(slices[:, None])[0]
        return mu_BZ.mean(0).cpu()

    def style_from(self, seed: int) -> Tensor:
        """Sample a style code (Z,) from the prior."""
        return torch.randn(self.config.latent, generator=torch.Generator().manual_seed(seed))

    def paint(
        self, case: Case, label: np.ndarray, subject: Subject, style_ends: StyleEnds | None = None
    ) -> tuple[np.ndarray, None]:
        """Paint a case. See factory.families.base.Painter."""
        mixed_precision = case.appearance.mixed_precision
        if style_ends is None:
            style = self.style_from(case.appearance.style_seed)
        else:
            style = self.style_between(style_ends)
        return self.paint_slices(label, style, mixed_precision), None

    def style_between(self, style_ends: StyleEnds) -> Tensor:
        """Interpolate linearly between the style codes (Z,) of two real subjects.

        Raises:
            RecipeError: One of the subjects has no image.
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
        """Paint a stack.

        Planes are painted to their edges: no label says where the anatomy around the heart ends.
        Slices without labels are 0.

        Args:
            label: uint8 [z, y, x]; y and x are multiples of STRIDE.
            style: One style code (Z,), or one for each slice (z, Z).
            mixed_precision: Whether convolutions compute in bfloat16.

        Returns:
            float32 [z, y, x], in units of the 99.5th percentile inside the labels.

        Raises:
            ValueError: The sides of the planes are no multiples of STRIDE.
        """
        if label.shape[1] % STRIDE or label.shape[2] % STRIDE:
            raise ValueError(f"planes of {label.shape[1:]}: sides must be multiples of {STRIDE}")
        filled = np.flatnonzero(label.any(axis=(1, 2)))
        image = np.full(label.shape, -1.0, np.float32)
        if filled.size:
            styles = style.expand(len(label), -1)[filled]
            image[filled] = self.stack.draw(label[filled], styles, mixed_precision)
        return from_network(image)
