"""The training loop of the CNN fusion: MSE on patches, Adam (Ayaz et al., Methods)."""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from factory.families.cnn_fusion.data import PatchSampler
from factory.families.cnn_fusion.recipe import CnnFusionTraining
from factory.imaging.pictures import picture_rows
from factory.models.checkpoint import load_state, save_state
from factory.models.cnn_fusion import CnnFusion, CnnFusionConfig, initialise
from factory.training.run import Run
from factory.training.schedules import constant_then_linear

Patches = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Volumes (B, C, D, H, W), images and inside (B, D, H, W)."""

DRAWN = 9
"""Held-out patches in a sample grid."""


def network(recipe: CnnFusionTraining, volumes: int) -> CnnFusion:
    """The network of a recipe as it starts: the same on every worker, and the mean."""
    made = CnnFusion(CnnFusionConfig(volumes, **recipe.model.model_dump()))
    initialise(made, torch.Generator().manual_seed(recipe.seed))
    return made


def train(recipe: CnnFusionTraining, sampler: PatchSampler, held_out: Patches, run: Run) -> None:
    """Train from where the run's folder left off.

    held_out patches are drawn and scored, never learnt from. Writes checkpoint.safetensors,
    losses.csv (its first row before any step: the mean) and samples/ in run.folder.
    """
    cnn = network(recipe, held_out[0].shape[1]).to(run.device)
    optimiser = torch.optim.Adam(cnn.parameters(), recipe.optimiser.lr)
    checkpoint = run.folder / "checkpoint.safetensors"
    state: dict[str, Any] = {"step": 0, "hours": 0.0}
    if checkpoint.exists():
        state = load_state(checkpoint, {"cnn": cnn}, {"optimiser": optimiser})
        run.truncate_losses(state["step"] * recipe.batch)
    step, hours_before = state["step"], state["hours"]
    forward: nn.Module = DistributedDataParallel(cnn) if run.world > 1 else cnn

    steps_an_epoch = max(1, len(sampler) // recipe.batch)
    constant, decay = recipe.niter * steps_an_epoch, recipe.niter_decay * steps_an_epoch
    total = constant + decay
    share = run.share(recipe.batch)
    autocast = torch.autocast(
        run.device.type, torch.bfloat16, enabled=recipe.mixed_precision, cache_enabled=False
    )
    run.unit = "patches"
    if step == 0:
        volumes, image, _ = sampler.batch(0, recipe.batch)
        values = {"mse": float(np.square(volumes.mean(1) - image).mean())}
        values["held_out_mse"] = held_out_mse(cnn, held_out, run)
        run.log(recipe.name, 0, total * recipe.batch, values)

    while step < total:
        for group in optimiser.param_groups:
            group["lr"] = recipe.optimiser.lr * constant_then_linear(step, constant, decay)
        volumes, image, _ = sampler.batch(step, recipe.batch)
        volumes_BCDHW = torch.from_numpy(volumes[share]).to(run.device)
        with autocast:
            predicted_BDHW = forward(volumes_BCDHW)
        real_BDHW = torch.from_numpy(image[share]).to(run.device)
        mse = (predicted_BDHW.float() - real_BDHW).square().mean()
        optimiser.zero_grad()
        mse.backward()
        optimiser.step()
        step += 1

        last = step == total
        if step % recipe.log_every == 0 or last:
            values = run.mean_losses({"mse": mse}, step)
            values["held_out_mse"] = held_out_mse(cnn, held_out, run)
            run.log(recipe.name, step * recipe.batch, total * recipe.batch, values)
        if run.rank == 0 and (step % recipe.sample_every == 0 or last):
            draw(cnn, held_out, run, f"step-{step:06d}.png")
        if step % recipe.checkpoint_every == 0 or last:
            run.mean_losses({"mse": mse}, step)
            if run.rank == 0:
                plain = {"step": step, "hours": hours_before + run.hours()}
                save_state(checkpoint, {"cnn": cnn}, {"optimiser": optimiser}, plain)


@torch.no_grad()
def fused(cnn: CnnFusion, volumes: np.ndarray, run: Run) -> np.ndarray:
    """Patches (B, D, H, W) by the network as it stands, eight at a time."""
    parts = torch.from_numpy(volumes).split(8)
    return torch.cat([cnn(part.to(run.device)).float().cpu() for part in parts]).numpy()


def held_out_mse(cnn: CnnFusion, held_out: Patches, run: Run) -> float:
    """Mean squared error inside the brain of the held-out patches."""
    volumes, image, inside = held_out
    return float(np.square(fused(cnn, volumes, run) - image)[inside].mean())


def draw(cnn: CnnFusion, held_out: Patches, run: Run, name: str) -> None:
    """A PNG of middle slices of some held-out patches: the volumes' mean, real, and fused."""
    volumes, image, _ = (array[:DRAWN] for array in held_out)
    made = {"mean": volumes.mean(1), "real": image, "fused": fused(cnn, volumes, run)}
    middle = image.shape[1] // 2
    rows = [(title, array[:, middle], "gray", 0.0, 1.0) for title, array in made.items()]
    picture_rows(run.folder / "samples" / name, rows)
