"""The StyleGAN2-ADA training loop (Karras et al. 2020, both papers): one straight line.

Every random number is a function of (seed, step, purpose) for the global batch, of which each
worker takes its rows: runs with 1 and with n workers, and resumed ones, see the same.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from factory.draws import seed_of
from factory.train.planes import PlaneSampler
from factory.train.run import Run
from factory.train.stylegan2_recipe import StyleGanTraining
from models.ada import AdaConfig, AdaptiveP, augment, drawn
from models.checkpoint import load_state, save_state
from models.stylegan2 import Discriminator, Generator, StyleGanConfig, mixed

PATH_DECAY = 0.01
BETA2 = 0.99
ADA_EVERY = 4
EMA_SHARE = 10 / 32
"""Half-life of the averaged weights in batches of a thousand, where the recipe names none."""


def networks(recipe: StyleGanTraining, config: StyleGanConfig) -> dict[str, nn.Module]:
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
    """
    modules = networks(recipe, config)
    if started_from is not None:
        for name in ("generator", "ema"):
            modules[name].load_state_dict(started_from.state_dict())
    for module in modules.values():
        # Half as long again on CPUs otherwise.
        module.to(run.device, memory_format=torch.channels_last)
    generator, discriminator, ema = modules["generator"], modules["discriminator"], modules["ema"]
    assert isinstance(generator, Generator)
    assert isinstance(ema, Generator)
    loss = recipe.loss
    r1_weight = loss.r1 if loss.r1 is not None else 0.0002 * config.resolution**2 / recipe.batch
    optimisers = {
        "optimiser_g": lazy_adam(generator, recipe.learning_rate, loss.path_length_every),
        "optimiser_d": lazy_adam(discriminator, recipe.learning_rate, loss.r1_every),
    }
    ada = AdaptiveP(recipe.augmentation.target, recipe.augmentation.kimg * 1000, ADA_EVERY)
    transforms = augmentation_of(recipe)
    path_mean = torch.zeros((), device=run.device)
    checkpoint = run.folder / "checkpoint.safetensors"
    state: dict[str, Any] = {"step": 0, "hours": 0.0}
    if checkpoint.exists():
        state = load_state(checkpoint, modules, optimisers)
        ada.load(state["ada"])
        path_mean.fill_(state["path_mean"])
        run.forget_after(state["step"] * recipe.batch)
    step, batch = state["step"], recipe.batch
    hours_before = state["hours"]
    total = max(1, round(recipe.kimg * 1000 / batch))
    share = run.share(batch)
    half_life = recipe.ema_kimg * 1000 if recipe.ema_kimg else batch * EMA_SHARE * 1000
    autocast = torch.autocast(
        run.device.type, torch.bfloat16, enabled=recipe.mixed_precision, cache_enabled=False
    )

    if run.rank == 0 and step == 0:
        snapshot(ema, 0.0)
    while step < total:
        draws = Step(recipe, config, step, share, run.device)
        real = sampler.batch(step, batch)
        real_BCHW = real.channels[share].to(run.device)
        known_B111 = real.known[share].to(run.device)
        p = recipe.augmentation.fixed if recipe.augmentation.fixed is not None else ada.p

        def seen(x: Tensor, what: str, p: float = p, draws: Step = draws) -> Tensor:
            """What the discriminator is shown: the same pipe for real and made, in float32."""
            with torch.autocast(run.device.type, enabled=False):
                q = drawn(transforms, batch, p, config.resolution, draws.rng(what)).part(share)
                noise = draws.normal(f"{what} noise", config.image_channels, *x.shape[2:])
                shown = augment(x.float(), q, config.image_channels, noise)
                return shown.contiguous(memory_format=torch.channels_last)

        # Generator: non-saturating, with style mixing.
        discriminator.requires_grad_(False)
        with autocast:
            w_BLZ = mixed_styles(generator, draws, "g", loss.mixing)
            fake_BCHW = generator(w_BLZ, draws.noise(generator, "g")) * mask(known_B111, config)
            score = discriminator(seen(fake_BCHW, "g"))
            losses = {"generator": F.softplus(-score.float()).mean()}
        optimisers["optimiser_g"].zero_grad()
        losses["generator"].backward()
        update(optimisers["optimiser_g"], generator, run)

        if loss.path_length and step % loss.path_length_every == 0:
            lengths = path_lengths(generator, draws, run)
            mean = over_workers_mean(lengths.detach().mean(), run)
            path_mean.lerp_(mean, PATH_DECAY)
            penalty = (lengths - path_mean).square().mean()
            losses["path_length"] = penalty
            optimisers["optimiser_g"].zero_grad()
            (penalty * loss.path_length * loss.path_length_every).backward()
            update(optimisers["optimiser_g"], generator, run)

        # Discriminator: made from the same styles' distribution, and real.
        discriminator.requires_grad_(True)
        with torch.no_grad(), autocast:
            w_BLZ = mixed_styles(generator, draws, "d", loss.mixing)
            fake_BCHW = generator(w_BLZ, draws.noise(generator, "d")) * mask(known_B111, config)
        with autocast:
            of_fake = discriminator(seen(fake_BCHW, "fake")).float()
            of_real = discriminator(seen(real_BCHW, "real")).float()
        losses["discriminator"] = F.softplus(of_fake).mean() + F.softplus(-of_real).mean()
        optimisers["optimiser_d"].zero_grad()
        losses["discriminator"].backward()
        update(optimisers["optimiser_d"], discriminator, run)
        sign = over_workers_mean(of_real.detach().sign().mean(), run)
        if recipe.augmentation.fixed is None:
            ada.see(float(sign), batch)

        if r1_weight and step % loss.r1_every == 0:
            image = real_BCHW.detach().requires_grad_(True)
            score = discriminator(seen(image, "r1"))
            (gradient,) = torch.autograd.grad(score.sum(), image, create_graph=True)
            penalty = gradient.square().sum((1, 2, 3)).mean()
            losses["r1"] = penalty
            optimisers["optimiser_d"].zero_grad()
            (penalty * (r1_weight / 2 * loss.r1_every) + 0 * score.sum()).backward()
            update(optimisers["optimiser_d"], discriminator, run)

        step += 1
        # The average may look back on a twentieth of what has been seen, no further.
        decay = 0.5 ** (batch / max(min(half_life, step * batch * 0.05), 1e-8))
        follow(ema, generator, decay)

        last = step == total
        if step % recipe.log_every == 0 or last:
            shown = {k: losses[k] for k in ("generator", "discriminator")}
            values = run.averaged(shown, step)
            values |= {"p": p, "r_t": ada.overfitting, "kimg": step * batch / 1000}
            run.log(recipe.name, step * batch, total * batch, values)
        if step % recipe.checkpoint_every == 0 or last:
            run.averaged(losses, step)
            if run.rank == 0:
                plain = {"step": step, "hours": hours_before + run.hours(), "ada": ada.state(),
                         "path_mean": float(path_mean)}  # fmt: skip
                save_state(checkpoint, modules, optimisers, plain)
        if run.rank == 0 and (passes(step, batch, recipe.snapshot_kimg) or last):
            snapshot(ema, step * batch / 1000)


class Step:
    """The random numbers of one step, by purpose, for this worker's rows of the global batch."""

    def __init__(
        self, recipe: StyleGanTraining, config: StyleGanConfig, step: int, share: slice,
        device: torch.device,
    ) -> None:  # fmt: skip
        self.recipe, self.config, self.step = recipe, config, step
        self.share, self.device, self.batch = share, device, recipe.batch

    def rng(self, purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of(self.recipe.seed, self.step, purpose))

    def normal(self, purpose: str, *shape: int) -> Tensor:
        whole = torch.randn(self.batch, *shape, generator=self.rng(purpose))
        return whole[self.share].to(self.device)

    def uniform(self, purpose: str) -> Tensor:
        whole = torch.rand(self.batch, generator=self.rng(purpose))
        return whole[self.share].to(self.device)

    def noise(self, generator: Generator, purpose: str) -> list[Tensor]:
        whole = generator.noise(self.batch, self.rng(f"{purpose} pixels"))
        return [layer[self.share].to(self.device) for layer in whole]


def mixed_styles(generator: Generator, draws: Step, purpose: str, chance: float) -> Tensor:
    """Styles (B, L, Z) of fresh latents, some crossed over at a random layer."""
    latent, layers = generator.config.latent, generator.config.layers
    w_BZ = generator.mapping(draws.normal(f"{purpose} z", latent))
    if purpose == "g":
        with torch.no_grad():
            mean = w_BZ.detach().float().mean(0)
            generator.mapping.average.lerp_(over_workers_mean(mean, None), 0.005)
    if not chance:
        return generator.styles(w_BZ)
    other_BZ = generator.mapping(draws.normal(f"{purpose} other z", latent))
    cuts = 1 + (draws.uniform(f"{purpose} cut") * (layers - 1)).long()
    cuts = torch.where(draws.uniform(f"{purpose} mix") < chance, cuts, layers)
    return mixed(generator.styles(w_BZ), generator.styles(other_BZ), cuts)


def path_lengths(generator: Generator, draws: Step, run: Run) -> Tensor:
    """How far an image moves with its style, |Jᵀ y| for y ~ N(0, 1) (section 3.2), for this
    worker's part of half a batch: (B / 2,)."""
    half = Step(draws.recipe, draws.config, draws.step, run.share(draws.batch // 2), draws.device)
    half.batch = draws.batch // 2
    w_BLZ = generator.styles(generator.mapping(half.normal("path z", generator.config.latent)))
    image = generator(w_BLZ, half.noise(generator, "path"))
    y = half.normal("path y", *image.shape[1:]) / image.shape[-1]
    (gradient,) = torch.autograd.grad((image * y).sum(), w_BLZ, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()


def mask(known_B111: Tensor, config: StyleGanConfig) -> Tensor:
    """1 for image channels, and for label channels where the real slice beside it had labels:
    where it had none, both sides show the discriminator blank ones."""
    ones = known_B111.new_ones(len(known_B111), config.image_channels, 1, 1)
    return torch.cat([ones, known_B111.expand(-1, config.labels, -1, -1)], 1)


def augmentation_of(recipe: StyleGanTraining) -> AdaConfig:
    chosen = AdaConfig.of_groups(recipe.augmentation.groups)
    return replace(chosen, **dict.fromkeys(recipe.augmentation.without, False))


def lazy_adam(module: nn.Module, rate: float, every: int) -> torch.optim.Adam:
    """Adam(0, 0.99) whose rate and decay make up for the extra steps of a regularisation every
    so many steps (Karras et al. 2020, appendix B)."""
    c = every / (every + 1)
    return torch.optim.Adam(module.parameters(), rate * c, (0.0, BETA2**c), eps=1e-8)


def update(optimiser: torch.optim.Optimizer, module: nn.Module, run: Run) -> None:
    """A step with the gradients averaged over workers."""
    if run.world > 1:
        for parameter in module.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)
            parameter.grad.div_(run.world)
    optimiser.step()


def over_workers_mean(value: Tensor, run: Run | None) -> Tensor:
    if dist.is_initialized() and dist.get_world_size() > 1:
        value = value.clone()
        dist.all_reduce(value)
        value /= dist.get_world_size()
    return value


@torch.no_grad()
def follow(ema: nn.Module, module: nn.Module, decay: float) -> None:
    for average, parameter in zip(ema.parameters(), module.parameters(), strict=True):
        average.lerp_(parameter, 1 - decay)
    for kept, buffer in zip(ema.buffers(), module.buffers(), strict=True):
        kept.copy_(buffer)


def passes(step: int, batch: int, every_kimg: float) -> bool:
    """Whether a multiple of every_kimg lies within this step."""
    every = every_kimg * 1000
    return step * batch // every > (step - 1) * batch // every
