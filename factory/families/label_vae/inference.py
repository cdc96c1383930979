"""Anatomies between anatomies: paths through the latent codes of a label VAE (Amirrajab et al.).

Within a subject, the codes of its slices are interpolated to another number of slices; between
two subjects, both are brought to one number of slices first, and then slice by slice to the other.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from factory.families.label_vae.label_maps import maps, positions
from factory.models.checkpoint import WeightsError, load_weights, read_card
from factory.models.label_vae import PATHS, LabelVae, LabelVaeConfig, path, prior
from factory.models.spade.network import one_hot
from factory.storage.subjects.types import Grid, Subject

BATCH = 32
"""Maps a forward pass. Fixed: convolutions differ in the last bits between batch sizes."""


def spacing_within(dz_mm: float, slices: int, wanted: int) -> float:
    """Spacing (mm) of `wanted` slices over the span of `slices` of them: (n − 1) · dz / (m − 1)."""
    return (slices - 1) * dz_mm / (wanted - 1) if wanted > 1 else dz_mm


class LabelVaeCodec:
    """A label VAE of a model folder, loaded once: label maps to codes and back.

    card: its JSON card. Raises WeightsError where the folder is not a label VAE.
    """

    def __init__(self, folder: Path, device: torch.device | None = None) -> None:
        """device: by default the CPU."""
        self.card, self.device = read_card(folder), device or torch.device("cpu")
        if self.card["family"] != "label_vae":
            raise WeightsError(f"{folder}: family {self.card['family']!r}; expected 'label_vae'")
        self.config = LabelVaeConfig(**self.card["config"])
        self.vae: Any = load_weights(folder, "vae", LabelVae(self.config), self.card).to(
            self.device
        )

    @torch.inference_mode()
    def encode(self, maps: np.ndarray) -> Tensor:
        """The codes μ (N, Z) of label maps uint8 (N, *shape)."""
        codes = []
        for start in range(0, len(maps), BATCH):
            part = torch.from_numpy(np.ascontiguousarray(maps[start : start + BATCH]))
            codes.append(self.vae.encode(one_hot(part.to(self.device), self.config.labels))[0])
        return torch.cat(codes).cpu()

    @torch.inference_mode()
    def decode(self, codes_NZ: Tensor) -> np.ndarray:
        """Label maps uint8 (N, *shape)."""
        maps = [
            self.vae.decode(part.to(self.device)).argmax(1).cpu().numpy()
            for part in codes_NZ.split(BATCH)
        ]
        return np.concatenate(maps).astype(np.uint8)

    def prior(self, count: int, seed: int) -> np.ndarray:
        """Label maps (count, *shape) of codes drawn from N(0, 1)."""
        rng = torch.Generator().manual_seed(seed)
        return self.decode(prior(count, self.config.latent, rng))

    def codes(self, subject: Subject, slices: int, method: str) -> Tensor:
        """A subject's codes: of `slices` slices (slices, Z), or of the whole volume (1, Z)."""
        codes = self.encode(maps(subject, self.config.shape))
        if len(self.config.shape) == 3:
            return codes
        return path(codes, torch.from_numpy(positions(len(codes), slices)), method)


def within(
    latents: LabelVaeCodec, subject: Subject, slices: int, method: str = "linear"
) -> Subject:
    """The subject's anatomy in `slices` slices over the span of those that hold tissue.

    method: linear or spherical. The image is left behind: no one took it there.
    """
    label = stacked(latents.decode(latents.codes(subject, slices, method)))
    return made(subject, subject.id, label, depth_mm(subject, len(label)), {})


def between(
    latents: LabelVaeCodec,
    first: Subject,
    last: Subject,
    steps: int,
    slices: int,
    method: str = "linear",
) -> list[Subject]:
    """`steps` anatomies on the way from one subject to another, neither of them included, the k-th
    at t = k / (steps + 1)."""
    return [at(latents, first, last, k / (steps + 1), slices, method) for k in range(1, steps + 1)]


def at(
    latents: LabelVaeCodec,
    first: Subject,
    last: Subject,
    t: float,
    slices: int,
    method: str = "linear",
) -> Subject:
    """The anatomy at t in [0, 1] between two subjects: both brought to `slices` slices, then slice
    by slice from one to the other; its spacing lies at t between theirs."""
    ends = [latents.codes(s, slices, method) for s in (first, last)]
    label = stacked(latents.decode(PATHS[method](ends[0], ends[1], t)))
    a, b = (depth_mm(s, len(label)) for s in (first, last))
    about = {"between": [first.id, last.id], "t": round(t, 6)}
    return made(first, f"{first.id}-{last.id}-{t:.4f}", label, (1 - t) * a + t * b, about)


def stacked(maps: np.ndarray) -> np.ndarray:
    """Decoded maps as one volume [z, y, x]: slices as they come, or the single volume."""
    return maps[0] if maps.ndim == 4 else maps


def depth_mm(subject: Subject, wanted: int) -> float:
    """Spacing of `wanted` slices over the span of the subject's slices that hold tissue."""
    filled = np.flatnonzero(subject.label.any(axis=(1, 2)))
    return spacing_within(subject.grid.spacing[0], int(np.ptp(filled)) + 1, wanted)


def made(like: Subject, id: str, label: np.ndarray, dz: float, about: dict) -> Subject:
    z, y, x = label.shape
    grid = Grid.centred((z, y, x), (dz, *like.grid.spacing[1:]))
    return Subject(id, label, grid, like.table, None, {**like.metadata, **about})
