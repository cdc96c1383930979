"""What sparse_spade.py measures: label maps, our generator, it without its modulations, MONAI's."""

import copy
from typing import Any

import nibabel as nib
import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from factory.imaging.boxes import bounding_box
from factory.imaging.orientations import cut, grow_side
from factory.models.checkpoint import remove_parametrizations
from factory.models.spade.network import Spade, SpadeConfig, SpadeGenerator, initialise
from factory.storage.subjects.phantom import phantom

HIDDEN = {12: 32, 32: 64, 64: 128}
"""Hidden units by width: that of the shipped model, half and all of the paper's."""


def stack(path: str | None, side: int) -> tuple[torch.Tensor, int]:
    """Return axial slices (B, side, side) about the brain, and the number of labels."""
    if path is None:
        label = phantom(30.0, seed=0, spacing_mm=0.8).label
    else:
        image: Any = nib.load(path)
        label = np.asarray(image.dataobj).T.astype(np.uint8)
    box = bounding_box(label)
    sides = [grow_side(s, 0, 128) for s in box[1:]]
    label = cut(label, (box[0], *sides))
    labels = int(label.max()) + 1
    if side > 128:  # where the interpolated share of a label is largest
        zoom = (1, side / 128, side / 128)
        shares = [
            ndimage.zoom((label == k).astype(np.float32), zoom, order=1) for k in range(labels)
        ]
        label = np.argmax(shares, axis=0).astype(np.uint8)
    return torch.from_numpy(label), labels


def network(labels: int, width: int, latent: int = 0) -> SpadeGenerator:
    """Return our generator with random weights."""
    generator = SpadeGenerator(SpadeConfig(labels, width, HIDDEN[width], latent))
    initialise(generator, torch.Generator().manual_seed(0))
    remove_parametrizations(generator)
    return generator.eval().requires_grad_(False)


def monai_network(labels: int, width: int, side: int) -> torch.nn.Module:
    """Return MONAI's generator with random weights."""
    from monai.networks.nets import SPADENet

    return SPADENet(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        label_nc=labels,
        input_shape=[side, side],
        channels=[n * width for n in (1, 2, 4, 8, 16, 16)],
        is_vae=False,
        spade_intermediate_channels=HIDDEN[width],
        norm="BATCH",
    ).eval()


class Unmodulated(torch.nn.Module):
    """A replacement for a Spade that only applies the leaky ReLU after it."""

    def forward(self, x: torch.Tensor, labels: Any, slope: float = 1.0) -> torch.Tensor:
        """Apply the leaky ReLU."""
        return x if slope == 1 else F.leaky_relu(x, slope)


def unmodulated(generator: SpadeGenerator) -> SpadeGenerator:
    """Return a copy of a generator without its modulations."""
    rest = copy.deepcopy(generator)
    for block in rest.blocks:
        for name, module in list(block.named_children()):
            if isinstance(module, Spade):
                setattr(block, name, Unmodulated())
    return rest
