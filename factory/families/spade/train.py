"""The SPADE training loop: one orientation, one straight line (Park et al. 2019, sections 3–4)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from factory.families.spade.recipe import SpadeTraining
from factory.imaging.pictures import sample_grid
from factory.models.checkpoint import load_state, save_state
from factory.models.features.vgg import VggFeatures, perceptual, weights_file
from factory.models.losses import (
    feature_matching,
    hinge_discriminator,
    hinge_generator,
    kl_divergence,
)
from factory.models.spade.network import (
    MultiScaleDiscriminator,
    SpadeConfig,
    SpadeGenerator,
    StyleEncoder,
    initialise,
    one_hot,
)
from factory.training.run import Run
from factory.training.schedules import constant_then_linear
from factory.training.slices import SliceSampler


def networks(recipe: SpadeTraining, labels: int, seed: int) -> dict[str, nn.Module]:
    """Generator, discriminator and, with a latent, encoder: the same weights on every worker."""
    config = SpadeConfig(labels=labels, **recipe.model.model_dump())
    modules: dict[str, nn.Module] = {
        "generator": SpadeGenerator(config),
        "discriminator": MultiScaleDiscriminator(labels, **recipe.discriminator.model_dump()),
    }
    if config.latent:
        modules["encoder"] = StyleEncoder(config.latent, recipe.model.width)
    rng = torch.Generator().manual_seed(seed)
    for module in modules.values():
        initialise(module, rng)
    return modules


def train(
    recipe: SpadeTraining,
    orientation: str,
    sampler: SliceSampler,
    held_out: tuple[np.ndarray, np.ndarray],
    labels: int,
    run: Run,
) -> dict[str, Any]:
    """Train one orientation from where its folder left off; returns the figures for the card.

    sampler gives the training slices; held_out (labels, images) are drawn and scored, never
    learnt from. Writes checkpoint.safetensors, losses.csv and samples/ in run.folder.
    """
    modules = networks(recipe, labels, recipe.seed)
    channels_last = torch.channels_last
    for module in modules.values():
        module.to(run.device).to(memory_format=channels_last)  # type: ignore[call-overload]
    generator, discriminator = modules["generator"], modules["discriminator"]
    encoder = modules.get("encoder")
    vgg = VggFeatures(weights_file()).to(run.device) if recipe.loss.perceptual else None
    optimiser = recipe.optimiser
    optimisers = {
        "optimiser_g": torch.optim.Adam(
            [p for m in (generator, encoder) if m is not None for p in m.parameters()],
            optimiser.lr_generator, (optimiser.beta1, optimiser.beta2),
        ),
        "optimiser_d": torch.optim.Adam(
            discriminator.parameters(),
            optimiser.lr_discriminator, (optimiser.beta1, optimiser.beta2),
        ),
    }  # fmt: skip
    checkpoint = run.folder / "checkpoint.safetensors"
    state: dict[str, Any] = {"step": 0, "hours": 0.0}
    if checkpoint.exists():
        state = load_state(checkpoint, modules, optimisers)
        run.truncate_losses(state["step"] * recipe.batch)
    step = state["step"]

    forward_g: nn.Module = GeneratorStep(generator, encoder)
    forward_d: nn.Module = discriminator
    if run.world > 1:
        forward_g = DistributedDataParallel(forward_g)
        forward_d = DistributedDataParallel(forward_d)

    steps_an_epoch = max(1, len(sampler) // recipe.batch)
    constant, decay = recipe.niter * steps_an_epoch, recipe.niter_decay * steps_an_epoch
    total = constant + decay
    share = run.share(recipe.batch)
    autocast = torch.autocast(
        run.device.type, torch.bfloat16, enabled=recipe.mixed_precision, cache_enabled=False
    )
    hours_before = state["hours"]
    title = f"{recipe.name} {orientation}"

    while step < total:
        for name, lr in (("g", optimiser.lr_generator), ("d", optimiser.lr_discriminator)):
            for group in optimisers[f"optimiser_{name}"].param_groups:
                group["lr"] = lr * constant_then_linear(step, constant, decay)

        label, image = sampler.batch(step, recipe.batch)
        labels_BKHW = one_hot(torch.from_numpy(label[share]).to(run.device), labels)
        labels_BKHW = labels_BKHW.to(memory_format=channels_last)
        real_B1HW = torch.from_numpy(image[share])[:, None].to(run.device)
        size = len(real_B1HW)
        twice_BKHW = torch.cat([labels_BKHW, labels_BKHW])

        # Generator: fool the discriminator, match its features, stay near the real slice.
        discriminator.requires_grad_(False)
        with autocast:
            noise = noise_for(step, recipe, share).to(run.device) if encoder is not None else None
            fake_B1HW, mu_BZ, logvar_BZ = forward_g(labels_BKHW, real_B1HW, noise)
            scores = discriminator(twice_BKHW, torch.cat([fake_B1HW, real_B1HW]))
            of_fake, of_real = halves(scores, size)
            losses = {
                "adversarial": hinge_generator(of_fake),
                "features": recipe.loss.feature_matching * feature_matching(of_real, of_fake),
            }
            if recipe.loss.reconstruction:
                distance = (fake_B1HW.float() - real_B1HW).abs().mean()
                losses["reconstruction"] = recipe.loss.reconstruction * distance
            if vgg is not None:
                losses["perceptual"] = recipe.loss.perceptual * perceptual(
                    vgg, fake_B1HW, real_B1HW
                )
            if mu_BZ is not None:
                # A sum over the global batch: DDP averages, hence the factor.
                losses["kl"] = recipe.loss.kl * kl_divergence(mu_BZ, logvar_BZ) * run.world
        optimisers["optimiser_g"].zero_grad()
        sum(losses.values(), torch.zeros((), device=run.device)).backward()
        optimisers["optimiser_g"].step()

        # Discriminator: real and fake in one batch.
        discriminator.requires_grad_(True)
        with autocast:
            scores = forward_d(twice_BKHW, torch.cat([fake_B1HW.detach(), real_B1HW]))
            of_fake, of_real = halves(scores, size)
            losses["discriminator"] = hinge_discriminator(of_real, of_fake)
        optimisers["optimiser_d"].zero_grad()
        losses["discriminator"].backward()
        optimisers["optimiser_d"].step()
        step += 1

        last = step == total
        if step % recipe.log_every == 0 or last:
            values = run.mean_losses(losses, step)
            values["held_out_l1"] = held_out_l1(generator, held_out, labels, run, recipe)
            run.log(title, step * recipe.batch, total * recipe.batch, values)
        if run.rank == 0 and (step % recipe.sample_every == 0 or last):
            drawn = paint(generator, held_out[0], labels, run.device)
            sample_grid(run.folder / "samples" / f"step-{step:06d}.png", *held_out, drawn)
        if step % recipe.checkpoint_every == 0 or last:
            run.mean_losses(losses, step)
            if run.rank == 0:
                hours = hours_before + run.hours()
                plain = {"step": step, "hours": hours}
                save_state(checkpoint, modules, optimisers, plain)
                state = plain
    return {"steps": step, "images": step * recipe.batch, "hours": round(state["hours"], 3)}


class GeneratorStep(nn.Module):
    """Encoder and generator as one module, so that workers share one all-reduce."""

    def __init__(self, generator: nn.Module, encoder: nn.Module | None) -> None:
        super().__init__()
        self.generator, self.encoder = generator, encoder

    def forward(
        self, labels_BKHW: Tensor, real_B1HW: Tensor, noise_BZ: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        if self.encoder is None or noise_BZ is None:
            return self.generator(labels_BKHW), None, None
        mu_BZ, logvar_BZ = self.encoder(real_B1HW)
        style_BZ = mu_BZ + noise_BZ * torch.exp(0.5 * logvar_BZ)
        return self.generator(labels_BKHW, style_BZ), mu_BZ, logvar_BZ


def noise_for(step: int, recipe: SpadeTraining, share: slice) -> Tensor:
    """This worker's rows of the step's reparametrisation noise (B, Z)."""
    rng = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    return torch.randn(recipe.batch, recipe.model.latent, generator=rng)[share]


def halves(
    features: list[list[Tensor]], size: int
) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """Split features of [fake, real] batches into those of fake and those of real."""
    fake = [[f[:size] for f in scale] for scale in features]
    real = [[f[size:] for f in scale] for scale in features]
    return fake, real


@torch.no_grad()
def paint(
    generator: nn.Module, label_BHW: np.ndarray, labels: int, device: torch.device
) -> np.ndarray:
    """Images (B, H, W) of label slices, by the generator as it stands, at zero style."""
    generator.eval()
    one_hot_BKHW = one_hot(torch.from_numpy(label_BHW).to(device), labels)
    config: Any = generator.config
    latent = config.latent
    style = torch.zeros(len(label_BHW), latent, device=device) if latent else None
    drawn = generator(one_hot_BKHW, style)[:, 0].float().cpu().numpy()
    generator.train()
    return drawn


def held_out_l1(
    generator: nn.Module,
    held_out: tuple[np.ndarray, np.ndarray],
    labels: int,
    run: Run,
    recipe: SpadeTraining,
) -> float:
    """Mean |fake − real| inside the brain of the held-out slices, in the network's [-1, 1]."""
    label, image = held_out
    drawn = paint(generator, label, labels, run.device)
    return float(np.abs(drawn - image)[label > 0].mean())
