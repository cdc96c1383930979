"""A small U-Net in plain PyTorch: training on patches of datasets, and prediction of volumes."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

import factory
from benchmarks.teaching.augmentation import augment_patch
from factory.torch import PatchDataset, PatchLoader

RATE = 2e-3
"""The learning rate of the first step; it falls to 0 as a cosine."""


@dataclass(frozen=True)
class TrainingPlan:
    """How a segmenter is trained.

    Attributes:
        classes: The class of each label by name; labels that are not named are background.
        dimensions: 2 for slices, 3 for volumes.
        patch: Voxels along the edge of a patch.
        batch: Patches a step.
        width: The channels of the first level.
        foreground: The share of patches that are centred on a class.
        augment: Whether patches are turned, scaled, and changed in gamma, brightness and noise.
    """

    classes: Mapping[str, int]
    dimensions: int = 3
    patch: int = 64
    batch: int = 1
    width: int = 10
    foreground: float = 0.7
    augment: bool = False

    @property
    def sides(self) -> tuple[int, int, int]:
        """Return the voxels of a patch along z, y, x."""
        return (self.patch if self.dimensions == 3 else 1, self.patch, self.patch)


def _block(dimensions: int, channels: int, out: int) -> nn.Sequential:
    """Return two convolutions with normalisation and leaky ReLU."""
    convolution = nn.Conv2d if dimensions == 2 else nn.Conv3d
    normalisation = nn.InstanceNorm2d if dimensions == 2 else nn.InstanceNorm3d
    layers: list[nn.Module] = []
    for source in (channels, out):
        layers += [convolution(source, out, 3, padding=1), normalisation(out, affine=True)]
        layers += [nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """[b, 1, (z), y, x], sides divisible by 2 ** (levels - 1), to logits [b, labels, (z), y, x]."""

    def __init__(self, labels: int, dimensions: int = 3, width: int = 10, levels: int = 4) -> None:
        super().__init__()
        self.pool = F.max_pool2d if dimensions == 2 else F.max_pool3d
        widths = [width * 2**level for level in range(levels)]
        down = pairwise([1, *widths])
        self.down = nn.ModuleList(_block(dimensions, a, b) for a, b in down)
        self.up = nn.ModuleList(_block(dimensions, a + b, a) for a, b in pairwise(widths))
        self.out = (nn.Conv2d if dimensions == 2 else nn.Conv3d)(width, labels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        skips = []
        for level, down in enumerate(self.down):
            x = down(self.pool(x, 2) if level else x)
            skips.append(x)
        for level in reversed(range(len(self.up))):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = self.up[level](torch.cat([skips[level], x], 1))
        return self.out(x)


def normalise_patch(image: torch.Tensor) -> torch.Tensor:
    """Return images [b, 1, …] with the 1st percentile at 0 and the 99th at 1, each."""
    flat = image.flatten(1)[:, ::7].float()
    one = (-1,) + (1,) * (image.ndim - 1)
    low, high = (flat.quantile(q, dim=1).view(one) for q in (0.01, 0.99))
    return (image - low) / (high - low).clamp_min(1e-3)


def _loss_of(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy, and 1 − soft Dice over the classes that the batch has.

    A class that is absent has a Dice of 1 as long as nobody predicts it, which teaches a network to
    predict no small structure at all; the cross-entropy punishes its false positives.
    """
    one_hot = F.one_hot(label, logits.shape[1]).movedim(-1, 1).float()
    predicted = logits.softmax(1)
    axes = (0, *range(2, logits.ndim))
    voxels = one_hot.sum(axes)[1:]
    both = 2 * (predicted * one_hot).sum(axes)[1:]
    dice = (both + 1) / (predicted.sum(axes)[1:] + voxels + 1)
    present = voxels > 0
    overlap = dice[present].mean() if present.any() else dice.new_ones(())
    return F.cross_entropy(logits, label) + 1 - overlap


def save_checkpoint(network: UNet, step: int, file: Path) -> None:
    """Write the weights and the number of steps."""
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file({**weights, "step": torch.tensor(step)}, file)


def train_segmenter(
    datasets: Mapping[str, float],
    plan: TrainingPlan,
    steps: int,
    seed: int,
    checkpoint: Path,
) -> UNet:
    """Train a U-Net on patches of datasets; a training that was stopped goes on.

    Args:
        datasets: The share of the patches that come from each dataset, by its path.
        plan: The network and the patches.
        steps: Optimiser steps.
        seed: Of the weights, the patches and their augmentation.
        checkpoint: A safetensors file.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    patches = PatchDataset(
        list(datasets),
        plan.sides,
        length=steps * plan.batch,
        seed=seed,
        foreground=plan.foreground,
        shares=list(datasets.values()),
    )
    lookup = torch.tensor([plan.classes.get(name, 0) for name in patches.table.names])
    layout = torch.channels_last_3d if plan.dimensions == 3 else torch.contiguous_format
    network = UNet(max(plan.classes.values()) + 1, plan.dimensions, plan.width)
    network = network.to(memory_format=layout)
    optimiser = torch.optim.AdamW(network.parameters(), RATE)
    first = 0
    if checkpoint.exists():
        state = load_file(checkpoint)
        first = int(state.pop("step"))
        network.load_state_dict(state)
    generator = torch.Generator().manual_seed(seed * 1_000_003 + first)
    begin, total = time.perf_counter(), 0.0
    for step, item in enumerate(PatchLoader(patches, plan.batch), 1):
        if step <= first:
            continue
        image, label = item["image"], lookup[item["label"][:, 0].long()]
        if plan.dimensions == 2:
            image, label = image[:, :, 0], label[:, 0]
        image = normalise_patch(image)
        if plan.augment:
            image, label = augment_patch(image, label, generator)
        with torch.autocast("cpu", torch.bfloat16):  # half the time of float32
            logits = network(image.contiguous(memory_format=layout))
        loss = _loss_of(logits.float(), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.param_groups[0]["lr"] = RATE * (1 + math.cos(math.pi * step / steps)) / 2
        optimiser.step()
        total += loss.item() / 50
        if step % 50 == 0 or step == steps:
            left = (time.perf_counter() - begin) / (step - first) * (steps - step)
            print(f"step {step} / {steps}: loss {total:.3f}, {left / 60:.1f} min left", flush=True)
            save_checkpoint(network, step, checkpoint)
            total = 0.0
    return network


@torch.no_grad()
def segment_volume(network: UNet, image: np.ndarray, patch: int = 64) -> np.ndarray:
    """Segment a volume [z, y, x] by patches that overlap by half; classes, uint8."""
    network.eval()
    padded = np.pad(image, [(0, max(0, patch - n)) for n in image.shape])
    tensor = normalise_patch(torch.from_numpy(padded.astype(np.float32))[None, None])
    scores = torch.zeros(network.out.out_channels, *padded.shape)
    starts = [sorted({*range(0, n - patch + 1, patch // 2), n - patch}) for n in padded.shape]
    for z in starts[0]:
        for y in starts[1]:
            for x in starts[2]:
                box = tuple(slice(start, start + patch) for start in (z, y, x))
                scores[(slice(None), *box)] += network(tensor[(slice(None), slice(None), *box)])[0]
    classes: np.ndarray = scores.argmax(0).numpy().astype(np.uint8)
    return classes[tuple(slice(n) for n in image.shape)]


@torch.no_grad()
def segment_slices(network: UNet, image: np.ndarray) -> np.ndarray:
    """Segment a stack [z, y, x] slice by slice; classes, uint8."""
    network.eval()
    _, height, width = image.shape
    padded = np.pad(image, [(0, 0), (0, -height % 8), (0, -width % 8)])
    slices = normalise_patch(torch.from_numpy(padded.astype(np.float32))[:, None])
    classes: np.ndarray = network(slices).argmax(1).numpy().astype(np.uint8)
    return classes[:, :height, :width]


def dice_by_class(
    predicted: np.ndarray, label: np.ndarray, names: Sequence[str]
) -> dict[str, float]:
    """Return the Dice of each class by name; class 1 is the first name."""
    scores = {}
    for value, name in enumerate(names, 1):
        a, b = predicted == value, label == value
        if b.any():
            scores[name] = float(2 * (a & b).sum() / (a.sum() + b.sum()))
    return scores


def test_segmenter(
    network: UNet, dataset: str, plan: TrainingPlan, names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return the Dice of each class for each sample of a dataset, by the sample's case id."""
    opened = factory.open(dataset)
    lookup = np.array([plan.classes.get(name, 0) for name in opened.labels], np.uint8)
    scores = {}
    for sample in opened:
        image, label = sample.arrays["image"], lookup[sample.arrays["label"]]
        if plan.dimensions == 2:
            predicted = segment_slices(network, image)
        else:
            predicted = segment_volume(network, image, plan.patch)
        scores[str(sample.columns["subject"])] = dice_by_class(predicted, label, names)
    return scores
