"""From a label volume to an image volume: a network for each orientation, and their fusion."""

from pathlib import Path
from typing import cast

import numpy as np
import torch

from factory.case import Case, CaseAppearance
from factory.families.base import StyleEnds
from factory.families.spade.fusion_compatibility import check_fusion
from factory.imaging.boxes import bounding_box
from factory.imaging.intensities import RANGE, from_network
from factory.imaging.orientations import AXES, cut, grow_side, paste, to_stack, to_volume
from factory.models import fusion_rules as fusion
from factory.models.checkpoint import WeightsError, load_weights, read_card
from factory.models.cnn_fusion import CnnFusion, CnnFusionConfig, restore
from factory.models.spade.network import STRIDE, SpadeConfig, SpadeGenerator
from factory.models.spade.stack import SpadeStack
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import Subject
from factory.training.slices import add_channel_axis

MARGIN = 2
"""Background voxels around the brain's box that are painted too."""


class SpadePainter:
    """The networks of a model folder and, if requested, a trained fusion.

    Attributes:
        card: The model's JSON card.
        networks: The network of each orientation.
    """

    def __init__(self, folder: Path, device: torch.device, fusion: Path | None = None) -> None:
        """Load the networks.

        Args:
            folder: The model folder.
            device: Where the networks compute.
            fusion: The model folder of a CNN fusion.

        Raises:
            WeightsError: A folder holds no usable model of its family.
            FactoryError: The fusion was trained for another model.
        """
        self.card = read_card(folder)
        if self.card["family"] != "spade":
            raise WeightsError(f"{folder}: family {self.card['family']!r}; expected 'spade'")
        self.config = SpadeConfig(**self.card["config"])
        self.device = device
        self.networks = {name: self.load_stack(folder, name) for name in self.card["orientations"]}
        self.cnn: CnnFusion | None = None
        if fusion is not None:
            card = read_card(fusion)
            check_fusion(str(fusion), card, self.card)
            cnn = CnnFusion(CnnFusionConfig(**card["config"]))
            self.cnn = cast(CnnFusion, load_weights(fusion, "cnn", cnn, card).to(device))

    def load_stack(self, folder: Path, orientation: str) -> SpadeStack:
        """Load the network of one orientation."""
        network = load_weights(folder, orientation, SpadeGenerator(self.config), self.card)
        return SpadeStack(cast(SpadeGenerator, network), self.device)

    def style_from(self, seed: int) -> torch.Tensor | None:
        """Sample a style code (1, Z) from the prior; None if the model has no latent."""
        if not self.config.latent:
            return None
        rng = torch.Generator().manual_seed(seed)
        return torch.randn(1, self.config.latent, generator=rng)

    def paint_volume(
        self, label: np.ndarray, orientation: str, style_seed: int, mixed_precision: bool = False
    ) -> np.ndarray:
        """Paint a volume slice by slice in one orientation.

        The planes are cropped to the brain's box and padded to the network's stride, unless the
        card says that the model paints the surroundings of the labels. Slices without tissue are
        not painted. Voxels outside the box are 0.

        Args:
            label: [z, y, x].
            orientation: Whose network paints.
            style_seed: Seed of the style code, if the model has a latent.
            mixed_precision: Whether convolutions compute in bfloat16.

        Returns:
            float32 [z, y, x], or [channel, z, y, x] if the card names channels, in units of the
            brain's 99.5th percentile.
        """
        stack = to_stack(label, orientation)
        painted_box, margin = bounding_box(stack), MARGIN
        if self.card.get("paints_surroundings"):
            painted_box, margin = tuple(slice(0, n) for n in stack.shape), 0
        _, rows, columns = (grow_side(side, margin, STRIDE) for side in painted_box)
        filled = np.flatnonzero(stack.any(axis=(1, 2)))
        box = (slice(0, len(filled)), rows, columns)
        painted = self.draw(cut(stack[filled], box), orientation, style_seed, mixed_precision)
        volumes = []
        for channel in np.moveaxis(add_channel_axis(painted), 1, 0):
            image = np.full(stack.shape, -1.0, np.float32)
            planes = image[filled]
            paste(planes, box, channel)
            image[filled] = planes
            volumes.append(to_volume(from_network(image), orientation))
        return np.stack(volumes) if self.card.get("channels") else volumes[0]

    def draw(
        self, label: np.ndarray, orientation: str, style_seed: int, mixed_precision: bool = False
    ) -> np.ndarray:
        """Draw the images in [-1, 1] of label maps [slice, row, column] by one network.

        Returns:
            [slice, row, column], or [slice, channel, row, column] of several channels.
        """
        style = self.style_from(style_seed)
        styles = None if style is None else style.expand(len(label), -1)
        return self.networks[orientation].draw(label, styles, mixed_precision)

    def paint_all(
        self, label: np.ndarray, style_seed: int, mixed_precision: bool = False
    ) -> torch.Tensor:
        """Paint a volume in all orientations; see `paint_volume`.

        Returns:
            float32 [orientation, z, y, x], or [orientation, channel, z, y, x].
        """
        names = [name for name in AXES if name in self.networks]
        volumes = [self.paint_volume(label, name, style_seed, mixed_precision) for name in names]
        return torch.from_numpy(np.stack(volumes))

    def render(
        self, label: np.ndarray, appearance: CaseAppearance
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Paint a volume in all orientations and fuse them.

        Args:
            label: uint8 [z, y, x].
            appearance: Style, fusion and precision.

        Returns:
            The image and, if requested, the disagreement of the orientations; float32 [z, y, x]
            or [channel, z, y, x].
        """
        volumes = self.paint_all(label, appearance.style_seed, appearance.mixed_precision)
        fused = self.fuse(volumes, label, appearance.fuse)
        uncertainty = fusion.disagreement(volumes).numpy() if appearance.uncertainty else None
        return fused.numpy(), uncertainty

    def paint(
        self, case: Case, label: np.ndarray, subject: Subject, style_ends: StyleEnds | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Paint a case. See factory.families.base.Painter."""
        return self.render(label, case.appearance)

    def fuse(
        self, volumes: torch.Tensor, label: np.ndarray, rule: str | JsonObject
    ) -> torch.Tensor:
        """Fuse volumes by a rule, or by the trained network within the brain's box.

        Args:
            volumes: [orientation, z, y, x], or [orientation, channel, z, y, x], of which each
                channel is fused by itself.
            label: [z, y, x].
            rule: A rule of factory.models.fusion_rules, or {"cnn": name} for the network.

        Raises:
            WeightsError: The rule asks for a network, and none was loaded.
        """
        if not (isinstance(rule, dict) and "cnn" in rule):
            return fusion.fuse(volumes, rule)
        if volumes.ndim > 4:
            return torch.stack([self.fuse(channel, label, rule) for channel in volumes.unbind(1)])
        if self.cnn is None:
            raise WeightsError(f"fuse {rule}: no fusion is loaded")
        fused = fusion.mean(volumes)
        box = tuple(
            slice(max(side.start - MARGIN, 0), side.stop + MARGIN) for side in bounding_box(label)
        )
        restored = restore(self.cnn, volumes[:, *box].to(self.device)).cpu()
        fused[box] = restored.clamp(*RANGE)
        return fused
