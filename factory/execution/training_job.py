"""`factory train`: one Ray Train run a part of the model, then the model folder with its card.

The same for every family: see factory.families.registry for what a family gives.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from factory.config.loading import CheckedDocument
from factory.errors import FactoryError, RecipeError
from factory.execution.log_follower import following
from factory.execution.ray.session import ray_session
from factory.families.registry import FAMILIES
from factory.models.checkpoint import read_card, write_card
from factory.training.recipe import Training
from factory.training.run import PROGRESS, Run, TrainingDiverged


def train(loaded: CheckedDocument[Any], address: str | None, serial: bool) -> Path:
    """Train every part from where it left off, write OUTPUT/model and score what was held out.

    serial: in this process, without Ray (one worker). Returns the model folder.
    Raises RecipeError, StorageError on bad input; TrainingDiverged at the first NaN.
    """
    recipe: Training = loaded.spec
    job = FAMILIES[recipe.family].job
    output = Path(recipe.output).resolve()
    check(recipe)
    job.check(recipe)
    config = {"recipe": loaded.data, "output": str(output)}
    with contextlib.nullcontext() if serial else ray_session(address, cpus=None):
        launch = in_this_process if serial else with_ray(recipe)
        for part in job.parts(recipe):
            with following(output / part / PROGRESS):
                launch({**config, "part": part})
    folder = job.export(loaded, output)
    table = job.score(folder, recipe, output)
    if table is not None:
        rows = table.round(5).astype(object).where(table.notna(), None).to_dict("records")
        write_card(folder, {**read_card(folder), "metrics": {"held_out": rows}})
    return folder


def check(recipe: Training) -> None:
    if recipe.batch % recipe.workers:
        raise RecipeError(
            f"batch {recipe.batch} cannot be shared evenly by {recipe.workers} workers"
        )


def work(config: dict[str, Any], run: Run) -> None:
    """One worker's share of one part."""
    data = config["recipe"]
    recipe = FAMILIES[data["family"]].Recipe.model_validate(data, strict=False)
    torch.set_num_threads(recipe.threads)
    FAMILIES[recipe.family].job.work(recipe, config["part"], run)


def in_this_process(config: dict[str, Any]) -> None:
    work(config, Run(Path(config["output"]) / config["part"]))


def with_ray(recipe: Training) -> Callable[[dict[str, Any]], None]:
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
                name=config["part"].replace("/", "-"),
                storage_path=str(Path(config["output"]) / "ray"),
                failure_config=FailureConfig(max_failures=3),
            ),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            reason = str(error).strip().splitlines()[-1]
            again = "the same command goes on from the last checkpoint"
            raise FactoryError(f"training of {config['part']}: {reason}; {again}") from error
        stopped = Run(Path(config["output"]) / config["part"]).pop_stop_reason()
        if stopped is not None:
            raise TrainingDiverged(stopped)

    return launch


def ray_worker(config: dict[str, Any]) -> None:
    import ray.train
    from ray.train.torch import get_device

    context = ray.train.get_context()
    folder = Path(config["output"]) / config["part"]
    run = Run(folder, context.get_world_rank(), context.get_world_size(), get_device())
    try:
        work(config, run)
    except TrainingDiverged as error:
        # Raised, Ray would start over from the checkpoint and diverge again.
        run.write_stop_reason(str(error))
