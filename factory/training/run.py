"""One worker's view of a training: its rank, its device, and the folder of the run.

All workers see the same folder: a local one, or a network drive on a cluster.
"""

import csv
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from factory.errors import FactoryError

PROGRESS = "progress.log"
"""The file of progress lines in a run's folder."""

LOSSES = "losses.csv"
"""The table of losses in a run's folder: images seen, then a column for each value."""

STOPPED = "stopped.txt"
"""The file that says why a run must not be started again."""


class TrainingDiverged(FactoryError):
    """A loss is no longer finite; the text names the step and the loss."""


@dataclass
class Run:
    """One worker of a training. Rank 0 writes files; all ranks compute.

    Attributes:
        folder: Where the checkpoint, the log and the samples are written.
        rank: Index of this worker.
        world: Number of workers.
        device: Where this worker computes.
        created: Time at which the worker started, in seconds of the monotonic clock.
        started: Time of the first progress line.
        first_image: Number of images at the first progress line.
        unit: What a progress line counts.
    """

    folder: Path
    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    created: float = field(default_factory=time.monotonic)
    started: float = 0.0
    first_image: int | None = None
    unit: str = "images"

    def hours(self) -> float:
        """Return the hours since this worker started."""
        return (time.monotonic() - self.created) / 3600

    def share(self, size: int) -> slice:
        """Return this worker's rows of a global batch.

        Raises:
            ValueError: The batch cannot be divided evenly among the workers.
        """
        if size % self.world:
            raise ValueError(f"a batch of {size} cannot be shared by {self.world} workers")
        rows = size // self.world
        return slice(self.rank * rows, (self.rank + 1) * rows)

    def wait(self) -> None:
        """Wait until every worker has come to this point."""
        if self.world > 1:
            dist.barrier()

    def distribute(self, module: nn.Module) -> nn.Module:
        """Wrap a module so that its gradients are averaged over the workers."""
        return DistributedDataParallel(module) if self.world > 1 else module

    def autocast(self, mixed_precision: bool) -> torch.autocast:
        """Return a context in which convolutions compute in bfloat16 if mixed precision is on.

        Casts are not cached: a cached copy would outlive a change of requires_grad.
        """
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=mixed_precision, cache_enabled=False
        )

    def mean_losses(self, losses: Mapping[str, Tensor], step: int) -> dict[str, float]:
        """Return losses averaged over the workers.

        Raises:
            TrainingDiverged: A loss is not finite.
        """
        values = torch.stack([v.detach().float() for v in losses.values()])
        if self.world > 1:
            dist.all_reduce(values)
            values /= self.world
        means = dict(zip(losses, values.tolist(), strict=True))
        for name, value in means.items():
            if not math.isfinite(value):
                raise TrainingDiverged(
                    f"step {step}: loss {name} is {value}; the training stops here"
                )
        return means

    def log(self, title: str, images: int, total: int, values: Mapping[str, float]) -> None:
        """Append one progress line and one row of losses.csv (rank 0 only).

        Args:
            title: Beginning of the progress line.
            images: Number of images seen so far.
            total: Number of images of the whole training.
            values: Losses and scores by column name; the columns of a run stay the same.
        """
        if self.rank:
            return
        if self.first_image is None:
            self.first_image, self.started = images, time.monotonic()
        new_images = images - self.first_image
        rate = new_images / max(time.monotonic() - self.started, 1e-9)
        remaining = f"{(total - images) / rate / 60:.0f} min left" if new_images else "…"
        figures = "  ".join(f"{k} {v:.4g}" for k, v in values.items())
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / PROGRESS).open("a", encoding="utf-8") as file:
            count = f"{images}/{total} {self.unit}"
            print(f"{title}: {count}  {rate:.1f}/s  {remaining}  {figures}", file=file)
        path = self.folder / LOSSES
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(["images", *values])
            writer.writerow([images, *(f"{v:.6g}" for v in values.values())])

    def truncate_losses(self, images: int) -> None:
        """Delete the rows of losses.csv beyond the checkpoint from which a training resumes.

        Args:
            images: Number of images seen at the checkpoint.
        """
        path = self.folder / LOSSES
        if self.rank or not path.exists():
            return
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        valid = [row for row in rows if int(row.split(",")[0]) <= images]
        path.write_text("\n".join([header, *valid]) + "\n", encoding="utf-8")

    def loss_curve(self, points: int = 50) -> list[dict[str, float]]:
        """Return up to `points` evenly spaced rows of losses.csv."""
        with (self.folder / LOSSES).open(encoding="utf-8") as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        step = max(1, math.ceil(len(rows) / points))
        return rows[::step]

    def sample_file(self, step: int) -> Path:
        """Return the path of the sample grid of a step."""
        return self.folder / "samples" / f"step-{step:06d}.png"

    def write_stop_reason(self, reason: str) -> None:
        """Write why this run must not be started again (rank 0 only)."""
        if self.rank == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / STOPPED).write_text(reason, encoding="utf-8")

    def pop_stop_reason(self) -> str | None:
        """Return why the previous run was stopped, and delete the note; None if it was not."""
        path = self.folder / STOPPED
        if not path.exists():
            return None
        reason = path.read_text(encoding="utf-8")
        path.unlink()
        return reason
