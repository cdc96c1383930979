"""Images and labels from the latents of a trained StyleGAN2."""

import functools
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from factory.lookup import find_model
from factory.models.checkpoint import WeightsError, load_weights, read_card
from factory.models.label_vae import spherical
from factory.models.stylegan2.network import Generator, StyleGanConfig, image_and_label, mix_styles
from factory.seeding import derive_seed
from factory.storage.errors import SubjectError
from factory.storage.json_value import JsonObject, JsonValue
from factory.storage.subjects.types import LabelTable

KEY = "latents.model"
"""The recipe key that messages name."""

UNLABELLED = LabelTable(names=("background",), colours=((0, 0, 0),))


class LatentSampler:
    """The generator of a model folder.

    Shape suffixes: B batch (1 here), Z latent, L layers.

    Attributes:
        card: The model's JSON card.
        config: The configuration of the generator.
        table: The label table of the model.
        generator: The network, ready for inference.
    """

    def __init__(self, model: str) -> None:
        """Load the generator.

        Args:
            model: The name or the folder of the model.

        Raises:
            FactoryError: There is no such model.
            WeightsError: It is not a StyleGAN2, or its images have channels without names.
        """
        folder = find_model(model, KEY)
        self.card = read_drawing_card(model)
        self.config = StyleGanConfig(**self.card["config"])
        self.table = card_label_table(self.card)
        self.generator = Generator(self.config, torch.Generator().manual_seed(0))
        load_weights(folder, "generator", self.generator, self.card)

    @torch.inference_mode()
    def draw(
        self, record: Mapping[str, JsonValue], replicate: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw the image and the labels of a record.

        Args:
            record: A record of factory.subjects.sources.latents.
            replicate: Replicates of a record differ only in their noise.

        Returns:
            The image float32 [y, x], or [channel, y, x] if the card names channels, where 1 is the
            99.5th percentile, and 0 everywhere if the model draws labels alone; and the labels
            [y, x].

        Raises:
            SubjectError: Styles are mixed from a resolution above the model's.
        """
        w_BLZ = self._record_styles(record)
        rng = torch.Generator().manual_seed(derive_seed(record["seed"], replicate, "noise"))
        output = self.generator(w_BLZ, self.generator.noise(1, rng))
        image, label = image_and_label(output, self.config)
        shape = (self.config.resolution,) * 2
        pixels = (image[0].numpy() + 1) / 2 if self.config.image_channels else np.zeros((1, *shape))
        kind = self.table.dtype
        label_map = np.zeros(shape, kind) if label is None else label[0].numpy().astype(kind)
        named = pixels if self.card.get("channels") else pixels[0]
        return named.astype(np.float32), label_map

    def _record_styles(self, record: Mapping[str, JsonValue]) -> Tensor:
        """Return the styles (1, L, Z) of a record: of one latent, between two, or mixed of two."""
        truncation = record["truncation"]
        if record["to"] is not None and record["space"] == "z":
            ends = self.latent(record["seed"]), self.latent(record["to"])
            w_BLZ = self.styles(spherical(*ends, record["t"]), truncation)
        else:
            w_BLZ = self.styles(self.latent(record["seed"]), truncation)
            if record["to"] is not None:
                w_BLZ = w_BLZ.lerp(self.styles(self.latent(record["to"]), truncation), record["t"])
        if record["mix"]:
            seed, side = record["mix"]
            if side > self.config.resolution:
                raise SubjectError(
                    f"latents.mix.from_resolution: value {side}; allowed: up to the model's "
                    f"{self.config.resolution}"
                )
            first_layer = 2 * (side.bit_length() - 3) - 1  # of that resolution
            other_BLZ = self.styles(self.latent(seed), truncation)
            w_BLZ = mix_styles(w_BLZ, other_BLZ, torch.tensor([first_layer]))
        return w_BLZ

    def latent(self, seed: int) -> Tensor:
        """Return the latent z (1, Z) of a seed."""
        rng = torch.Generator().manual_seed(seed)
        return torch.randn(1, self.config.latent, generator=rng)

    def styles(self, z_BZ: Tensor, truncation: float) -> Tensor:
        """Return the styles w (1, L, Z) of a latent, truncated towards the mean style."""
        mapping = self.generator.mapping
        return self.generator.styles(mapping.truncated(mapping(z_BZ), truncation))


def read_drawing_card(model: str) -> JsonObject:
    """Read the card of a model whose latents can be drawn from.

    Args:
        model: The name or the folder of the model.

    Raises:
        FactoryError: There is no such model.
        WeightsError: It is not a StyleGAN2, its images have several channels without names, or its
            labels have no table.
    """
    folder = find_model(model, KEY)
    card = read_card(folder)
    if card["family"] != "stylegan2":
        raise WeightsError(f"{folder}: family {card['family']!r}; expected 'stylegan2'")
    channels = card["config"].get("image_channels", 1)
    if channels > 1 and len(card.get("channels", ())) != channels:
        raise WeightsError(f"{folder}: {channels} image channels; its card has to name them")
    if card["config"].get("labels") and not card.get("label_table"):
        raise WeightsError(f"{folder}: its card lacks a label_table, and the model draws labels")
    return card


def card_label_table(card: JsonObject) -> LabelTable:
    """Return the label table of a card, or one of the background alone if the card has none."""
    entry = card.get("label_table")
    if not entry:
        return UNLABELLED
    return LabelTable(tuple(entry["names"]), tuple((r, g, b) for r, g, b in entry["colours"]))


@functools.lru_cache(maxsize=2)
def load_sampler(model: str) -> LatentSampler:
    """Load the sampler of a model, or return it if it was loaded recently."""
    return LatentSampler(model)
