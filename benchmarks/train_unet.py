"""A small 3D U-Net learns to segment, straight from a dataset; plain PyTorch.

    factory render hydrocephalus
    python benchmarks/train_unet.py hydrocephalus.zarr [STEPS]

The last subject of the table is held out. Printed: the loss as it falls, and the Dice over random
patches of the one held out, before and after.
"""

import sys
import time
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

import factory
from factory.torch import PatchDataset, PatchLoader

PATCH, BATCH, WIDTH = 40, 2, 8


def block(channels: int, out: int) -> nn.Sequential:
    """Return two convolutions with normalisation and leaky ReLU."""
    convs = [nn.Conv3d(source, out, 3, padding=1) for source in (channels, out)]
    rest = [nn.Sequential(nn.InstanceNorm3d(out, affine=True), nn.LeakyReLU(0.01)) for _ in convs]
    return nn.Sequential(convs[0], rest[0], convs[1], rest[1])


class UNet(nn.Module):
    """Three levels; [b, 1, z, y, x], sides divisible by 4, to logits [b, labels, z, y, x]."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        widths = [WIDTH, 2 * WIDTH, 4 * WIDTH]
        self.down = nn.ModuleList(map(block, [1, *widths[:-1]], widths))
        self.up = nn.ModuleList(block(a + b, a) for a, b in pairwise(widths))
        self.out = nn.Conv3d(WIDTH, labels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        skips = []
        for level, down in enumerate(self.down):
            x = down(F.max_pool3d(x, 2) if level else x)
            skips.append(x)
        for level in (1, 0):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = self.up[level](torch.cat([skips[level], x], 1))
        return self.out(x)


def loss_of(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy, and 1 − soft Dice over the batch without the background."""
    one_hot = F.one_hot(label, logits.shape[1]).movedim(-1, 1).float()
    predicted, axes = logits.softmax(1), (0, 2, 3, 4)
    both = 2 * (predicted * one_hot).sum(axes)
    dice = (both + 1) / (predicted.sum(axes) + one_hot.sum(axes) + 1)
    return F.cross_entropy(logits, label) + 1 - dice[1:].mean()


@torch.no_grad()
def dice_of(network: UNet, held_out: PatchDataset) -> torch.Tensor:
    """Return the Dice of each label over some patches."""
    both = total = torch.zeros(network.out.out_channels)
    for batch in PatchLoader(held_out):
        predicted, label = network(batch["image"]).argmax(1), batch["label"][:, 0].long()
        for values in (predicted, label):
            total = total + torch.bincount(values.flatten(), minlength=len(total))
        both = both + torch.bincount(label[predicted == label], minlength=len(total))
    return (2 * both / total)[1:]


def main(path: str, steps: int) -> None:
    """Train the network, and print its Dice."""
    torch.manual_seed(0)
    dataset = factory.open(path)
    last = dataset.cases["subject"].iloc[-1]
    training, held_out = (
        dataset.where(f"subject != '{last}'"),
        dataset.where(f"subject == '{last}'"),
    )
    patches = PatchDataset(training, PATCH, length=steps * BATCH, seed=1, foreground=0.8)
    unseen = PatchDataset(held_out, 2 * PATCH, length=10, seed=2)
    loader = PatchLoader(patches, BATCH, num_workers=1)
    network = UNet(len(dataset.labels))
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    print(f"{len(training)} samples to learn from, {len(held_out)} of {last} held out")
    print(f"Dice before: {dice_of(network, unseen).mean():.3f}", flush=True)
    begun, mean = time.perf_counter(), 0.0
    for step, batch in enumerate(loader, 1):
        loss = loss_of(network(batch["image"]), batch["label"][:, 0].long())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay.step()
        mean += loss.item() / 20
        if step % 20 == 0:
            print(f"step {step}: loss {mean:.3f}, {time.perf_counter() - begun:.0f} s", flush=True)
            mean = 0.0
    predicted = dice_of(network, unseen)
    named = zip(list(dataset.labels)[1:], predicted, strict=True)
    print(f"Dice after: {predicted.mean():.3f};", ", ".join(f"{name} {d:.3f}" for name, d in named))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 300)
