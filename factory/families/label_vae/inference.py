"""New anatomies from the latent codes of a label VAE (Amirrajab et al.).

Within a subject, the codes of its slices are interpolated to another number of slices. Between two
subjects, both are first brought to the same number of slices, and then interpolated slice by slice.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from factory.families.label_vae.label_maps import slice_positions, subject_maps
from factory.models.checkpoint import WeightsError, load_weights, read_card
from factory.models.label_vae import PATHS, LabelVae, LabelVaeConfig, path, prior
from factory.models.spade.network import one_hot
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import Grid, Subject, label_dtype

BATCH = 32
"""Label maps of a forward pass. It is fixed, since convolutions of other batch sizes differ in the
last bits."""


def resampled_spacing_mm(spacing_mm: float, slices: int, count: int) -> float:
    """Return the spacing of `count` slices over the extent of `slices`: (n − 1) · dz / (m − 1)."""
    return (slices - 1) * spacing_mm / (count - 1) if count > 1 else spacing_mm


class LabelVaeCodec:
    """A label VAE from a model folder: encodes label maps, and decodes latent codes.

    Attributes:
        card: The model's JSON card.
        device: Where it computes.
        config: The configuration of the network.
        vae: The network.
    """

    def __init__(self, folder: Path, device: torch.device | None = None) -> None:
        """Load the network.

        Args:
            folder: The model folder.
            device: Where it computes; by default the CPU.

        Raises:
            WeightsError: The folder does not contain a label VAE.
        """
        self.card, self.device = read_card(folder), device or torch.device("cpu")
        if self.card["family"] != "label_vae":
            raise WeightsError(f"{folder}: family {self.card['family']!r}; expected 'label_vae'")
        self.config = LabelVaeConfig(**self.card["config"])
        self.vae = LabelVae(self.config)
        load_weights(folder, "vae", self.vae, self.card).to(self.device)

    @torch.inference_mode()
    def encode(self, label_NS: np.ndarray) -> Tensor:
        """Return the codes μ (N, Z) of label maps uint8 (N, *shape)."""
        codes = []
        for start in range(0, len(label_NS), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(label_NS[start : start + BATCH]))
            mu_BZ, _ = self.vae.encode(one_hot(batch.to(self.device), self.config.labels))
            codes.append(mu_BZ)
        return torch.cat(codes).cpu()

    @torch.inference_mode()
    def decode(self, codes_NZ: Tensor) -> np.ndarray:
        """Return the label maps (N, *shape) of codes."""
        label_maps = [
            self.vae.decode(batch.to(self.device)).argmax(1).cpu().numpy()
            for batch in torch.split(codes_NZ, BATCH)
        ]
        return np.concatenate(label_maps).astype(label_dtype(self.config.labels))

    def draw_from_prior(self, count: int, seed: int) -> np.ndarray:
        """Return label maps uint8 (count, *shape) of codes sampled from N(0, 1)."""
        rng = torch.Generator().manual_seed(seed)
        return self.decode(prior(count, self.config.latent, rng))

    def codes(self, subject: Subject, slices: int, method: str) -> Tensor:
        """Return the codes of a subject.

        Args:
            subject: The subject.
            slices: Number of slices to which the codes are interpolated.
            method: "linear" or "spherical".

        Returns:
            A code for each slice (slices, Z); of a model of volumes one code (1, Z).
        """
        codes = self.encode(subject_maps(subject, self.config.shape))
        if len(self.config.shape) == 3:
            return codes
        return path(codes, torch.from_numpy(slice_positions(len(codes), slices)), method)


def interpolate_within(
    codec: LabelVaeCodec, subject: Subject, slices: int, method: str = "linear"
) -> Subject:
    """Return the anatomy of a subject in another number of slices over the same extent.

    Args:
        codec: The label VAE.
        subject: The subject.
        slices: The new number of slices.
        method: "linear" or "spherical".

    Returns:
        The subject without an image, since no scanner has seen the new slices.
    """
    label = as_volume(codec.decode(codec.codes(subject, slices, method)))
    return make_subject(subject, subject.id, label, slice_spacing_mm(subject, len(label)), {})


def interpolate_between(
    codec: LabelVaeCodec,
    first: Subject,
    last: Subject,
    steps: int,
    slices: int,
    method: str = "linear",
) -> list[Subject]:
    """Return anatomies between two subjects, at t = k / (steps + 1) for k = 1 … steps.

    For the other arguments see `interpolate_at`.
    """
    return [
        interpolate_at(codec, first, last, k / (steps + 1), slices, method)
        for k in range(1, steps + 1)
    ]


def interpolate_at(
    codec: LabelVaeCodec,
    first: Subject,
    last: Subject,
    t: float,
    slices: int,
    method: str = "linear",
) -> Subject:
    """Return the anatomy at one position between two subjects.

    Args:
        codec: The label VAE.
        first: The subject at t = 0.
        last: The subject at t = 1.
        t: The position, 0 to 1. The spacing of the slices is interpolated at t as well.
        slices: Number of slices.
        method: "linear" or "spherical".
    """
    ends = [codec.codes(s, slices, method) for s in (first, last)]
    label = as_volume(codec.decode(PATHS[method](ends[0], ends[1], t)))
    a, b = (slice_spacing_mm(s, len(label)) for s in (first, last))
    origin = {"between": [first.id, last.id], "t": round(t, 6)}
    return make_subject(first, f"{first.id}-{last.id}-{t:.4f}", label, (1 - t) * a + t * b, origin)


def as_volume(label_maps: np.ndarray) -> np.ndarray:
    """Return decoded label maps as one volume [z, y, x]: all slices, or the only volume."""
    return label_maps[0] if label_maps.ndim == 4 else label_maps


def slice_spacing_mm(subject: Subject, count: int) -> float:
    """Return the spacing of `count` slices over the extent of a subject's tissue."""
    filled = np.flatnonzero(subject.label.any(axis=(1, 2)))
    return resampled_spacing_mm(subject.grid.spacing[0], int(np.ptp(filled)) + 1, count)


def make_subject(
    template: Subject, id: str, label: np.ndarray, spacing_mm: float, metadata: JsonObject
) -> Subject:
    """Return a subject with a new label map.

    Args:
        template: Gives the in-plane spacing, the label table and the metadata.
        id: The new id.
        label: uint8 [z, y, x].
        spacing_mm: The spacing of the slices.
        metadata: Added to the template's metadata.
    """
    z, y, x = label.shape
    grid = Grid.centred((z, y, x), (spacing_mm, *template.grid.spacing[1:]))
    return Subject(id, label, grid, template.table, None, {**template.metadata, **metadata})
