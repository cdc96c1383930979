"""The training loop of ultrasound to MR, one straight line (Jiao et al., equations 1–9)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from factory.families.ultrasound_to_mri.data import UnpairedSampler
from factory.families.ultrasound_to_mri.methods import METHODS, build_discriminators, build_networks
from factory.families.ultrasound_to_mri.recipe import UltrasoundToMriTraining
from factory.imaging.pictures import draw_image_rows
from factory.models.checkpoint import load_state, save_state
from factory.models.losses import log_discriminator, log_generator
from factory.models.ultrasound_to_mri.edges import EdgeNet
from factory.training.ema import update_ema
from factory.training.run import Run
from factory.training.schedules import linear_after_half

SHOWN = 8
"""Held-out ultrasounds in a sample grid, and MR planes beside them."""

SNAPSHOTS = ("start", "middle", "end")
"""When the averaged generator is kept apart, to be scored once the training is over."""


def train(
    recipe: UltrasoundToMriTraining,
    sampler: UnpairedSampler,
    shown: tuple[np.ndarray, np.ndarray],
    run: Run,
) -> dict[str, Any]:
    """Train from where the folder left off; returns the last state's plain values.

    shown: ultrasound and MR planes (N, H, W), drawn as samples, never learnt from. Writes
    checkpoint.safetensors, start, middle and end.safetensors (the averaged generator), losses.csv
    and samples/.
    """
    nets, players = build_networks(recipe), build_discriminators(recipe)
    ema = build_networks(recipe)["generator"]
    modules = {**nets, **{f"judge-{k}": v for k, v in players.items()}, "ema": ema}
    for module in modules.values():
        module.to(run.device)
    rates = recipe.optimiser
    betas = (rates.beta1, rates.beta2)
    learnt_g = [p for m in nets.values() for p in m.parameters()]
    learnt_d = [p for m in players.values() for p in m.parameters()]
    optimisers = {"optimiser_g": torch.optim.Adam(learnt_g, rates.lr_generator, betas, fused=True)}
    if players:
        optimisers["optimiser_d"] = torch.optim.Adam(
            learnt_d, rates.lr_discriminator, betas, fused=True
        )
    draw = METHODS[recipe.method]
    frozen = {**nets, "edges": EdgeNet().to(run.device)}
    checkpoint = run.folder / "checkpoint.safetensors"
    state: dict[str, Any] = {"step": 0, "hours": 0.0}
    if checkpoint.exists():
        state = load_state(checkpoint, modules, optimisers)
        run.truncate_losses(state["step"] * recipe.batch)
    step, hours_before = state["step"], state["hours"]
    share = run.share(recipe.batch)
    autocast = torch.autocast(
        run.device.type, torch.bfloat16, enabled=recipe.mixed_precision, cache_enabled=False
    )
    if step == 0:
        snapshot(ema, run, "start", step)

    while step < recipe.steps:
        lrs = {"optimiser_g": rates.lr_generator, "optimiser_d": rates.lr_discriminator}
        for name, optimiser in optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = lrs[name] * linear_after_half(step, recipe.steps)
        us_B1HW, mri_B1HW = (
            torch.from_numpy(a[share])[:, None].to(run.device)
            for a in sampler.batch(step, recipe.batch)
        )

        # Generators: what must be alike in L1, and what must be taken for real.
        for judge in players.values():
            judge.requires_grad_(False)
        with autocast:
            drawn = draw(frozen, us_B1HW, mri_B1HW)
            losses = {
                name: recipe.loss.l1 * (made - wanted).abs().mean()
                for name, (made, wanted) in drawn.alike.items()
            }
            for name, judge in players.items():
                losses[name] = log_generator(judge(drawn.adversarial[name][1]))
        descend(optimisers["optimiser_g"], losses, learnt_g, run)

        # Discriminators: the same pairs, which no longer lead back to the generators.
        for judge in players.values():
            judge.requires_grad_(True)
        if players:
            with autocast:
                against = {
                    f"judge_{name}": log_discriminator(
                        *(judge(x.detach()) for x in drawn.adversarial[name])
                    )
                    for name, judge in players.items()
                }
            descend(optimisers["optimiser_d"], against, learnt_d, run)
            losses |= against
        decay = min(recipe.ema, (1 + step) / (10 + step))
        update_ema(ema, nets["generator"], decay, copy_buffers=False)
        step += 1

        last = step == recipe.steps
        if step == 1 or step % recipe.log_every == 0 or last:
            values = run.mean_losses(losses, step)
            run.log(recipe.name, step * recipe.batch, recipe.steps * recipe.batch, values)
        if run.rank == 0 and (step % recipe.sample_every == 0 or last):
            grid(ema, nets, shown, run, step)
        if step == recipe.steps // 2:
            snapshot(ema, run, "middle", step)
        if step % recipe.checkpoint_every == 0 or last:
            run.mean_losses(losses, step)
            state |= {"step": step, "hours": hours_before + run.hours()}
            if run.rank == 0:
                save_state(checkpoint, modules, optimisers, state)
    snapshot(ema, run, "end", step)
    return state


def descend(
    optimiser: torch.optim.Optimizer, losses: dict[str, Tensor], learnt: Sequence[Tensor], run: Run
) -> None:
    """One step down the sum of losses, its gradient averaged over the workers."""
    optimiser.zero_grad()
    sum(losses.values(), torch.zeros((), device=run.device)).backward()
    if run.world > 1:
        # What no loss reaches (decoder B of a plain GAN) has no gradient, on any worker.
        gradients = [p.grad for p in learnt if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        parts = (flat / run.world).split([g.numel() for g in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
    optimiser.step()


def snapshot(ema: nn.Module, run: Run, when: str, step: int) -> None:
    if run.rank == 0:
        save_state(run.folder / f"{when}.safetensors", {"generator": ema}, {}, {"step": step})


@torch.no_grad()
def grid(
    ema: nn.Module,
    nets: dict[str, nn.Module],
    shown: tuple[np.ndarray, np.ndarray],
    run: Run,
    step: int,
) -> None:
    """A sample grid: held-out ultrasounds, what is drawn of them, and MR beside, not theirs."""
    count = min(SHOWN, *(len(a) for a in shown))
    us_NHW, mri_NHW = (a[:count] for a in shown)
    us_N1HW = torch.from_numpy(us_NHW)[:, None].to(run.device)
    mri_N1HW, again_N1HW, _ = ema(us_N1HW)
    drawn = {"MR drawn": mri_N1HW, "ultrasound by B": again_N1HW}
    if "backward" in nets:
        drawn["ultrasound by E"] = nets["backward"](mri_N1HW)[0]
    rows = [("ultrasound, held out", us_NHW)]
    rows += [(name, image[:, 0].cpu().numpy()) for name, image in drawn.items()]
    rows += [("real MR, of others", mri_NHW)]
    draw_image_rows(
        run.folder / "samples" / f"step-{step:06d}.png",
        [(name, planes, "gray", -1.0, 1.0) for name, planes in rows],
    )
