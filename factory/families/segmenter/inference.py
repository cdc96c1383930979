"""Image volume -> label volume: one network on the slices of every direction, and their mean."""

from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F

from factory.imaging.boxes import tissue_slices
from factory.imaging.intensities import normalise, to_network
from factory.imaging.orientations import AXES, cut, grown, paste, slices
from factory.models.checkpoint import WeightsError, load_weights, read_card
from factory.models.segmenter import STRIDE, Segmenter, SegmenterConfig

FAMILY = "segmenter"

BATCH = 8
"""Slices a forward pass. Fixed: convolutions differ in the last bits between batch sizes."""

MARGIN = 4
"""Voxels kept about the brain's box."""


class VolumeSegmenter:
    """The segmenter of a model folder, loaded once.

    card: its JSON card. Raises WeightsError where the folder holds no segmenter.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.card, self.device = read_card(folder), device
        if self.card["family"] != FAMILY:
            raise WeightsError(f"{folder}: family {self.card['family']!r}; expected {FAMILY!r}")
        network = Segmenter(SegmenterConfig(**self.card["config"]))
        loaded = load_weights(folder, FAMILY, network, self.card)
        self.network = cast(Segmenter, loaded.to(device))

    @torch.inference_mode()
    def segment(self, image: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Labels uint8 [z, y, x] of an image float32 [z, y, x].

        label: what is held to be there. Only its outline's box and the brightness scale within its
        outline are taken from it, both as in training. Raises ValueError where it is empty.
        """
        box = tuple(grown(side, MARGIN, STRIDE) for side in tissue_slices(label))
        bright = cut(to_network(normalise(image, label)), box, fill=-1.0)
        shares = torch.zeros(self.network.config.labels, *bright.shape)
        for orientation in self.card["orientations"]:
            for share, one in zip(shares, self.shares(bright, orientation), strict=True):
                share += one
        made = np.zeros(label.shape, np.uint8)
        paste(made, box, shares.argmax(0).numpy().astype(np.uint8))
        return made

    def features(self, grey_N1HW: torch.Tensor) -> torch.Tensor:
        """Features (N, F) of slices in [-1, 1], by which sets of images are compared. They are
        padded, dark on the right and below, to sides that the network takes."""
        height, width = grey_N1HW.shape[-2:]
        whole = F.pad(grey_N1HW, (0, -width % STRIDE, 0, -height % STRIDE), value=-1.0)
        return self.network.pooled(whole)

    def shares(self, bright: np.ndarray, orientation: str) -> torch.Tensor:
        """Softmax (K, z, y, x) of a volume in [-1, 1], seen in one direction."""
        image = torch.from_numpy(np.ascontiguousarray(slices(bright, orientation)))[:, None]
        runs = [self.network(run.to(self.device)).softmax(1).cpu() for run in image.split(BATCH)]
        return torch.cat(runs).transpose(0, 1).movedim(1, 1 + AXES[orientation])
