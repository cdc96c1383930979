"""The steps of a training: resumed from a checkpoint, logged and saved on the way."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor, nn
from torch.optim import Optimizer

from factory.models.checkpoint import load_state, save_state
from factory.storage.json_value import JsonObject
from factory.training.recipe import Training
from factory.training.run import Run

CHECKPOINT = "checkpoint.safetensors"
"""The file in a run's folder from which a training resumes and a model is exported."""


class TrainingLoop:
    """Count the steps of one training, and keep its log and its checkpoint.

    The training function of a family iterates over `steps()` and asks after each step what is due:

        for step in loop.steps():
            losses = ...
            if loop.is_due(recipe.log_every):
                loop.log(loop.mean_losses(losses))
            if loop.is_due(recipe.checkpoint_every):
                loop.save(losses)

    Attributes:
        step: Number of steps taken, including the current one.
        total: Number of steps of the whole training.
        state: Values that the checkpoint stores beside weights and optimisers: "step", "hours",
            and what the family adds.
    """

    def __init__(
        self,
        recipe: Training,
        run: Run,
        modules: Mapping[str, nn.Module],
        optimisers: Mapping[str, Optimizer],
        total: int,
        *,
        title: str | None = None,
        state: JsonObject | None = None,
    ) -> None:
        """Resume from the checkpoint in the run's folder, if there is one.

        Args:
            recipe: Batch size and name of the training.
            run: The worker's rank, device and folder.
            modules: Networks whose weights the checkpoint holds, by name.
            optimisers: Optimisers whose state the checkpoint holds, by name.
            total: Number of steps of the whole training.
            title: Beginning of each progress line; by default the recipe's name.
            state: Initial values of the family's own entries in `state`.

        Raises:
            WeightsError: The checkpoint does not fit the modules.
        """
        self.run, self.modules, self.optimisers = run, modules, optimisers
        self.batch, self.title = recipe.batch, title or recipe.name
        self.total = total
        self.state: JsonObject = {"step": 0, "hours": 0.0, **(state or {})}
        self.file = run.folder / CHECKPOINT
        if self.file.exists():
            self.state = load_state(self.file, modules, optimisers)
            run.truncate_losses(self.state["step"] * self.batch)
        self.step: int = self.state["step"]
        self.hours_before: float = self.state["hours"]

    def steps(self) -> Iterator[int]:
        """Yield the index of each remaining step, counted from 0 over the whole training."""
        while self.step < self.total:
            self.step += 1
            yield self.step - 1

    def stop(self) -> None:
        """Make the current step the last one."""
        self.total = self.step

    def is_due(self, interval: int) -> bool:
        """Return whether the current step is a multiple of an interval, or the last one."""
        return self.step % interval == 0 or self.step >= self.total

    def mean_losses(self, losses: Mapping[str, Tensor]) -> dict[str, float]:
        """Return losses averaged over the workers.

        Raises:
            TrainingDiverged: A loss is not finite.
        """
        return self.run.mean_losses(losses, self.step)

    def log(self, values: Mapping[str, float]) -> None:
        """Write a progress line, and a row of losses.csv, for the steps taken so far."""
        self.run.log(self.title, self.step * self.batch, self.total * self.batch, values)

    def save(self, losses: Mapping[str, Tensor]) -> None:
        """Write the checkpoint (rank 0), unless a loss shows that the training has diverged.

        Raises:
            TrainingDiverged: A loss is not finite; the previous checkpoint stays.
        """
        self.mean_losses(losses)
        self.state |= {"step": self.step, "hours": self.hours_before + self.run.hours()}
        if self.run.rank == 0:
            save_state(self.file, self.modules, self.optimisers, self.state)


def load_checkpoint(folder: Path, modules: Mapping[str, nn.Module]) -> JsonObject:
    """Load the weights of a run's checkpoint into modules and return its plain values.

    Args:
        folder: The folder of the run.
        modules: Networks by the names under which the training saved them; may be a part of them.

    Raises:
        WeightsError: There is no checkpoint, or it does not fit the modules.
    """
    return load_state(folder / CHECKPOINT, modules, {})
