"""Images and labels from the latents of a trained StyleGAN2."""

import functools
from typing import Any

import numpy as np
import torch

from factory.lookup import find_model
from factory.models.checkpoint import WeightsError, load_weights, read_card
from factory.models.label_vae import spherical
from factory.models.stylegan2.network import Generator, StyleGanConfig, image_and_label, mix_styles
from factory.seeding import derive_seed
from factory.storage.errors import SubjectError
from factory.storage.subjects.records import Record
from factory.storage.subjects.types import LabelTable

KEY = "latents.model"


UNLABELLED = LabelTable(names=("background",), colours=((0, 0, 0),))


class LatentSampler:
    """The generator of a model folder, loaded once.

    card: its JSON card; table: of its labels. Raises WeightsError where the folder holds no
    StyleGAN2, or one of several image channels, which a dataset has no place for.
    """

    def __init__(self, folder: str) -> None:
        place = find_model(folder, KEY)
        self.card = read_drawing_card(folder)
        self.config = StyleGanConfig(**self.card["config"])
        self.table = card_label_table(self.card)
        generator = Generator(self.config, torch.Generator().manual_seed(0))
        self.generator: Any = load_weights(place, "generator", generator, self.card)

    @torch.inference_mode()
    def draw(self, record: Record, replicate: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Image float32 [y, x], 1 at the 99.5th percentile, and labels uint8 [y, x] of a record.
        An image of no channels is 0. Replicates differ in the noise alone."""
        g = self.generator
        if record["to"] is not None and record["space"] == "z":
            z_BZ = spherical(self.z(record["seed"]), self.z(record["to"]), record["t"])
            w_BLZ = self.styles(z_BZ, record)
        else:
            w_BLZ = self.styles(self.z(record["seed"]), record)
            if record["to"] is not None:
                w_BLZ = w_BLZ.lerp(self.styles(self.z(record["to"]), record), record["t"])
        if record["mix"]:
            seed, side = record["mix"]
            if side > self.config.resolution:
                raise SubjectError(
                    f"latents.mix.from_resolution: value {side}; allowed: up to the model's "
                    f"{self.config.resolution}"
                )
            first = 2 * (side.bit_length() - 3) - 1  # the first layer of that resolution
            w_BLZ = mix_styles(w_BLZ, self.styles(self.z(seed), record), torch.tensor([first]))
        rng = torch.Generator().manual_seed(derive_seed(record["seed"], replicate, "noise"))
        image, label = image_and_label(g(w_BLZ, g.noise(1, rng)), self.config)
        shape = (self.config.resolution,) * 2
        pixels = (image[0, 0].numpy() + 1) / 2 if self.config.image_channels else np.zeros(shape)
        drawn = np.zeros(shape, np.uint8) if label is None else label[0].numpy()
        return pixels.astype(np.float32), drawn

    def z(self, seed: int) -> torch.Tensor:
        rng = torch.Generator().manual_seed(seed)
        return torch.randn(1, self.config.latent, generator=rng)

    def styles(self, z_BZ: torch.Tensor, record: Record) -> torch.Tensor:
        mapping = self.generator.mapping
        styles: torch.Tensor = self.generator.styles(
            mapping.truncated(mapping(z_BZ), record["truncation"])
        )
        return styles


def read_drawing_card(folder: str) -> dict[str, Any]:
    """The card of a model that latents can be drawn from. Raises FactoryError, WeightsError."""
    place = find_model(folder, KEY)
    card = read_card(place)
    if card["family"] != "stylegan2":
        raise WeightsError(f"{place}: family {card['family']!r}; expected 'stylegan2'")
    if (channels := card["config"].get("image_channels", 1)) > 1:
        raise WeightsError(f"{place}: {channels} image channels; a dataset's image has one")
    if card["config"].get("labels") and not card.get("label_table"):
        raise WeightsError(f"{place}: its card lacks a label_table, and the model draws labels")
    return card


def card_label_table(card: dict[str, Any]) -> LabelTable:
    found = card.get("label_table")
    if not found:
        return UNLABELLED
    return LabelTable(tuple(found["names"]), tuple((r, g, b) for r, g, b in found["colours"]))


@functools.lru_cache(maxsize=2)
def load_sampler(model: str) -> LatentSampler:
    return LatentSampler(model)
