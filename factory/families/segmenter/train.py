"""The segmenter's training loop."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from factory.families.segmenter.recipe import SegmenterAugment, SegmenterTraining
from factory.imaging.pictures import draw_image_rows
from factory.metrics.overlap import label_dice
from factory.models.segmenter import Segmenter, SegmenterConfig, dice_loss, initialise
from factory.training.augmentation import transform_in_plane
from factory.training.loop import TrainingLoop
from factory.training.run import Run
from factory.training.schedules import cosine_after_half, set_learning_rate
from factory.training.slices import SliceSampler, add_channel_axis, count_channels

BATCH = 8
"""Slices of a forward pass without gradients."""

GRID_COLUMNS = 9
"""Held-out slices in a sample grid."""

Slices = tuple[np.ndarray, np.ndarray]
"""Labels [slice, row, column], and images float32 in [-1, 1] of the same shape, or with an axis of
channels after that of slices."""


def build_network(recipe: SegmenterTraining, labels: int, channels: int = 1) -> Segmenter:
    """Build the network with its initial weights, the same on every worker.

    Args:
        recipe: Width and seed of the network.
        labels: Number of labels, including the background.
        channels: Number of channels of the images.
    """
    config = SegmenterConfig(labels, channels=channels, **recipe.model.model_dump())
    network = Segmenter(config)
    initialise(network, torch.Generator().manual_seed(recipe.seed))
    return network


def draw_batch(samplers: list[SliceSampler], step: int, recipe: SegmenterTraining) -> Slices:
    """Draw the augmented global batch of a step, a function of (seed, step) alone.

    Args:
        samplers: One for each orientation; successive steps use successive orientations.
        step: Index of the step, from 0.
        recipe: Batch size, augmentation and seed.
    """
    labels, images = samplers[step % len(samplers)].batch(step, recipe.batch)
    pairs = [
        augment_slice(label, image, recipe.augment, (recipe.seed, step * recipe.batch + i))
        for i, (label, image) in enumerate(zip(labels, images, strict=True))
    ]
    return np.stack([label for label, _ in pairs]), np.stack([image for _, image in pairs])


def augment_slice(
    label: np.ndarray, image: np.ndarray, augment: SegmenterAugment, key: tuple[int, int]
) -> Slices:
    """Transform a label map and its image alike, and change the image's intensities.

    Args:
        label: [row, column].
        image: float32 [row, column] or [channel, row, column], in [-1, 1].
        augment: How strong the changes are.
        key: Seed of the random numbers.
    """

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
) -> None:
    """Train the network, from the checkpoint in the run's folder if there is one.

    Writes checkpoint.safetensors, losses.csv and samples/ into the folder.

    Args:
        recipe: The training recipe.
        samplers: Draw the training slices, one sampler for each orientation.
        held_out: Slices that are segmented and scored, but never trained on.
        labels: Number of labels, including the background.
        run: The worker's rank, device and folder.

    Raises:
        TrainingDiverged: A loss is not finite.
    """
    model = build_network(recipe, labels, count_channels(held_out[1])).to(run.device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(model.parameters(), recipe.learning_rate)
    optimisers = {"optimiser": optimiser}
    loop = TrainingLoop(recipe, run, {"segmenter": model}, optimisers, recipe.steps)
    forward, autocast = run.distribute(model), run.autocast(recipe.mixed_precision)
    share = run.share(recipe.batch)

    for step in loop.steps():
        set_learning_rate(optimiser, recipe.learning_rate * cosine_after_half(step, recipe.steps))
        label, image = draw_batch(samplers, step, recipe)
        label_BHW = torch.from_numpy(label[share]).to(run.device)
        image_BIHW = torch.from_numpy(add_channel_axis(image[share])).to(run.device)
        with autocast:
            logits_BKHW = forward(image_BIHW)
        losses = {
            "cross_entropy": F.cross_entropy(logits_BKHW.float(), label_BHW.long()),
            "dice": dice_loss(logits_BKHW.float(), label_BHW),
        }
        optimiser.zero_grad()
        (losses["cross_entropy"] + losses["dice"]).backward()
        optimiser.step()

        if step == 0 or loop.is_due(recipe.log_every):
            values = loop.mean_losses(losses)
            loop.log(values | {"held_out_dice": held_out_dice(model, held_out, run)})
        if run.rank == 0 and loop.is_due(recipe.sample_every):
            draw_samples(model, held_out, run, loop.step)
        if loop.is_due(recipe.checkpoint_every):
            loop.save(losses)


@torch.no_grad()
def segment_slices(model: nn.Module, images: np.ndarray, device: torch.device) -> np.ndarray:
    """Segment images (B, H, W) or (B, I, H, W) with the current weights; returns (B, H, W)."""
    model.eval()
    batches = torch.from_numpy(add_channel_axis(images)).split(BATCH)
    label_BHW = torch.cat([model(batch.to(device)).argmax(1).cpu() for batch in batches])
    model.train()
    return label_BHW.numpy().astype(np.int32)


def held_out_dice(model: nn.Module, held_out: Slices, run: Run) -> float:
    """Return the mean Dice of the structures, each over all held-out slices together."""
    label, image = held_out
    segmented = segment_slices(model, image, run.device)
    overlaps = [label_dice(segmented, label, value) for value in np.unique(label) if value]
    return float(np.mean(overlaps)) if overlaps else 0.0


def draw_samples(model: nn.Module, held_out: Slices, run: Run, step: int) -> None:
    """Write a picture of held-out images, their labels and their segmentations."""
    label, image = held_out
    columns = np.linspace(0, len(label) - 1, min(GRID_COLUMNS, len(label))).astype(int)
    label, image = label[columns], image[columns]
    segmented, highest = segment_slices(model, image, run.device), float(label.max())
    rows = [
        ("image, held out", add_channel_axis(image)[:, 0], "gray", -1.0, 1.0),
        ("label", label, "nipy_spectral", 0.0, highest),
        ("segmented", segmented, "nipy_spectral", 0.0, highest),
    ]
    draw_image_rows(run.sample_file(step), rows)
