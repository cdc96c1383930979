"""The StyleGAN2-ADA training loop (Karras et al. 2020, both papers): one straight line.

Every random number is a function of (seed, step, purpose) for the global batch, of which each
worker takes its rows: runs with 1 and with n workers, and resumed ones, see the same.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from factory.families.stylegan2.data import PlaneSampler
from factory.families.stylegan2.losses import Losses, mean_over_workers
from factory.families.stylegan2.recipe import StyleGanTraining
from factory.families.stylegan2.steps import build_lazy_adam, crosses_multiple, update_weights
from factory.models.checkpoint import load_state, save_state
from factory.models.stylegan2.ada import AdaptiveP
from factory.models.stylegan2.network import Discriminator, Generator, StyleGanConfig
from factory.training.ema import update_ema
from factory.training.run import Run

PATH_DECAY = 0.01
ADA_EVERY = 4
EMA_SHARE = 10 / 32
"""Half-life of the averaged weights in batches of a thousand, where the recipe names none."""


def build_networks(recipe: StyleGanTraining, config: StyleGanConfig) -> dict[str, nn.Module]:
    """generator, discriminator and ema: the same weights on every worker."""
    rng = torch.Generator().manual_seed(recipe.seed)
    generator, discriminator = Generator(config, rng), Discriminator(config, rng)
    ema = copy.deepcopy(generator).requires_grad_(False).eval()
    return {"generator": generator, "discriminator": discriminator, "ema": ema}


def train(
    recipe: StyleGanTraining,
    config: StyleGanConfig,
    sampler: PlaneSampler,
    run: Run,
    started_from: nn.Module | None,
    snapshot: Callable[[nn.Module, float], None],
) -> None:
    """Train from where run.folder left off until recipe.kimg.

    started_from: a generator whose weights a fresh run begins with. snapshot: called by rank 0
    with the averaged generator and the kimg it has seen, at the start too.
    Raises TrainingDiverged at the first loss that is not finite.
    """
    modules = build_networks(recipe, config)
    if started_from is not None:
        for name in ("generator", "ema"):
            modules[name].load_state_dict(started_from.state_dict())
    for module in modules.values():
        # Half as long again on CPUs otherwise.
        module.to(run.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    generator, discriminator, ema = modules["generator"], modules["discriminator"], modules["ema"]
    loss, batch = recipe.loss, recipe.batch
    r1_weight = loss.r1 if loss.r1 is not None else 0.0002 * config.resolution**2 / batch
    optimisers = {
        "optimiser_g": build_lazy_adam(generator, recipe.learning_rate, loss.path_length_every),
        "optimiser_d": build_lazy_adam(discriminator, recipe.learning_rate, loss.r1_every),
    }
    ada = AdaptiveP(recipe.augmentation.target, recipe.augmentation.kimg * 1000, ADA_EVERY)
    path_mean = torch.zeros((), device=run.device)
    checkpoint = run.folder / "checkpoint.safetensors"
    state: dict[str, Any] = {"step": 0, "hours": 0.0}
    if checkpoint.exists():
        state = load_state(checkpoint, modules, optimisers)
        ada.load(state["ada"])
        path_mean.fill_(state["path_mean"])
        run.truncate_losses(state["step"] * batch)
    step, hours_before = state["step"], state["hours"]
    total = max(1, round(recipe.kimg * 1000 / batch))
    share = run.share(batch)
    half_life = recipe.ema_kimg * 1000 if recipe.ema_kimg else batch * EMA_SHARE * 1000

    def learn(of: str, module: nn.Module, value: Tensor) -> None:
        optimisers[of].zero_grad()
        value.backward()
        update_weights(optimisers[of], module, run.world)

    if run.rank == 0 and step == 0:
        snapshot(ema, 0.0)
    while step < total:
        real = sampler.batch(step, batch)
        real_BCHW = real.channels[share].to(run.device)
        known_B111 = real.known[share].to(run.device)
        p = ada.p if recipe.augmentation.fixed is None else recipe.augmentation.fixed
        of = Losses(recipe, config, generator, discriminator, run, step, p)

        discriminator.requires_grad_(False)
        losses = {"generator": of.generator_loss(known_B111)}
        learn("optimiser_g", generator, losses["generator"])
        if loss.path_length and step % loss.path_length_every == 0:
            lengths = of.path_lengths()
            path_mean.lerp_(mean_over_workers(lengths.detach().mean()), PATH_DECAY)
            losses["path_length"] = (lengths - path_mean).square().mean()
            weight = loss.path_length * loss.path_length_every
            learn("optimiser_g", generator, losses["path_length"] * weight)

        discriminator.requires_grad_(True)
        losses["discriminator"], sign = of.discriminator_loss(real_BCHW, known_B111)
        learn("optimiser_d", discriminator, losses["discriminator"])
        if recipe.augmentation.fixed is None:
            ada.update(float(mean_over_workers(sign)), batch)
        if r1_weight and step % loss.r1_every == 0:
            losses["r1"], nothing = of.r1(real_BCHW)
            weight = r1_weight / 2 * loss.r1_every
            learn("optimiser_d", discriminator, losses["r1"] * weight + nothing)

        step += 1
        # The average may look back on a twentieth of what has been seen, no further.
        decay = 0.5 ** (batch / max(min(half_life, step * batch * 0.05), 1e-8))
        update_ema(ema, generator, decay, copy_buffers=True)
        last = step == total
        if step % recipe.log_every == 0 or last:
            shown = {k: losses[k] for k in ("generator", "discriminator")}
            values = run.mean_losses(shown, step)
            values |= {"p": p, "r_t": ada.overfitting, "kimg": step * batch / 1000}
            run.log(recipe.name, step * batch, total * batch, values)
        if step % recipe.checkpoint_every == 0 or last:
            run.mean_losses(losses, step)
            if run.rank == 0:
                plain = {"step": step, "hours": hours_before + run.hours(), "ada": ada.state(),
                         "path_mean": float(path_mean)}  # fmt: skip
                save_state(checkpoint, modules, optimisers, plain)
        if run.rank == 0 and (crosses_multiple(step, batch, recipe.snapshot_kimg) or last):
            snapshot(ema, step * batch / 1000)
