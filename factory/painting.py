"""Label volume -> image volume: three SPADE networks, one a slicing direction, and their fusion."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from factory.cases import Case
from factory.fusing import check_fusion
from factory.intensities import RANGE, from_network
from factory.orientations import AXES, brain_box, cut, grown, paste, slices, volume
from models import fusion
from models.checkpoint import WeightsError, load_weights, read_card
from models.cnn_fusion import CnnFusion, CnnFusionConfig, restore
from models.neighbourhoods import LabelMaps
from models.spade import STRIDE, SpadeConfig, SpadeGenerator
from storage.subject import Subject

BATCH = 8
"""Slices a forward pass. Fixed: convolutions differ in the last bits between batch sizes."""

RUN = 32
"""Slices whose label maps are prepared together: their neighbourhoods recur, and their tables stay
small. No faster with more."""

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

    def loaded(self, folder: Path, name: str) -> SpadeGenerator:
        network = load_weights(folder, name, SpadeGenerator(self.config), self.card)
        return cast(SpadeGenerator, network.to(self.device))

    def styles(self, seed: int) -> torch.Tensor | None:
        """A style code (1, Z) drawn from its prior, or None where the model has no latent."""
        if not self.config.latent:
            return None
        rng = torch.Generator().manual_seed(seed)
        return torch.randn(1, self.config.latent, generator=rng).to(self.device)

    @torch.inference_mode()
    def paint(self, label: np.ndarray, orientation: str, style_seed: int) -> np.ndarray:
        """One network's volume float32 [z, y, x], in units of the brain's 99.5th percentile.

        The planes are cropped to the brain's box, padded to the network's stride; slices without
        tissue are not drawn, and what lies outside the box is 0.
        """
        stack = slices(label, orientation)
        _, rows, columns = (grown(side, MARGIN, STRIDE) for side in brain_box(stack))
        filled = np.flatnonzero(stack.any(axis=(1, 2)))
        drawn = np.full(stack.shape, -1.0, np.float32)
        plane = (slice(0, len(filled)), rows, columns)
        into = drawn[filled]
        paste(into, plane, self.draw(cut(stack[filled], plane), orientation, style_seed))
        drawn[filled] = into
        return volume(from_network(drawn), orientation)

    def draw(self, label: np.ndarray, orientation: str, style_seed: int) -> np.ndarray:
        """One network's images in [-1, 1] of label maps, both [slice, rows, columns]."""
        network, style = self.networks[orientation], self.styles(style_seed)
        images = []
        for run in torch.from_numpy(label).to(self.device).split(RUN):
            labels = network.prepare(LabelMaps(run, self.config.labels))
            for start in range(0, len(run), BATCH):
                chosen = slice(start, start + BATCH)
                of_all = None if style is None else style.expand(len(run[chosen]), -1)
                of_these = [each[chosen] for each in labels]
                images.append(network.draw(of_these, of_all)[:, 0].cpu())
        return torch.cat(images).numpy()

    def paint_all(self, label: np.ndarray, style_seed: int) -> torch.Tensor:
        """The volumes of all orientations, stacked: (3, z, y, x)."""
        volumes = [self.paint(label, o, style_seed) for o in AXES if o in self.networks]
        return torch.from_numpy(np.stack(volumes))

    def render(
        self, label: np.ndarray, appearance: dict[str, Any]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The fused image and, where uncertainty is asked for, the disagreement of its three
        volumes; float32 [z, y, x]."""
        volumes = self.paint_all(label, appearance["style_seed"])
        fused = self.fuse(volumes, label, appearance["fuse"])
        apart = fusion.disagreement(volumes).numpy() if appearance.get("uncertainty") else None
        return fused.numpy(), apart

    def painted(
        self, case: Case, label: np.ndarray, subject: Subject
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """See factory.painters."""
        return self.render(label, case.appearance)

    def fuse(self, volumes: torch.Tensor, label: np.ndarray, rule: str | dict) -> torch.Tensor:
        """By a rule of models.fusion, or within the brain's box by the trained network."""
        if not (isinstance(rule, dict) and "cnn" in rule):
            return fusion.fuse(volumes, rule)
        if self.cnn is None:
            raise WeightsError(f"fuse {rule}: no fusion is loaded")
        fused = fusion.mean(volumes)
        box = tuple(
            slice(max(side.start - MARGIN, 0), side.stop + MARGIN) for side in brain_box(label)
        )
        restored = restore(self.cnn, volumes[:, *box].to(self.device)).cpu()
        fused[box] = restored.clamp(*RANGE)
        return fused
