"""The segmenter's training loop, one straight line."""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from factory.families.segmenter.recipe import SegmenterAugment, SegmenterTraining
from factory.imaging.pictures import picture_rows
from factory.metrics.overlap import label_dice
from factory.models.checkpoint import load_state, save_state
from factory.models.segmenter import Segmenter, SegmenterConfig, dice_loss, initialise
from factory.training.augmentation import transform_in_plane
from factory.training.run import Run
from factory.training.schedules import cosine_after_half
from factory.training.slices import SliceSampler

BATCH = 8
"""Slices a forward pass where nothing is learnt."""

SHOWN = 9
"""Held-out slices in a sample grid."""

Slices = tuple[np.ndarray, np.ndarray]
"""Labels uint8 and images float32 in [-1, 1], each (B, H, W)."""


def network(recipe: SegmenterTraining, labels: int) -> Segmenter:
    """The same initial weights on every worker."""
    made = Segmenter(SegmenterConfig(labels, **recipe.model.model_dump()))
    initialise(made, torch.Generator().manual_seed(recipe.seed))
    return made


def batch(samplers: list[SliceSampler], step: int, recipe: SegmenterTraining) -> Slices:
    """The global batch of a step, a function of (seed, step) alone: one orientation's slices, the
    next step's of the next orientation."""
    labels, images = samplers[step % len(samplers)].batch(step, recipe.batch)
    made = [
        augmented(label, image, recipe.augment, (recipe.seed, step * recipe.batch + i))
        for i, (label, image) in enumerate(zip(labels, images, strict=True))
    ]
    return np.stack([label for label, _ in made]), np.stack([image for _, image in made])


def augmented(
    label: np.ndarray, image: np.ndarray, augment: SegmenterAugment, key: tuple[int, int]
) -> Slices:
    """A slice moved, its labels with it, and its intensities changed, by a seed's draws."""

    def rng(stream: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, stream]))

    label = transform_in_plane(label, augment, rng(1))
    image = transform_in_plane(image, augment, rng(1), order=1, outside=-1.0)
    gamma, gain, noise, *_ = rng(2).standard_normal(3)
    bright = np.clip((image + 1) / 2, 0, 1) ** math.exp(augment.gamma * gamma)
    bright = bright * math.exp(augment.gain * gain)
    bright += augment.noise * abs(noise) * rng(3).standard_normal(image.shape) * (bright > 0)
    return label, np.clip(2 * bright - 1, -1, 1).astype(np.float32)


def train(
    recipe: SegmenterTraining,
    samplers: list[SliceSampler],
    held_out: Slices,
    labels: int,
    run: Run,
) -> dict[str, Any]:
    """Train from where the folder left off; returns the last state's plain values.

    samplers: one an orientation. held_out: scored and drawn, never learnt from. Writes
    checkpoint.safetensors, losses.csv and samples/ in run.folder.
    """
    model = network(recipe, labels).to(run.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    modules: dict[str, nn.Module] = {"segmenter": model}
    optimisers = {"optimiser": torch.optim.Adam(model.parameters(), recipe.learning_rate)}
    checkpoint = run.folder / "checkpoint.safetensors"
    state: dict[str, Any] = {"step": 0, "hours": 0.0}
    if checkpoint.exists():
        state = load_state(checkpoint, modules, optimisers)
        run.truncate_losses(state["step"] * recipe.batch)
    step, hours_before = state["step"], state["hours"]
    forward: nn.Module = DistributedDataParallel(model) if run.world > 1 else model
    share = run.share(recipe.batch)
    autocast = torch.autocast(run.device.type, torch.bfloat16, enabled=recipe.mixed_precision)

    while step < recipe.steps:
        for group in optimisers["optimiser"].param_groups:
            group["lr"] = recipe.learning_rate * cosine_after_half(step, recipe.steps)
        label, image = batch(samplers, step, recipe)
        label_BHW = torch.from_numpy(label[share]).to(run.device)
        image_B1HW = torch.from_numpy(image[share])[:, None].to(run.device)
        with autocast:
            logits_BKHW = forward(image_B1HW)
        losses = {
            "cross_entropy": F.cross_entropy(logits_BKHW.float(), label_BHW.long()),
            "dice": dice_loss(logits_BKHW.float(), label_BHW),
        }
        optimisers["optimiser"].zero_grad()
        (losses["cross_entropy"] + losses["dice"]).backward()
        optimisers["optimiser"].step()
        step += 1

        last = step == recipe.steps
        if step == 1 or step % recipe.log_every == 0 or last:
            values = run.mean_losses(losses, step)
            values["held_out_dice"] = held_out_dice(model, held_out, run)
            run.log(recipe.name, step * recipe.batch, recipe.steps * recipe.batch, values)
        if run.rank == 0 and (step % recipe.sample_every == 0 or last):
            draw(model, held_out, run, step)
        if step % recipe.checkpoint_every == 0 or last:
            run.mean_losses(losses, step)
            state = {"step": step, "hours": hours_before + run.hours()}
            if run.rank == 0:
                save_state(checkpoint, modules, optimisers, state)
    return state


@torch.no_grad()
def segmented(model: nn.Module, image_BHW: np.ndarray, device: torch.device) -> np.ndarray:
    """Labels uint8 (B, H, W) by the network as it stands."""
    model.eval()
    runs = torch.from_numpy(image_BHW)[:, None].split(BATCH)
    made = torch.cat([model(run.to(device)).argmax(1).cpu() for run in runs])
    model.train()
    return made.numpy().astype(np.uint8)


def held_out_dice(model: nn.Module, held_out: Slices, run: Run) -> float:
    """The mean Dice of the structures over all held-out slices together."""
    label, image = held_out
    made = segmented(model, image, run.device)
    overlaps = [label_dice(made, label, v) for v in np.unique(label) if v]
    return float(np.mean(overlaps)) if overlaps else 0.0


def draw(model: nn.Module, held_out: Slices, run: Run, step: int) -> None:
    """A sample grid: held-out images, their labels, and what the network takes them for."""
    label, image = held_out
    chosen = np.linspace(0, len(label) - 1, min(SHOWN, len(label))).astype(int)
    label, image = label[chosen], image[chosen]
    made, most = segmented(model, image, run.device), float(label.max())
    rows = [
        ("image, held out", image, "gray", -1.0, 1.0),
        ("label", label, "nipy_spectral", 0.0, most),
        ("segmented", made, "nipy_spectral", 0.0, most),
    ]
    picture_rows(run.folder / "samples" / f"step-{step:06d}.png", rows)
