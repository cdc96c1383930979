"""The training loop of the label VAE, one straight line (Amirrajab et al., figure 1)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from factory.families.label_vae.data import MapSampler
from factory.families.label_vae.recipe import LabelVaeTraining
from factory.imaging.pictures import draw_label_grid
from factory.metrics.overlap import label_dice
from factory.models.checkpoint import load_state, save_state
from factory.models.label_vae import LabelVae, LabelVaeConfig, cross_entropy, prior
from factory.models.losses import kl_divergence
from factory.models.spade.network import one_hot
from factory.training.ema import update_ema
from factory.training.run import Run
from factory.training.schedules import cosine_after_half

SHOWN = 10
"""Held-out maps, and draws from the prior, in a sample grid."""

BATCH = 32
"""Maps a forward pass where nothing is learnt."""


def network(recipe: LabelVaeTraining, labels: int) -> LabelVae:
    """The same initial weights on every worker, whatever the state of torch's own generator."""
    config = LabelVaeConfig(labels, recipe.shape, **recipe.model.model_dump())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return LabelVae(config)


def train(
    recipe: LabelVaeTraining, sampler: MapSampler, held_out: np.ndarray, labels: int, run: Run
) -> dict[str, Any]:
    """Train from where the folder left off; returns the last state's plain values.

    held_out: maps (N, *shape), scored and drawn, never learnt from. Writes checkpoint.safetensors,
    best.safetensors (the averaged weights at the least held-out loss), losses.csv and samples/.
    """
    model, ema = network(recipe, labels), network(recipe, labels)
    modules: dict[str, nn.Module] = {"vae": model.to(run.device), "ema": ema.to(run.device)}
    optimiser = torch.optim.Adam(model.parameters(), recipe.learning_rate)
    checkpoint, best = (run.folder / f"{n}.safetensors" for n in ("checkpoint", "best"))
    state: dict[str, Any] = {"step": 0, "hours": 0.0, "least": None, "waited": 0}
    if checkpoint.exists():
        state = load_state(checkpoint, modules, {"optimiser": optimiser})
        run.truncate_losses(state["step"] * recipe.batch)
    step, hours_before = state["step"], state["hours"]
    forward: nn.Module = DistributedDataParallel(model) if run.world > 1 else model
    share = run.share(recipe.batch)
    autocast = torch.autocast(run.device.type, torch.bfloat16, enabled=recipe.mixed_precision)

    while step < recipe.steps and not done(recipe, state):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * cosine_after_half(step, recipe.steps)
        label_BS = torch.from_numpy(sampler.batch(step, recipe.batch)[share]).to(run.device)
        beta = beta_at(step, recipe)
        with autocast:
            noise_BZ = noise_for(step, recipe, recipe.batch)[share].to(run.device)
            logits_BKS, mu_BZ, logvar_BZ = forward(one_hot(label_BS, labels), noise_BZ)
        losses = {
            "cross_entropy": cross_entropy(logits_BKS.float(), label_BS),
            "kl": kl_divergence(mu_BZ.float(), logvar_BZ.float()) / len(label_BS),
        }
        optimiser.zero_grad()
        (losses["cross_entropy"] + beta * losses["kl"]).backward()
        optimiser.step()
        update_ema(ema, model, min(recipe.ema, (1 + step) / (10 + step)), copy_buffers=False)
        step += 1

        last = step == recipe.steps
        if step == 1 or step % recipe.log_every == 0 or last:
            values = {**run.mean_losses(losses, step), "beta": beta}
            values |= held_out_scores(ema, held_out, recipe, run)
            # while beta rises, codes are not yet pressed together, and a least loss means little
            if beta == recipe.loss.beta or last:
                least = state["least"]
                better = least is None or values["held_out_loss"] < least
                state["waited"] = 0 if better else state["waited"] + 1
                if better:
                    state["least"] = values["held_out_loss"]
                    if run.rank == 0:
                        save_state(best, {"ema": ema}, {}, {"step": step, **values})
            run.log(recipe.name, step * recipe.batch, recipe.steps * recipe.batch, values)
        last = last or done(recipe, state)
        if run.rank == 0 and (step % recipe.sample_every == 0 or last):
            draw(ema, held_out, run, step, recipe.seed)
        if step % recipe.checkpoint_every == 0 or last:
            run.mean_losses(losses, step)
            state |= {"step": step, "hours": hours_before + run.hours()}
            if run.rank == 0:
                save_state(checkpoint, modules, {"optimiser": optimiser}, state)
    return state


def done(recipe: LabelVaeTraining, state: dict[str, Any]) -> bool:
    """Whether the held-out loss has stopped falling."""
    return 0 < recipe.patience <= state["waited"]


def beta_at(step: int, recipe: LabelVaeTraining) -> float:
    """The KL's weight: linearly from 0 to beta over the first `anneal` of the steps."""
    rising = recipe.loss.anneal * recipe.steps
    return recipe.loss.beta * (min(1.0, step / rising) if rising else 1.0)


def noise_for(step: int, recipe: LabelVaeTraining, size: int) -> Tensor:
    """The reparametrisation noise of a step's global batch (B, Z)."""
    rng = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    return torch.randn(size, recipe.model.latent, generator=rng)


@torch.no_grad()
def held_out_scores(
    model: LabelVae, label_NS: np.ndarray, recipe: LabelVaeTraining, run: Run
) -> dict[str, float]:
    """Nats a held-out map with beta in full, its two parts, and the mean Dice of the structures
    over all maps together, of the reconstructions from μ."""
    noise_NZ = noise_for(-1, recipe, len(label_NS))
    totals = {"cross_entropy": 0.0, "kl": 0.0}
    drawn = []
    for start in range(0, len(label_NS), BATCH):
        part = slice(start, start + BATCH)
        label_BS = torch.from_numpy(label_NS[part]).to(run.device)
        noise_BZ = noise_NZ[part].to(run.device)
        logits, mu, logvar = model(one_hot(label_BS, model.config.labels), noise_BZ)
        totals["cross_entropy"] += float(cross_entropy(logits, label_BS)) * len(label_BS)
        totals["kl"] += float(kl_divergence(mu, logvar))
        drawn.append(model.decode(mu).argmax(1).cpu().numpy())
    parts = {f"held_out_{k}": v / len(label_NS) for k, v in totals.items()}
    loss = parts["held_out_cross_entropy"] + recipe.loss.beta * parts["held_out_kl"]
    made = np.concatenate(drawn)
    overlap = np.nanmean([label_dice(made, label_NS, v) for v in range(1, model.config.labels)])
    return {"held_out_loss": loss, **parts, "held_out_dice": float(overlap)}


@torch.no_grad()
def draw(model: LabelVae, label_NS: np.ndarray, run: Run, step: int, seed: int) -> None:
    """A sample grid: held-out maps, their reconstructions, and draws from the prior."""
    chosen = label_NS[np.linspace(0, len(label_NS) - 1, min(SHOWN, len(label_NS))).astype(int)]
    one_hot_BKS = one_hot(torch.from_numpy(chosen).to(run.device), model.config.labels)
    code = prior(len(chosen), model.config.latent, torch.Generator().manual_seed(seed))
    rows = {
        "real, held out": chosen,
        "reconstruction": model.decode(model.encode(one_hot_BKS)[0]).argmax(1).cpu().numpy(),
        "drawn from the prior": model.decode(code.to(run.device)).argmax(1).cpu().numpy(),
    }
    draw_label_grid(run.folder / "samples" / f"step-{step:06d}.png", rows, model.config.labels)
