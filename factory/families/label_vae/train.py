"""The training loop of the label VAE (Amirrajab et al., figure 1)."""

import numpy as np
import torch
from torch import Tensor, nn

from factory.families.label_vae.data import MapSampler
from factory.families.label_vae.recipe import LabelVaeTraining
from factory.imaging.pictures import draw_label_grid
from factory.metrics.overlap import mean_label_dice
from factory.models.checkpoint import save_state
from factory.models.label_vae import LabelVae, LabelVaeConfig, cross_entropy, prior
from factory.models.losses import kl_divergence
from factory.models.spade.network import one_hot
from factory.training.ema import update_ema, warm_up_decay
from factory.training.loop import TrainingLoop
from factory.training.run import Run
from factory.training.schedules import cosine_after_half, set_learning_rate

BEST = "best.safetensors"
"""The file of the averaged weights with the least held-out loss."""

GRID_COLUMNS = 10
"""Held-out label maps, and samples from the prior, in a sample grid."""

BATCH = 32
"""Label maps of a forward pass when nothing is trained."""


def build_network(recipe: LabelVaeTraining, labels: int) -> LabelVae:
    """Return a network with the same initial weights on every worker.

    Args:
        recipe: The training recipe.
        labels: Number of labels, including the background.
    """
    config = LabelVaeConfig(labels, recipe.shape, **recipe.model.model_dump())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return LabelVae(config)


def train(
    recipe: LabelVaeTraining, sampler: MapSampler, held_out: np.ndarray, labels: int, run: Run
) -> None:
    """Train from the checkpoint in the run's folder, if there is one.

    Writes checkpoint.safetensors, best.safetensors, losses.csv and samples/ into the folder.

    Args:
        recipe: The training recipe.
        sampler: Draws the training batches.
        held_out: Label maps (N, *shape) that are scored and drawn, but never trained on.
        labels: Number of labels, including the background.
        run: The worker's rank, device and folder.

    Raises:
        TrainingDiverged: A loss is not finite.
    """
    network, ema = build_network(recipe, labels), build_network(recipe, labels)
    modules: dict[str, nn.Module] = {"vae": network.to(run.device), "ema": ema.to(run.device)}
    optimiser = torch.optim.Adam(network.parameters(), recipe.learning_rate)
    optimisers, state = {"optimiser": optimiser}, {"least": None, "waited": 0}
    loop = TrainingLoop(recipe, run, modules, optimisers, recipe.steps, state=state)
    stop_if_converged(loop, recipe)
    forward, share = run.distribute(network), run.share(recipe.batch)
    autocast = run.autocast(recipe.mixed_precision)

    for step in loop.steps():
        rate = recipe.learning_rate * cosine_after_half(step, recipe.steps)
        set_learning_rate(optimiser, rate)
        label_BS = torch.from_numpy(sampler.batch(step, recipe.batch)[share]).to(run.device)
        noise_BZ = sample_noise(step, recipe, recipe.batch)[share].to(run.device)
        beta = kl_weight(step, recipe)
        with autocast:
            logits_BKS, mu_BZ, logvar_BZ = forward(one_hot(label_BS, labels), noise_BZ)
        losses = {
            "cross_entropy": cross_entropy(logits_BKS.float(), label_BS),
            "kl": kl_divergence(mu_BZ.float(), logvar_BZ.float()) / len(label_BS),
        }
        optimiser.zero_grad()
        torch.autograd.backward(losses["cross_entropy"] + beta * losses["kl"])
        optimiser.step()
        update_ema(ema, network, warm_up_decay(recipe.ema, step), copy_buffers=False)

        if loop.step == 1 or loop.is_due(recipe.log_every):
            values = {**loop.mean_losses(losses), "beta": beta}
            values |= held_out_scores(ema, held_out, recipe, run)
            # While beta rises, losses of different steps cannot be compared.
            if beta == recipe.loss.beta or loop.step == loop.total:
                keep_best(loop, ema, values)
            loop.log(values)
            stop_if_converged(loop, recipe)
        if run.rank == 0 and loop.is_due(recipe.sample_every):
            draw_samples(ema, held_out, run, loop.step, recipe.seed)
        if loop.is_due(recipe.checkpoint_every):
            loop.save(losses)


def keep_best(loop: TrainingLoop, ema: nn.Module, values: dict[str, float]) -> None:
    """Save the averaged weights if the held-out loss is the least so far; else count the failure.

    Args:
        loop: Keeps the least loss ("least") and the number of failures in a row ("waited").
        ema: The averaged network.
        values: The row of losses.csv, stored beside the weights.
    """
    least = loop.state["least"]
    if least is not None and not values["held_out_loss"] < least:
        loop.state["waited"] += 1
        return
    loop.state |= {"least": values["held_out_loss"], "waited": 0}
    if loop.run.rank == 0:
        save_state(loop.run.folder / BEST, {"ema": ema}, {}, {"step": loop.step, **values})


def stop_if_converged(loop: TrainingLoop, recipe: LabelVaeTraining) -> None:
    """Make the current step the last one if the held-out loss no longer falls."""
    if 0 < recipe.patience <= loop.state["waited"]:
        loop.stop()


def kl_weight(step: int, recipe: LabelVaeTraining) -> float:
    """Return the weight of the KL divergence, which rises linearly from 0 to beta at first."""
    rising_steps = recipe.loss.anneal * recipe.steps
    return recipe.loss.beta * (min(1.0, step / rising_steps) if rising_steps else 1.0)


def sample_noise(step: int, recipe: LabelVaeTraining, size: int) -> Tensor:
    """Return the reparametrisation noise (size, Z) of a step's global batch."""
    rng = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    return torch.randn(size, recipe.model.latent, generator=rng)


@torch.no_grad()
def held_out_scores(
    network: LabelVae, label_NS: np.ndarray, recipe: LabelVaeTraining, run: Run
) -> dict[str, float]:
    """Score a network on held-out label maps.

    Args:
        network: The network.
        label_NS: The label maps (N, *shape).
        recipe: The training recipe.
        run: The worker's device.

    Returns:
        held_out_loss, with the final beta, and its parts held_out_cross_entropy and held_out_kl, in
        nats for each label map; and held_out_dice, the mean Dice of the reconstructions from μ.
    """
    noise_NZ = sample_noise(-1, recipe, len(label_NS))
    totals = {"cross_entropy": 0.0, "kl": 0.0}
    batches = []
    for start in range(0, len(label_NS), BATCH):
        rows = slice(start, start + BATCH)
        label_BS = torch.from_numpy(label_NS[rows]).to(run.device)
        noise_BZ = noise_NZ[rows].to(run.device)
        logits_BKS, mu_BZ, logvar_BZ = network(one_hot(label_BS, network.config.labels), noise_BZ)
        totals["cross_entropy"] += float(cross_entropy(logits_BKS, label_BS)) * len(label_BS)
        totals["kl"] += float(kl_divergence(mu_BZ, logvar_BZ))
        batches.append(network.decode(mu_BZ).argmax(1).cpu().numpy())
    means = {f"held_out_{name}": total / len(label_NS) for name, total in totals.items()}
    loss = means["held_out_cross_entropy"] + recipe.loss.beta * means["held_out_kl"]
    overlap = mean_label_dice(np.concatenate(batches), label_NS, network.config.labels)
    return {"held_out_loss": loss, **means, "held_out_dice": overlap}


@torch.no_grad()
def draw_samples(network: LabelVae, label_NS: np.ndarray, run: Run, step: int, seed: int) -> None:
    """Draw a sample grid: held-out label maps, their reconstructions, and samples from the prior.

    Args:
        network: The network.
        label_NS: The held-out label maps (N, *shape).
        run: The worker's device and folder.
        step: The step, for the name of the file.
        seed: Seed of the samples.
    """
    count = min(GRID_COLUMNS, len(label_NS))
    real_BS = label_NS[np.linspace(0, len(label_NS) - 1, count).astype(int)]
    one_hot_BKS = one_hot(torch.from_numpy(real_BS).to(run.device), network.config.labels)
    code_BZ = prior(count, network.config.latent, torch.Generator().manual_seed(seed))
    rows = {
        "real, held out": real_BS,
        "reconstruction": network.decode(network.encode(one_hot_BKS)[0]).argmax(1).cpu().numpy(),
        "drawn from the prior": network.decode(code_BZ.to(run.device)).argmax(1).cpu().numpy(),
    }
    draw_label_grid(run.sample_file(step), rows, network.config.labels)
