"""The SPADE training loop for one orientation (Park et al. 2019, sections 3 and 4)."""

import numpy as np
import torch
from torch import Tensor, nn

from factory.families.spade.losses import GeneratorStep, SpadeLosses, descend
from factory.families.spade.recipe import SpadeTraining
from factory.imaging.pictures import draw_sample_grid
from factory.models.spade.network import (
    MultiScaleDiscriminator,
    SpadeConfig,
    SpadeGenerator,
    StyleEncoder,
    initialise,
    one_hot,
)
from factory.training.loop import TrainingLoop
from factory.training.run import Run
from factory.training.schedules import constant_then_linear, set_learning_rate
from factory.training.slices import SliceSampler, add_channel_axis, count_channels

Slices = tuple[np.ndarray, np.ndarray]
"""Labels [slice, row, column], and images float32 in [-1, 1] of the same shape, or with an axis of
channels after that of slices."""


def build_networks(
    recipe: SpadeTraining, labels: int, seed: int, channels: int = 1
) -> dict[str, nn.Module]:
    """Build generator, discriminator and, with a latent, encoder, with their initial weights.

    Args:
        recipe: Widths and other options of the networks.
        labels: Number of labels, including the background.
        seed: Seed of the weights, the same on every worker.
        channels: Number of channels of the images.
    """
    config = SpadeConfig(labels=labels, channels=channels, **recipe.model.model_dump())
    discriminator = recipe.discriminator.model_dump()
    modules: dict[str, nn.Module] = {
        "generator": SpadeGenerator(config),
        "discriminator": MultiScaleDiscriminator(labels, **discriminator, channels=channels),
    }
    if config.latent:
        modules["encoder"] = StyleEncoder(config.latent, recipe.model.width, channels)
    rng = torch.Generator().manual_seed(seed)
    for module in modules.values():
        initialise(module, rng)
    return modules


def build_optimisers(
    recipe: SpadeTraining, modules: dict[str, nn.Module]
) -> dict[str, torch.optim.Adam]:
    """Build one Adam for generator and encoder, and one for the discriminator."""
    options = recipe.optimiser
    betas = (options.beta1, options.beta2)
    generating = [modules[name] for name in ("generator", "encoder") if name in modules]
    parameters = [p for module in generating for p in module.parameters()]
    judging = modules["discriminator"].parameters()
    return {
        "optimiser_g": torch.optim.Adam(parameters, options.lr_generator, betas),
        "optimiser_d": torch.optim.Adam(judging, options.lr_discriminator, betas),
    }


def train(
    recipe: SpadeTraining,
    orientation: str,
    sampler: SliceSampler,
    held_out: Slices,
    labels: int,
    run: Run,
) -> None:
    """Train one orientation, from the checkpoint in the run's folder if there is one.

    Writes checkpoint.safetensors, losses.csv and samples/ into the folder.

    Args:
        recipe: The training recipe.
        orientation: The orientation of the slices, for the progress lines.
        sampler: Draws the training slices.
        held_out: Slices that are drawn and scored, but never trained on.
        labels: Number of labels, including the background.
        run: The worker's rank, device and folder.

    Raises:
        TrainingDiverged: A loss is not finite.
    """
    modules = build_networks(recipe, labels, recipe.seed, count_channels(held_out[1]))
    for module in modules.values():
        module.to(run.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    generator, discriminator = modules["generator"], modules["discriminator"]
    optimisers = build_optimisers(recipe, modules)
    constant, decay = (n * epoch_steps(sampler, recipe) for n in (recipe.niter, recipe.niter_decay))
    title = f"{recipe.name} {orientation}"
    loop = TrainingLoop(recipe, run, modules, optimisers, constant + decay, title=title)
    forward_g = run.distribute(GeneratorStep(generator, modules.get("encoder")))
    forward_d = run.distribute(discriminator)
    criterion, autocast = SpadeLosses(recipe, run), run.autocast(recipe.mixed_precision)

    for step in loop.steps():
        set_learning_rates(optimisers, recipe, constant_then_linear(step, constant, decay))
        labels_BKHW, real_BIHW = load_batch(sampler, step, recipe, labels, run)

        discriminator.requires_grad_(False)
        with autocast:
            fake_BIHW, *style = forward_g(labels_BKHW, real_BIHW, style_noise(step, recipe, run))
            losses = criterion.of_generator(discriminator, labels_BKHW, real_BIHW, fake_BIHW, style)
        descend(optimisers["optimiser_g"], losses, run)

        discriminator.requires_grad_(True)
        with autocast:
            judging = criterion.of_discriminator(forward_d, labels_BKHW, real_BIHW, fake_BIHW)
        descend(optimisers["optimiser_d"], judging, run)
        losses |= judging

        if loop.is_due(recipe.log_every):
            values = loop.mean_losses(losses)
            loop.log(values | {"held_out_l1": held_out_l1(generator, held_out, labels, run)})
        if run.rank == 0 and loop.is_due(recipe.sample_every):
            fake = draw_images(generator, held_out[0], labels, run.device)
            draw_sample_grid(run.sample_file(loop.step), *held_out, fake)
        if loop.is_due(recipe.checkpoint_every):
            loop.save(losses)


def set_learning_rates(
    optimisers: dict[str, torch.optim.Adam], recipe: SpadeTraining, factor: float
) -> None:
    """Set the learning rates to the recipe's, times a factor."""
    set_learning_rate(optimisers["optimiser_g"], recipe.optimiser.lr_generator * factor)
    set_learning_rate(optimisers["optimiser_d"], recipe.optimiser.lr_discriminator * factor)


def epoch_steps(sampler: SliceSampler, recipe: SpadeTraining) -> int:
    """Return the number of steps of an epoch, which shows as many slices as contain tissue."""
    return max(1, len(sampler) // recipe.batch)


def load_batch(
    sampler: SliceSampler, step: int, recipe: SpadeTraining, labels: int, run: Run
) -> tuple[Tensor, Tensor]:
    """Return this worker's share of a step's batch, on its device.

    Returns:
        One-hot label maps (B, K, H, W), and images (B, I, H, W).
    """
    share = run.share(recipe.batch)
    label_BHW, image = sampler.batch(step, recipe.batch)
    labels_BKHW = one_hot(torch.from_numpy(label_BHW[share]).to(run.device), labels)
    real_BIHW = torch.from_numpy(add_channel_axis(image[share])).to(run.device)
    return labels_BKHW.to(memory_format=torch.channels_last), real_BIHW


def style_noise(step: int, recipe: SpadeTraining, run: Run) -> Tensor | None:
    """Return this worker's rows (B, Z) of a step's style noise; None without a latent."""
    if not recipe.model.latent:
        return None
    rng = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    noise_BZ = torch.randn(recipe.batch, recipe.model.latent, generator=rng)
    return noise_BZ[run.share(recipe.batch)].to(run.device)


@torch.no_grad()
def draw_images(
    generator: nn.Module, label_BHW: np.ndarray, labels: int, device: torch.device
) -> np.ndarray:
    """Draw images of label slices with the current weights, at a style code of zero.

    Returns:
        (B, H, W), or (B, I, H, W) of several channels.
    """
    generator.eval()
    one_hot_BKHW = one_hot(torch.from_numpy(label_BHW).to(device), labels)
    assert isinstance(generator, SpadeGenerator)
    latent = generator.config.latent
    style_BZ = torch.zeros(len(label_BHW), latent, device=device) if latent else None
    image_BIHW: Tensor = generator(one_hot_BKHW, style_BZ)
    generator.train()
    image = image_BIHW[:, 0] if generator.config.channels == 1 else image_BIHW
    return image.float().cpu().numpy()


def held_out_l1(generator: nn.Module, held_out: Slices, labels: int, run: Run) -> float:
    """Return the mean |fake − real| inside the labels of held-out slices, in units of [-1, 1]."""
    label, image = held_out
    fake = draw_images(generator, label, labels, run.device)
    error = np.abs(add_channel_axis(fake) - add_channel_axis(image)).mean(1)
    return float(error[label > 0].mean())
