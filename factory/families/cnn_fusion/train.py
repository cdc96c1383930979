"""The training loop of the CNN fusion: MSE on patches, Adam (Ayaz et al., Methods)."""

import numpy as np
import torch

from factory.families.cnn_fusion.data import VolumePatchSampler
from factory.families.cnn_fusion.recipe import CnnFusionTraining
from factory.imaging.pictures import draw_image_rows
from factory.models.cnn_fusion import CnnFusion, CnnFusionConfig, initialise
from factory.training.loop import TrainingLoop
from factory.training.run import Run
from factory.training.schedules import constant_then_linear, set_learning_rate

Patches = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Volumes float32 (B, C, D, H, W), and images float32 and brain masks bool (B, D, H, W)."""

BATCH = 8
"""Patches of a forward pass without gradients."""

GRID_COLUMNS = 9
"""Held-out patches in a sample grid."""


def build_network(recipe: CnnFusionTraining, volumes: int) -> CnnFusion:
    """Build the network with its initial weights, the same on every worker.

    Untrained, it returns the mean of the volumes.

    Args:
        recipe: Width, depth, patch size and seed of the network.
        volumes: Number of volumes that are fused.
    """
    network = CnnFusion(CnnFusionConfig(volumes, **recipe.model.model_dump()))
    initialise(network, torch.Generator().manual_seed(recipe.seed))
    return network


def train(
    recipe: CnnFusionTraining, sampler: VolumePatchSampler, held_out: Patches, run: Run
) -> None:
    """Train the network, from the checkpoint in the run's folder if there is one.

    Writes checkpoint.safetensors, losses.csv and samples/ into the folder. The first row of
    losses.csv holds the scores before any step: those of the mean.

    Args:
        recipe: The training recipe.
        sampler: Draws the training patches.
        held_out: Patches that are fused and scored, but never trained on.
        run: The worker's rank, device and folder.

    Raises:
        TrainingDiverged: The loss is not finite.
    """
    cnn = build_network(recipe, held_out[0].shape[1]).to(run.device)
    optimiser = torch.optim.Adam(cnn.parameters(), recipe.optimiser.lr)
    epoch_steps = max(1, len(sampler) // recipe.batch)
    constant, decay = recipe.niter * epoch_steps, recipe.niter_decay * epoch_steps
    loop = TrainingLoop(recipe, run, {"cnn": cnn}, {"optimiser": optimiser}, constant + decay)
    forward, autocast = run.distribute(cnn), run.autocast(recipe.mixed_precision)
    share = run.share(recipe.batch)
    run.unit = "patches"
    if loop.step == 0:
        volumes, image, _ = sampler.batch(0, recipe.batch)
        mse_of_mean = float(np.square(volumes.mean(1) - image).mean())
        loop.log({"mse": mse_of_mean, "held_out_mse": held_out_mse(cnn, held_out, run)})

    for step in loop.steps():
        rate = recipe.optimiser.lr * constant_then_linear(step, constant, decay)
        set_learning_rate(optimiser, rate)
        volumes, image, _ = sampler.batch(step, recipe.batch)
        volumes_BCDHW = torch.from_numpy(volumes[share]).to(run.device)
        with autocast:
            predicted_BDHW = forward(volumes_BCDHW)
        real_BDHW = torch.from_numpy(image[share]).to(run.device)
        losses = {"mse": (predicted_BDHW.float() - real_BDHW).square().mean()}
        optimiser.zero_grad()
        losses["mse"].backward()
        optimiser.step()

        if loop.is_due(recipe.log_every):
            values = loop.mean_losses(losses)
            loop.log(values | {"held_out_mse": held_out_mse(cnn, held_out, run)})
        if run.rank == 0 and loop.is_due(recipe.sample_every):
            draw_samples(cnn, held_out, run, loop.step)
        if loop.is_due(recipe.checkpoint_every):
            loop.save(losses)


@torch.no_grad()
def fuse_patches(cnn: CnnFusion, volumes: np.ndarray, run: Run) -> np.ndarray:
    """Fuse volumes (B, C, D, H, W) to patches (B, D, H, W) with the current weights."""
    batches = torch.from_numpy(volumes).split(BATCH)
    return torch.cat([cnn(batch.to(run.device)).float().cpu() for batch in batches]).numpy()


def held_out_mse(cnn: CnnFusion, held_out: Patches, run: Run) -> float:
    """Return the mean squared error inside the brain of the held-out patches."""
    volumes, image, inside = held_out
    return float(np.square(fuse_patches(cnn, volumes, run) - image)[inside].mean())


def draw_samples(cnn: CnnFusion, held_out: Patches, run: Run, step: int) -> None:
    """Draw the middle slices of some held-out patches: the volumes' mean, real, and fused."""
    volumes, image, _ = (array[:GRID_COLUMNS] for array in held_out)
    patches = {
        "mean": volumes.mean(1),
        "real": image,
        "fused": fuse_patches(cnn, volumes, run),
    }
    middle = image.shape[1] // 2
    rows = [(title, array[:, middle], "gray", 0.0, 1.0) for title, array in patches.items()]
    draw_image_rows(run.sample_file(step), rows)
