"""The training loop of StyleGAN2-ADA (Karras et al. 2020, both papers)."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from factory.families.stylegan2.data import PlaneSampler
from factory.families.stylegan2.losses import StyleGanLosses
from factory.families.stylegan2.recipe import StyleGanTraining
from factory.families.stylegan2.steps import (
    build_lazy_adam,
    crosses_multiple,
    descend,
    mean_over_workers,
)
from factory.models.stylegan2.ada import AdaptiveP
from factory.models.stylegan2.network import Discriminator, Generator, StyleGanConfig
from factory.training.ema import update_ema
from factory.training.loop import TrainingLoop
from factory.training.run import Run

ADA_INTERVAL = 4
"""Steps between two changes of the augmentation probability p."""

EMA_KIMG_PER_IMAGE = 10 / 32
"""The half-life of the averaged weights in kimg for each image of a batch, if the recipe does not
state it."""


@dataclass(frozen=True)
class Networks:
    """The networks of a training.

    Attributes:
        generator: The generator that is trained.
        discriminator: The discriminator that is trained.
        ema: The generator with averaged weights.
    """

    generator: Generator
    discriminator: Discriminator
    ema: Generator

    def by_name(self) -> dict[str, nn.Module]:
        """Return the networks by their names in a checkpoint."""
        return dict(vars(self))


def build_networks(recipe: StyleGanTraining, config: StyleGanConfig) -> Networks:
    """Return networks with the same initial weights on every worker."""
    rng = torch.Generator().manual_seed(recipe.seed)
    generator, discriminator = Generator(config, rng), Discriminator(config, rng)
    return Networks(generator, discriminator, copy.deepcopy(generator).requires_grad_(False).eval())


def train(
    recipe: StyleGanTraining,
    config: StyleGanConfig,
    sampler: PlaneSampler,
    run: Run,
    start: nn.Module | None,
    snapshot: Callable[[Generator, float], None],
) -> None:
    """Train from the checkpoint in the run's folder, if there is one.

    The function is long, since it shows all steps of the method in one place. It writes
    checkpoint.safetensors and losses.csv into the folder.

    Args:
        recipe: The training recipe.
        config: The configuration of the networks.
        sampler: Draws the training batches.
        run: The worker's rank, device and folder.
        start: A generator whose weights a new training starts from.
        snapshot: Called by rank 0 with the averaged generator and the kimg it has seen, also at the
            start.

    Raises:
        TrainingDiverged: A loss is not finite.
    """
    networks = place_networks(build_networks(recipe, config), start, run)
    generator, discriminator, ema = networks.generator, networks.discriminator, networks.ema
    options, batch, fixed_p = recipe.loss, recipe.batch, recipe.augmentation.fixed
    optimiser_g = build_lazy_adam(generator, recipe.learning_rate, options.path_length_every)
    optimiser_d = build_lazy_adam(discriminator, recipe.learning_rate, options.r1_every)
    optimisers = {"optimiser_g": optimiser_g, "optimiser_d": optimiser_d}
    criterion = StyleGanLosses(recipe, config, generator, discriminator, run)
    ada = AdaptiveP(recipe.augmentation.target, recipe.augmentation.kimg * 1000, ADA_INTERVAL)
    total = max(1, round(recipe.kimg * 1000 / batch))
    state = {"ada": ada.state(), "path_mean": 0.0}
    loop = TrainingLoop(recipe, run, networks.by_name(), optimisers, total, state=state)
    ada.load(loop.state["ada"])
    criterion.path_mean.fill_(loop.state["path_mean"])
    r1_weight = r1_penalty_weight(recipe)
    if run.rank == 0 and loop.step == 0:
        snapshot(ema, 0.0)

    for step in loop.steps():
        real_BCHW, labelled_B111 = load_batch(sampler, step, recipe, run)
        p = ada.p if fixed_p is None else fixed_p
        criterion.start_step(step, p)

        discriminator.requires_grad_(False)
        losses = {"generator": criterion.generator_loss(labelled_B111)}
        descend(optimiser_g, generator, losses["generator"], run)
        if options.path_length and step % options.path_length_every == 0:
            losses["path_length"] = criterion.path_length_penalty()
            weight = options.path_length * options.path_length_every
            descend(optimiser_g, generator, losses["path_length"] * weight, run)

        discriminator.requires_grad_(True)
        losses["discriminator"], sign = criterion.discriminator_loss(real_BCHW, labelled_B111)
        descend(optimiser_d, discriminator, losses["discriminator"], run)
        if fixed_p is None:
            ada.update(float(mean_over_workers(sign)), batch)
        if r1_weight and step % options.r1_every == 0:
            losses["r1"], zero = criterion.r1_penalty(real_BCHW)
            weight = r1_weight / 2 * options.r1_every
            descend(optimiser_d, discriminator, losses["r1"] * weight + zero, run)
        update_ema(ema, generator, ema_decay(recipe, loop.step), copy_buffers=True)

        kimg = loop.step * batch / 1000
        if loop.is_due(recipe.log_every):
            values = loop.mean_losses({k: losses[k] for k in ("generator", "discriminator")})
            loop.log(values | {"p": p, "r_t": ada.overfitting, "kimg": kimg})
        if loop.is_due(recipe.checkpoint_every):
            loop.state |= {"ada": ada.state(), "path_mean": float(criterion.path_mean)}
            loop.save(losses)
        if run.rank == 0 and is_snapshot_due(loop, recipe):
            snapshot(ema, kimg)


def place_networks(networks: Networks, start: nn.Module | None, run: Run) -> Networks:
    """Move networks to the worker's device, with the weights of `start` if it is given."""
    if start is not None:
        for generator in (networks.generator, networks.ema):
            generator.load_state_dict(start.state_dict())
    for module in networks.by_name().values():
        # On CPUs, another memory format would take half as long again.
        module.to(run.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return networks


def load_batch(
    sampler: PlaneSampler, step: int, recipe: StyleGanTraining, run: Run
) -> tuple[Tensor, Tensor]:
    """Return this worker's share of a step's batch on its device.

    Returns:
        The channels (B, C, H, W), and 1 for slices with a label map (B, 1, 1, 1).
    """
    share, batch = run.share(recipe.batch), sampler.batch(step, recipe.batch)
    return batch.channels[share].to(run.device), batch.is_labelled[share].to(run.device)


def r1_penalty_weight(recipe: StyleGanTraining) -> float:
    """Return γ, by default 0.0002 · resolution² / batch (the automatic configuration of ADA)."""
    if recipe.loss.r1 is not None:
        return recipe.loss.r1
    return 0.0002 * float(recipe.resolution) ** 2 / recipe.batch


def ema_decay(recipe: StyleGanTraining, step: int) -> float:
    """Return the decay of the averaged weights after a number of steps.

    Their half-life is at most a twentieth of the images seen so far.
    """
    batch = recipe.batch
    half_life = recipe.ema_kimg * 1000 if recipe.ema_kimg else batch * EMA_KIMG_PER_IMAGE * 1000
    return float(0.5 ** (batch / max(min(half_life, step * batch * 0.05), 1e-8)))


def is_snapshot_due(loop: TrainingLoop, recipe: StyleGanTraining) -> bool:
    """Return whether a snapshot is taken after the current step."""
    is_last = loop.step == loop.total
    return is_last or crosses_multiple(loop.step, recipe.batch, recipe.snapshot_kimg)
