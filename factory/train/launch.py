"""`factory train`: one Ray Train run an orientation, then the model folder with its card."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from factory.errors import FactoryError, RecipeError
from factory.loading import Loaded
from factory.ray_session import ray_session
from factory.train.follow import following
from factory.train.recipe import SpadeTraining
from factory.train.run import PROGRESS, Run, TrainingDiverged
from factory.train.slices import SliceSampler, stack
from factory.train.spade import networks, train
from factory.train.subjects import held_out_subjects, seen_ranges, training_subjects
from models.checkpoint import load_state, read_card, save_model, write_card
from models.vgg import weights_file
from storage.subject import Subject

HELD_OUT_SLICES = 9
"""Held-out slices scored and drawn while training: three of each subject where three are held."""


def train_spade(loaded: Loaded[SpadeTraining], address: str | None, serial: bool) -> Path:
    """Train every orientation from where it left off and write OUTPUT/model.

    serial: in this process, without Ray (one worker). Returns the model folder.
    Raises RecipeError, StorageError on bad input; TrainingDiverged at the first NaN.
    """
    recipe = loaded.spec
    output = Path(recipe.output).resolve()
    check(recipe)
    config = {"recipe": loaded.data, "output": str(output)}
    with contextlib.nullcontext() if serial else ray_session(address, cpus=None):
        launch = in_this_process if serial else with_ray(recipe)
        for orientation in recipe.orientations:
            with following(output / orientation / PROGRESS):
                launch({**config, "orientation": orientation})
    folder = export(loaded, output)
    if recipe.subjects.hold_out:
        score(folder, recipe, output)
    return folder


def score(folder: Path, recipe: SpadeTraining, output: Path) -> None:
    """Add to the card how the model does on held-out subjects; pictures and tables to output."""
    from factory.evaluate.held_out import evaluate

    table = evaluate(folder, held_out_subjects(recipe.subjects), output)
    rounded = table.round(5).to_dict("records")
    write_card(folder, {**read_card(folder), "metrics": {"held_out": rounded}})


def check(recipe: SpadeTraining) -> None:
    if recipe.batch % recipe.workers:
        raise RecipeError(
            f"batch {recipe.batch} cannot be shared evenly by {recipe.workers} workers"
        )
    if recipe.niter + recipe.niter_decay == 0:
        raise RecipeError("niter and niter_decay are both 0: nothing to train")
    if recipe.loss.perceptual:
        weights_file()


def work(config: dict[str, Any], run: Run) -> None:
    """One worker's part of one orientation."""
    recipe = SpadeTraining.model_validate(config["recipe"], strict=False)
    torch.set_num_threads(recipe.threads)
    orientation = config["orientation"]
    learnt: list[Subject] = []
    for spacing in recipe.subjects.spacing_mm:
        learnt += training_subjects(recipe.subjects, spacing)
    stacks = [stack(s, orientation) for s in learnt]
    # A sagittal slice mirrored in its plane would swap front and back.
    sampler = SliceSampler(stacks, recipe.crop, mirror=orientation != "sagittal", seed=recipe.seed)
    shown = held_out_slices(recipe, orientation, learnt)
    train(recipe, orientation, sampler, shown, len(learnt[0].table.names), run)


def held_out_slices(
    recipe: SpadeTraining, orientation: str, learnt: list[Subject]
) -> tuple[np.ndarray, np.ndarray]:
    """Slices to watch the training by: of held-out subjects, or of learnt ones if none is held."""
    subjects = held_out_subjects(recipe.subjects, recipe.subjects.spacing_mm[0]) or learnt
    stacks = [stack(s, orientation) for s in subjects]
    watch = SliceSampler(stacks, recipe.crop, mirror=False, seed=recipe.seed)
    return watch.batch(0, HELD_OUT_SLICES)


def in_this_process(config: dict[str, Any]) -> None:
    work(config, Run(Path(config["output"]) / config["orientation"]))


def with_ray(recipe: SpadeTraining) -> Callable[[dict[str, Any]], None]:
    """A launcher: DDP over recipe.workers by Ray Train, gloo on CPUs and NCCL on GPUs."""
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchConfig, TorchTrainer

    # A loaded machine may take longer than Ray's 60 s to start workers.
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "300")
    use_gpu = recipe.device == "cuda" or (
        recipe.device == "auto" and ray.cluster_resources().get("GPU", 0) >= recipe.workers
    )

    def launch(config: dict[str, Any]) -> None:
        trainer = TorchTrainer(
            ray_worker,
            train_loop_config=config,
            scaling_config=ScalingConfig(
                num_workers=recipe.workers,
                use_gpu=use_gpu,
                resources_per_worker={"CPU": 1, **({"GPU": 1} if use_gpu else {})},
            ),
            torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo"),
            run_config=RunConfig(
                name=config["orientation"],
                storage_path=str(Path(config["output"]) / "ray"),
                failure_config=FailureConfig(max_failures=3),
            ),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            reason = str(error).strip().splitlines()[-1]
            again = "the same command goes on from the last checkpoint"
            raise FactoryError(f"training of {config['orientation']}: {reason}; {again}") from error
        stopped = Run(Path(config["output"]) / config["orientation"]).stopped()
        if stopped is not None:
            raise TrainingDiverged(stopped)

    return launch


def ray_worker(config: dict[str, Any]) -> None:
    import ray.train
    from ray.train.torch import get_device

    context = ray.train.get_context()
    folder = Path(config["output"]) / config["orientation"]
    run = Run(folder, context.get_world_rank(), context.get_world_size(), get_device())
    try:
        work(config, run)
    except TrainingDiverged as error:
        # Raised, Ray would start over from the checkpoint and diverge again.
        run.stop(str(error))


def export(loaded: Loaded[SpadeTraining], output: Path) -> Path:
    """Write OUTPUT/model from the checkpoints of all orientations; returns that folder."""
    recipe = loaded.spec
    learnt = training_subjects(recipe.subjects, None)
    table = learnt[0].table
    trained: dict[str, nn.Module] = {}
    curves, steps, hours = {}, {}, {}
    for orientation in recipe.orientations:
        modules = networks(recipe, len(table.names), recipe.seed)
        folder = output / orientation
        state = load_state(folder / "checkpoint.safetensors", modules, {})
        trained[orientation] = modules["generator"]
        steps[orientation], hours[orientation] = state["step"], round(state["hours"], 3)
        curves[orientation] = Run(folder).loss_curve()
    seen = seen_ranges(learnt)
    seen["spacing_mm"] = [min(recipe.subjects.spacing_mm), max(recipe.subjects.spacing_mm)]
    card = {
        "name": recipe.name,
        "family": "spade",
        "config": {"labels": len(table.names), **recipe.model.model_dump()},
        "orientations": list(recipe.orientations),
        "label_table": {"names": list(table.names), "colours": [list(c) for c in table.colours]},
        "licence": recipe.licence,
        "training": {
            **seen,
            "subjects": [s.id for s in learnt],
            "held_out": list(recipe.subjects.hold_out),
            "rec": sorted({str(s.metadata["rec"]) for s in learnt if s.metadata.get("rec")}),
            "images_a_step": recipe.batch,
            "steps": steps,
            "hours": hours,
            "recipe": without_paths(loaded.data),
            "torch": torch.__version__,
        },
        "loss_curve": curves,
        "class_means": class_means_of(learnt),
    }
    save_model(output / "model", trained, card)
    return output / "model"


def class_means_of(learnt: list[Subject]) -> list[float]:
    """Mean normalised training intensity of each label: the baseline that a network must beat.

    The background is left black: what little of the brain blurs into it would only spoil it.
    """
    from factory.evaluate.paired import class_means

    images = [s.image for s in learnt if s.image is not None]
    means = class_means(images, [s.label for s in learnt], len(learnt[0].table.names))
    means[0] = 0
    return [round(float(m), 5) for m in np.nan_to_num(means)]


def without_paths(data: dict[str, Any]) -> dict[str, Any]:
    """A recipe without where things lay on the machine that trained it."""
    subjects = {k: v for k, v in data["subjects"].items() if k != "path"}
    return {**{k: v for k, v in data.items() if k != "output"}, "subjects": subjects}
