"""`factory train`: one run of Ray Train for each part of a model, then the model folder.

It is the same for every family; a family's own part is its `job`, see `factory.families.base`.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict, cast

import torch

from factory.config.loading import CheckedDocument
from factory.errors import FactoryError, RecipeError
from factory.execution.log_follower import follow_log
from factory.execution.options import RunOptions
from factory.execution.ray.session import ray_session
from factory.families.registry import FAMILIES
from factory.models.checkpoint import read_card, write_card
from factory.storage.json_value import JsonObject
from factory.training.recipe import Training
from factory.training.run import PROGRESS, Run, TrainingDiverged


class PartConfig(TypedDict):
    """What a worker is told; plain JSON, since Ray Train sends it.

    Attributes:
        recipe: The training recipe.
        folder: The folder from which the recipe's relative paths start.
        output: The folder of the training.
        part: The part of the model.
    """

    recipe: JsonObject
    folder: str
    output: str
    part: str


def train(loaded: CheckedDocument[Any], options: RunOptions = RunOptions()) -> Path:
    """Train every part from its last checkpoint on, write OUTPUT/model and score the model.

    Args:
        loaded: The training recipe; its type depends on the family.
        options: `serial` (one worker, in this process) and `address` are used.

    Returns:
        The model folder.

    Raises:
        RecipeError, StorageError: If the input cannot be used.
        TrainingDiverged: At the first loss that is not finite.
    """
    recipe: Training = loaded.spec
    job = FAMILIES[recipe.family].job
    output = Path(recipe.output).resolve()
    here = str(Path.cwd())
    check_batch(recipe)
    job.check(recipe)
    session = contextlib.nullcontext() if options.serial else ray_session(options.address, None)
    with session:
        launch = train_here if options.serial else ray_launcher(recipe)
        for part in job.parts(recipe):
            with follow_log(output / part / PROGRESS):
                launch(PartConfig(recipe=loaded.data, folder=here, output=str(output), part=part))
    folder = job.export(loaded, output)
    table = job.score(folder, recipe, output)
    if table is not None:
        rows = table.round(5).astype(object).where(table.notna(), None).to_dict("records")
        write_card(folder, {**read_card(folder), "metrics": {"held_out": rows}})
    return folder


def check_batch(recipe: Training) -> None:
    """Refuse a batch that the workers cannot share evenly."""
    if recipe.batch % recipe.workers:
        raise RecipeError(
            f"batch {recipe.batch} cannot be shared evenly by {recipe.workers} workers"
        )


def work(config: PartConfig, run: Run) -> None:
    """Do one worker's share of one part."""
    data = config["recipe"]
    recipe = FAMILIES[data["family"]].Recipe.model_validate(data, strict=False)
    torch.set_num_threads(recipe.threads)
    FAMILIES[recipe.family].job.work(recipe, config["part"], run)


def train_here(config: PartConfig) -> None:
    """Train one part in this process."""
    work(config, Run(Path(config["output"]) / config["part"]))


def ray_launcher(recipe: Training) -> Callable[[PartConfig], None]:
    """Return a function that trains a part on Ray Train.

    The workers share batches by DDP, with gloo on CPUs and NCCL on GPUs.
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchConfig, TorchTrainer

    # a busy machine may need more than Ray's 60 s to start workers
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "300")
    use_gpu = recipe.device == "cuda" or (
        recipe.device == "auto" and ray.cluster_resources().get("GPU", 0) >= recipe.workers
    )

    def launch(config: PartConfig) -> None:
        trainer = TorchTrainer(
            ray_worker,
            train_loop_config=dict(config),
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
            raise FactoryError(
                f"training of {config['part']}: {reason}; "
                "the same command goes on from the last checkpoint"
            ) from error
        stop_reason = Run(Path(config["output"]) / config["part"]).pop_stop_reason()
        if stop_reason is not None:
            raise TrainingDiverged(stop_reason)

    return launch


def ray_worker(config: JsonObject) -> None:
    """Train one part as a worker of Ray Train."""
    import ray.train
    from ray.train.torch import get_device

    # Ray Train starts workers in a folder of its own, where no relative path leads to the data.
    with contextlib.suppress(OSError):
        os.chdir(config["folder"])
    context = ray.train.get_context()
    folder = Path(config["output"]) / config["part"]
    run = Run(folder, context.get_world_rank(), context.get_world_size(), get_device())
    try:
        work(cast(PartConfig, config), run)
    except TrainingDiverged as error:
        # if it were raised, Ray would start again from the checkpoint and diverge again
        run.write_stop_reason(str(error))
