"""An untrained StyleGAN2 of 32², and a recipe of its latents."""

from pathlib import Path

import torch

from factory.models.checkpoint import save_model
from factory.models.stylegan2.network import Generator, StyleGanConfig
from factory.storage.subjects.short_axis import HEART
from factory.storage.subjects.types import LabelTable

RECIPE = """
seed: 1
latents: {{model: {model}, count: 3, truncation: 0.7}}
output: {{path: {output}, spacing_mm: 2.0, samples_per_shard: 2}}
"""


def gan(folder: Path, image_channels: int = 1, table: LabelTable | None = HEART) -> Path:
    """An untrained model of 32²: noise has some strength, and the mean style is not 0."""
    labels = len(table.names) if table else 0
    config = {"resolution": 32, "image_channels": image_channels, "labels": labels}
    config |= {"latent": 8, "mapping_layers": 2, "base": 64, "most": 8}
    generator = Generator(StyleGanConfig(**config), torch.Generator().manual_seed(2))
    for layer in generator.synthesis.convs:
        torch.nn.init.constant_(layer.strength, 0.1)
    generator.mapping.track(torch.full((8,), 40.0))
    card = {"family": "stylegan2", "config": config, "training": {"spacing_mm": [2.0, 2.0]}}
    if table:
        colours = [list(colour) for colour in table.colours]
        card["label_table"] = {"names": list(table.names), "colours": colours}
    save_model(folder, {"generator": generator}, card)
    return folder
