"""From an image volume to a label volume: one network segments slices of all orientations."""

from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F

from factory.imaging.boxes import bounding_box
from factory.imaging.intensities import normalise, to_network
from factory.imaging.orientations import AXES, cut, grow_side, paste, to_stack
from factory.models.checkpoint import WeightsError, load_weights, read_card
from factory.models.segmenter import STRIDE, Segmenter, SegmenterConfig
from factory.storage.subjects.channels import list_channels, map_channels
from factory.storage.subjects.types import label_dtype

FAMILY = "segmenter"

BATCH = 8
"""Slices of a forward pass. Fixed: convolutions differ in the last bits between batch sizes."""

MARGIN = 4
"""Background voxels around the brain's box that are segmented too."""


class VolumeSegmenter:
    """The segmenter of a model folder.

    Attributes:
        card: The model's JSON card.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Load a segmenter.

        Args:
            folder: The model folder.
            device: Where the network computes.

        Raises:
            WeightsError: The folder holds no usable segmenter.
        """
        self.card, self.device = read_card(folder), device
        if self.card["family"] != FAMILY:
            raise WeightsError(f"{folder}: family {self.card['family']!r}; expected {FAMILY!r}")
        network = Segmenter(SegmenterConfig(**self.card["config"]))
        loaded = load_weights(folder, FAMILY, network, self.card)
        self.network = cast(Segmenter, loaded.to(device))

    @torch.inference_mode()
    def segment(self, image: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Segment an image by the mean of the network's probabilities over the orientations.

        Args:
            image: float32 [z, y, x], or [channel, z, y, x] with the channels of the card.
            label: The expected label map, [z, y, x]. As in training, its outline determines the box
                that is segmented and the voxels by which intensities are scaled; nothing else of
                it is used.

        Returns:
            Labels [z, y, x] in the model's own table; 0 outside the box.

        Raises:
            ValueError: The label map is empty.
        """
        box = tuple(grow_side(side, MARGIN, STRIDE) for side in bounding_box(label))
        scaled = map_channels(
            lambda channel: cut(to_network(normalise(channel, label)), box, fill=-1.0), image
        )
        sums = torch.zeros(self.network.config.labels, *scaled.shape[-3:])
        for orientation in self.card["orientations"]:
            probabilities = self.label_probabilities(scaled, orientation)
            for total, probability in zip(sums, probabilities, strict=True):
                total += probability
        segmented = np.zeros(label.shape, label_dtype(len(sums)))
        paste(segmented, box, sums.argmax(0).numpy().astype(segmented.dtype))
        return segmented

    def features(self, grey_N1HW: torch.Tensor) -> torch.Tensor:
        """Return features (N, F) of slices in [-1, 1], by which sets of images are compared.

        The slices are padded, dark on the right and below, to sides that the network can take.
        """
        height, width = grey_N1HW.shape[-2:]
        padded = F.pad(grey_N1HW, (0, -width % STRIDE, 0, -height % STRIDE), value=-1.0)
        channels = self.network.config.channels
        return self.network.pooled(padded.expand(-1, channels, -1, -1))

    def label_probabilities(self, scaled: np.ndarray, orientation: str) -> torch.Tensor:
        """Return the softmax (K, z, y, x) of a volume from slices of one orientation.

        Args:
            scaled: [z, y, x] or [channel, z, y, x], in [-1, 1].
            orientation: The orientation.
        """
        stacks = [to_stack(channel, orientation) for channel in list_channels(scaled)]
        batches = torch.from_numpy(np.stack(stacks, axis=1)).split(BATCH)
        probabilities = [self.network(b.to(self.device)).softmax(1).cpu() for b in batches]
        return torch.cat(probabilities).transpose(0, 1).movedim(1, 1 + AXES[orientation])
