"""A small 3D U-Net learns to segment, straight from a dataset; plain PyTorch.

    factory render hydrocephalus --set output.spacing_mm=2 --output heads.zarr
    python benchmarks/train_unet.py heads.zarr [STEPS]

The last two subjects of the table are held out. Printed: the loss as it falls, then the held-out
Dice of each label and their mean, before and after.
"""

import sys
import time
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

import factory
from factory.opened import OpenedDataset
from factory.torch import PatchDataset, PatchLoader

PATCH, BATCH, WIDTH = 32, 4, 8


def block(channels: int, out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for source in (channels, out):
        layers += [nn.Conv3d(source, out, 3, padding=1), nn.InstanceNorm3d(out, affine=True)]
        layers += [nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Three levels; [b, 1, z, y, x], sides divisible by 4, to logits [b, labels, z, y, x]."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        widths = [WIDTH, 2 * WIDTH, 4 * WIDTH]
        self.down = nn.ModuleList(map(block, [1, *widths[:-1]], widths))
        self.up = nn.ModuleList(block(a + b, a) for a, b in pairwise(widths))
        self.out = nn.Conv3d(WIDTH, labels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for level, down in enumerate(self.down):
            x = down(F.max_pool3d(x, 2) if level else x)
            skips.append(x)
        for level in (1, 0):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = self.up[level](torch.cat([skips[level], x], 1))
        return self.out(x)


def loss_of(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Cross-entropy, and 1 − soft Dice over the batch, the background left out."""
    one_hot = F.one_hot(label, logits.shape[1]).movedim(-1, 1).float()
    found, axes = logits.softmax(1), (0, 2, 3, 4)
    both = 2 * (found * one_hot).sum(axes)
    dice = (both + 1) / (found.sum(axes) + one_hot.sum(axes) + 1)
    return F.cross_entropy(logits, label) + 1 - dice[1:].mean()


@torch.no_grad()
def dice_of(network: UNet, held: OpenedDataset) -> torch.Tensor:
    """Dice a label over all held-out samples."""
    both = total = torch.zeros(len(held.labels))
    for i in range(len(held)):
        sample = held[i]
        found = network(torch.from_numpy(sample.arrays["image"])[None, None]).argmax(1)[0]
        label = torch.from_numpy(sample.arrays["label"]).long()
        count = [torch.bincount(v.flatten(), minlength=len(total)) for v in (found, label)]
        both = both + torch.bincount(label[found == label], minlength=len(total))
        total = total + count[0] + count[1]
    return (2 * both / total)[1:]


def main(path: str, steps: int) -> None:
    torch.manual_seed(0)
    dataset = factory.open(path)
    *learnt, a, b = dict.fromkeys(dataset.cases["subject"])
    held = dataset.where(f"subject in {[a, b]}")
    patches = PatchDataset(
        dataset.where(f"subject in {learnt}"), PATCH, length=steps * BATCH, seed=1, foreground=0.8
    )
    loader = PatchLoader(patches, BATCH, num_workers=1)
    network = UNet(len(dataset.labels))
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    print(f"held out: {a} and {b}, {len(held)} samples; Dice {dice_of(network, held).mean():.3f}")
    begun, mean = time.perf_counter(), 0.0
    for step, batch in enumerate(loader, 1):
        loss = loss_of(network(batch["image"]), batch["label"][:, 0].long())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay.step()
        mean += loss.item() / 25
        if step % 25 == 0:
            print(f"step {step}: loss {mean:.3f}, {time.perf_counter() - begun:.0f} s", flush=True)
            mean = 0.0
    for name, dice in zip(list(dataset.labels)[1:], dice_of(network, held), strict=True):
        print(f"{name}: {dice:.3f}")
    print(f"held-out Dice {dice_of(network, held).mean():.3f}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 300)
