"""A small 3D U-Net in plain PyTorch: training on patches of datasets, and prediction of volumes."""

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

import factory
from factory.torch import PatchDataset, PatchLoader


def _block(channels: int, out: int) -> nn.Sequential:
    """Return two convolutions with normalisation and leaky ReLU."""
    layers: list[nn.Module] = []
    for source in (channels, out):
        layers += [nn.Conv3d(source, out, 3, padding=1), nn.InstanceNorm3d(out, affine=True)]
        layers += [nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """[b, 1, z, y, x], sides divisible by 2 ** (levels - 1), to logits [b, labels, z, y, x]."""

    def __init__(self, labels: int, width: int = 10, levels: int = 4) -> None:
        super().__init__()
        widths = [min(width * 2**level, 80) for level in range(levels)]
        self.down = nn.ModuleList(map(_block, [1, *widths[:-1]], widths))
        self.up = nn.ModuleList(_block(a + b, a) for a, b in pairwise(widths))
        self.out = nn.Conv3d(width, labels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        skips = []
        for level, down in enumerate(self.down):
            x = down(F.max_pool3d(x, 2) if level else x)
            skips.append(x)
        for level in reversed(range(len(self.up))):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = self.up[level](torch.cat([skips[level], x], 1))
        return self.out(x)


def normalise_patch(image: torch.Tensor) -> torch.Tensor:
    """Return images [b, 1, z, y, x] with the 1st percentile at 0 and the 99th at 1, each."""
    flat = image.flatten(1)[:, ::7].float()
    low, high = (flat.quantile(q, dim=1).view(-1, 1, 1, 1, 1) for q in (0.01, 0.99))
    return (image - low) / (high - low).clamp_min(1e-3)


def _loss_of(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy, and 1 − soft Dice over the batch without the background."""
    one_hot = F.one_hot(label, logits.shape[1]).movedim(-1, 1).float()
    predicted, axes = logits.softmax(1), (0, 2, 3, 4)
    both = 2 * (predicted * one_hot).sum(axes)
    dice = (both + 1) / (predicted.sum(axes) + one_hot.sum(axes) + 1)
    return F.cross_entropy(logits, label) + 1 - dice[1:].mean()


def train_segmenter(
    datasets: Sequence[str],
    classes: Mapping[str, int],
    steps: int,
    seed: int,
    folder: Path,
    patch: int = 64,
    batch: int = 1,
) -> UNet:
    """Train a U-Net on patches of datasets; a training that was stopped goes on.

    Args:
        datasets: Paths of datasets with one label table.
        classes: The class of each label by name; labels that are not named are background.
        steps: Optimiser steps.
        seed: Of the weights and the patches.
        folder: Where the checkpoint is kept.
        patch: Voxels along the edge of a patch.
        batch: Patches a step.
    """
    torch.manual_seed(seed)
    patches = PatchDataset(list(datasets), patch, length=steps * batch, seed=seed, foreground=0.7)
    names = list(factory.open(datasets[0]).labels)
    lookup = torch.tensor([classes.get(name, 0) for name in names])
    network = UNet(max(classes.values()) + 1)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    checkpoint, first = folder / f"segmenter-{seed}.safetensors", 0
    if checkpoint.exists():
        state = load_file(checkpoint)
        first = int(state.pop("step"))
        network.load_state_dict(state)
        for _ in range(first):
            decay.step()
    begin, total = time.perf_counter(), 0.0
    for step, item in enumerate(PatchLoader(patches, batch), 1):
        if step <= first:
            continue
        label = lookup[item["label"][:, 0].long()]
        loss = _loss_of(network(normalise_patch(item["image"])), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay.step()
        total += loss.item() / 50
        if step % 50 == 0 or step == steps:
            left = (time.perf_counter() - begin) / (step - first) * (steps - step)
            print(f"step {step} / {steps}: loss {total:.3f}, {left / 60:.0f} min left", flush=True)
            save_file({**network.state_dict(), "step": torch.tensor(step)}, checkpoint)
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


def dice_by_class(
    predicted: np.ndarray, label: np.ndarray, names: Sequence[str]
) -> dict[str, float]:
    """Return the Dice of each class by name; class 1 is the first name."""
    scores = {}
    for value, name in enumerate(names, 1):
        a, b = predicted == value, label == value
        scores[name] = float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))
    return scores
