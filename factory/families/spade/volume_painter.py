"""Label volume -> image volume: three SPADE networks, one a slicing direction, and their fusion."""

from pathlib import Path
from typing import cast

import numpy as np
import torch

from factory.case import Case, CaseAppearance
from factory.families.base import StyleEnds
from factory.families.spade.fusion_compatibility import check_fusion
from factory.imaging.boxes import tissue_slices
from factory.imaging.intensities import RANGE, from_network
from factory.imaging.orientations import AXES, cut, grown, paste, slices, volume
from factory.models import fusion_rules as fusion
from factory.models.checkpoint import WeightsError, load_weights, read_card
from factory.models.cnn_fusion import CnnFusion, CnnFusionConfig, restore
from factory.models.spade.network import STRIDE, SpadeConfig, SpadeGenerator
from factory.models.spade.stack import SpadeStack
from factory.storage.subjects.types import Subject

MARGIN = 2
"""Voxels of background kept about the brain's box."""


class SpadePainter:
    """The networks of one model folder, loaded once, and of a trained fusion if one is given.

    card: the model's JSON card. Raises WeightsError where the folder is not a SPADE model,
    FactoryError where the fusion is none, or another model's.
    """

    def __init__(self, folder: Path, device: torch.device, fusion: Path | None = None) -> None:
        self.card = read_card(folder)
        if self.card["family"] != "spade":
            raise WeightsError(f"{folder}: family {self.card['family']!r}; expected 'spade'")
        self.config = SpadeConfig(**self.card["config"])
        self.device = device
        self.networks = {name: self.loaded(folder, name) for name in self.card["orientations"]}
        self.cnn: CnnFusion | None = None
        if fusion is not None:
            card = read_card(fusion)
            check_fusion(str(fusion), card, self.card)
            cnn = CnnFusion(CnnFusionConfig(**card["config"]))
            self.cnn = cast(CnnFusion, load_weights(fusion, "cnn", cnn, card).to(device))

    def loaded(self, folder: Path, name: str) -> SpadeStack:
        network = load_weights(folder, name, SpadeGenerator(self.config), self.card)
        return SpadeStack(cast(SpadeGenerator, network), self.device)

    def styles(self, seed: int) -> torch.Tensor | None:
        """A style code (1, Z) drawn from its prior, or None where the model has no latent."""
        if not self.config.latent:
            return None
        rng = torch.Generator().manual_seed(seed)
        return torch.randn(1, self.config.latent, generator=rng)

    def paint_volume(
        self, label: np.ndarray, orientation: str, style_seed: int, mixed_precision: bool = False
    ) -> np.ndarray:
        """One network's volume float32 [z, y, x], in units of the brain's 99.5th percentile.

        The planes are cropped to the brain's box, padded to the network's stride; slices without
        tissue are not drawn, and what lies outside the box is 0.
        """
        stack = slices(label, orientation)
        _, rows, columns = (grown(side, MARGIN, STRIDE) for side in tissue_slices(stack))
        filled = np.flatnonzero(stack.any(axis=(1, 2)))
        drawn = np.full(stack.shape, -1.0, np.float32)
        plane = (slice(0, len(filled)), rows, columns)
        into = drawn[filled]
        images = self.draw(cut(stack[filled], plane), orientation, style_seed, mixed_precision)
        paste(into, plane, images)
        drawn[filled] = into
        return volume(from_network(drawn), orientation)

    def draw(
        self, label: np.ndarray, orientation: str, style_seed: int, mixed_precision: bool = False
    ) -> np.ndarray:
        """One network's images in [-1, 1] of label maps, both [slice, rows, columns]."""
        style = self.styles(style_seed)
        of_all = None if style is None else style.expand(len(label), -1)
        return self.networks[orientation].draw(label, of_all, mixed_precision)

    def paint_all(
        self, label: np.ndarray, style_seed: int, mixed_precision: bool = False
    ) -> torch.Tensor:
        """The volumes of all orientations, stacked: (3, z, y, x)."""
        named = [name for name in AXES if name in self.networks]
        volumes = [self.paint_volume(label, name, style_seed, mixed_precision) for name in named]
        return torch.from_numpy(np.stack(volumes))

    def render(
        self, label: np.ndarray, appearance: CaseAppearance
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The fused image and, where uncertainty is asked for, the disagreement of its three
        volumes; float32 [z, y, x]."""
        volumes = self.paint_all(label, appearance.style_seed, appearance.mixed_precision)
        fused = self.fuse(volumes, label, appearance.fuse)
        apart = fusion.disagreement(volumes).numpy() if appearance.uncertainty else None
        return fused.numpy(), apart

    def paint(
        self, case: Case, label: np.ndarray, subject: Subject, style_ends: StyleEnds | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """See factory.families.base.Painter."""
        return self.render(label, case.appearance)

    def fuse(self, volumes: torch.Tensor, label: np.ndarray, rule: str | dict) -> torch.Tensor:
        """By a rule of factory.models.fusion_rules, or within the brain's box by the trained
        network.
        """
        if not (isinstance(rule, dict) and "cnn" in rule):
            return fusion.fuse(volumes, rule)
        if self.cnn is None:
            raise WeightsError(f"fuse {rule}: no fusion is loaded")
        fused = fusion.mean(volumes)
        box = tuple(
            slice(max(side.start - MARGIN, 0), side.stop + MARGIN) for side in tissue_slices(label)
        )
        restored = restore(self.cnn, volumes[:, *box].to(self.device)).cpu()
        fused[box] = restored.clamp(*RANGE)
        return fused
