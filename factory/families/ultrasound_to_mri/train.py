"""The training loop of ultrasound to MR (Jiao et al., equations 1–9)."""

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

from factory.families.ultrasound_to_mri.data import UnpairedSampler
from factory.families.ultrasound_to_mri.methods import (
    METHODS,
    Losses,
    Networks,
    build_discriminators,
    build_networks,
    discriminator_losses,
    generator_losses,
)
from factory.families.ultrasound_to_mri.recipe import UltrasoundToMriTraining
from factory.imaging.pictures import draw_image_rows
from factory.models.checkpoint import save_state
from factory.models.ultrasound_to_mri.edges import EdgeNet
from factory.training.ema import update_ema, warm_up_decay
from factory.training.loop import TrainingLoop
from factory.training.run import Run
from factory.training.schedules import linear_after_half, set_learning_rate

GRID_COLUMNS = 8
"""Ultrasounds in a sample grid, and MR planes beside them."""

SNAPSHOTS = ("start", "middle", "end")
"""When the averaged generator is saved in a file of its own, to be scored after the training."""


def build_optimisers(
    recipe: UltrasoundToMriTraining, networks: Networks, discriminators: Networks
) -> dict[str, Optimizer]:
    """Return Adam for the generating networks and, if there are any, for the discriminators."""
    options = recipe.optimiser
    betas = (options.beta1, options.beta2)
    generating = [p for module in networks.values() for p in module.parameters()]
    judging = [p for module in discriminators.values() for p in module.parameters()]
    optimisers: dict[str, Optimizer] = {
        "optimiser_g": torch.optim.Adam(generating, options.lr_generator, betas, fused=True)
    }
    if judging:
        optimisers["optimiser_d"] = torch.optim.Adam(
            judging, options.lr_discriminator, betas, fused=True
        )
    return optimisers


def train(
    recipe: UltrasoundToMriTraining,
    sampler: UnpairedSampler,
    sample_planes: tuple[np.ndarray, np.ndarray],
    run: Run,
) -> None:
    """Train from the checkpoint in the run's folder, if there is one.

    The function is long, since it shows all steps of the method in one place. It writes
    checkpoint.safetensors, losses.csv, samples/ and the averaged generator at the start, in the
    middle and at the end (start, middle and end.safetensors) into the folder.

    Args:
        recipe: The training recipe.
        sampler: Draws the training batches.
        sample_planes: Ultrasound and MR planes (N, H, W) for the sample grids.
        run: The worker's rank, device and folder.

    Raises:
        TrainingDiverged: A loss is not finite.
    """
    networks, discriminators = build_networks(recipe), build_discriminators(recipe)
    ema = build_networks(recipe)["generator"]
    judges = {f"judge-{name}": module for name, module in discriminators.items()}
    modules, judging = {**networks, **judges, "ema": ema}, nn.ModuleDict(discriminators)
    for module in modules.values():
        module.to(run.device)
    optimisers, rates = build_optimisers(recipe, networks, discriminators), recipe.optimiser
    loop = TrainingLoop(recipe, run, modules, optimisers, recipe.steps)
    apply_method, edges = METHODS[recipe.method], EdgeNet().to(run.device)
    autocast = run.autocast(recipe.mixed_precision)
    if loop.step == 0:
        save_snapshot(ema, run, "start", loop.step)

    for step in loop.steps():
        factor = linear_after_half(step, recipe.steps)
        set_learning_rate(optimisers["optimiser_g"], rates.lr_generator * factor)
        us_B1HW, mri_B1HW = load_batch(sampler, step, recipe, run)

        judging.requires_grad_(False)
        with autocast:
            comparisons = apply_method({**networks, "edges": edges}, us_B1HW, mri_B1HW)
            losses = generator_losses(comparisons, discriminators, recipe.loss.l1)
        descend(optimisers["optimiser_g"], losses, run)

        judging.requires_grad_(True)
        if discriminators:
            set_learning_rate(optimisers["optimiser_d"], rates.lr_discriminator * factor)
            with autocast:
                judged = discriminator_losses(comparisons, discriminators)
            descend(optimisers["optimiser_d"], judged, run)
            losses |= judged
        decay = warm_up_decay(recipe.ema, step)
        update_ema(ema, networks["generator"], decay, copy_buffers=False)

        if loop.step == 1 or loop.is_due(recipe.log_every):
            loop.log(loop.mean_losses(losses))
        if run.rank == 0 and loop.is_due(recipe.sample_every):
            draw_samples(ema, networks.get("backward"), sample_planes, run, loop.step)
        if loop.step == recipe.steps // 2:
            save_snapshot(ema, run, "middle", loop.step)
        if loop.is_due(recipe.checkpoint_every):
            loop.save(losses)
    save_snapshot(ema, run, "end", loop.step)


def load_batch(
    sampler: UnpairedSampler, step: int, recipe: UltrasoundToMriTraining, run: Run
) -> tuple[Tensor, Tensor]:
    """Return this worker's share of a step's batch on its device: ultrasound, and MR."""
    share = run.share(recipe.batch)
    us_BHW, mri_BHW = sampler.batch(step, recipe.batch)
    us_B1HW, mri_B1HW = (torch.from_numpy(a[share])[:, None] for a in (us_BHW, mri_BHW))
    return us_B1HW.to(run.device), mri_B1HW.to(run.device)


def descend(optimiser: Optimizer, losses: Losses, run: Run) -> None:
    """Take one step down the sum of losses, with the gradient averaged over the workers."""
    optimiser.zero_grad()
    torch.autograd.backward(sum(losses.values(), torch.zeros((), device=run.device)))
    if run.world > 1:
        # Parameters that no loss depends on, such as decoder B of the GAN, have no gradient on any
        # worker.
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        total = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(total)
        means = torch.split(total / run.world, [gradient.numel() for gradient in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))
    optimiser.step()


def save_snapshot(ema: nn.Module, run: Run, when: str, step: int) -> None:
    """Save the averaged generator as `when`.safetensors (rank 0 only)."""
    if run.rank == 0:
        save_state(run.folder / f"{when}.safetensors", {"generator": ema}, {}, {"step": step})


@torch.no_grad()
def draw_samples(
    ema: nn.Module,
    backward: nn.Module | None,
    sample_planes: tuple[np.ndarray, np.ndarray],
    run: Run,
    step: int,
) -> None:
    """Draw a sample grid: ultrasounds, their MR, the ultrasounds painted again, and MR of others.

    Args:
        ema: The averaged generator.
        backward: Paints ultrasound from MR, if the method does so.
        sample_planes: Ultrasound and MR planes (N, H, W), which are not paired.
        run: The worker's device and folder.
        step: The step, for the name of the file.
    """
    count = min(GRID_COLUMNS, *(len(planes) for planes in sample_planes))
    us_NHW, mri_NHW = (planes[:count] for planes in sample_planes)
    painted_N1HW, again_N1HW, _ = ema(torch.from_numpy(us_NHW)[:, None].to(run.device))
    images = {"MR drawn": painted_N1HW, "ultrasound by B": again_N1HW}
    if backward is not None:
        images["ultrasound by E"] = backward(painted_N1HW)[0]
    rows = [("ultrasound, held out", us_NHW)]
    rows += [(name, image[:, 0].cpu().numpy()) for name, image in images.items()]
    rows += [("real MR, of others", mri_NHW)]
    draw_image_rows(
        run.sample_file(step), [(name, planes, "gray", -1.0, 1.0) for name, planes in rows]
    )
