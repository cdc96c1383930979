"""What a training loop is given by whoever runs it: its rank, its device, its folder.

The folder is one that every worker sees: a local one, or a network drive on a cluster.
"""

import csv
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from factory.errors import FactoryError

PROGRESS = "progress.log"
"""The file of progress lines in a run's folder."""


STOPPED = "stopped.txt"
"""Where a run that must not be tried again says why."""


class TrainingDiverged(FactoryError):
    """A loss is no longer finite; the text names the step and the loss."""


@dataclass
class Run:
    """One worker's view of a training. Rank 0 writes; the others compute."""

    folder: Path
    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    created: float = field(default_factory=time.monotonic)
    started: float = 0.0
    first_image: int | None = None
    counted: str = "images"

    def hours(self) -> float:
        return (time.monotonic() - self.created) / 3600

    def share(self, size: int) -> slice:
        """This worker's part of a global batch. Raises ValueError if it cannot be shared evenly."""
        if size % self.world:
            raise ValueError(f"a batch of {size} cannot be shared by {self.world} workers")
        part = size // self.world
        return slice(self.rank * part, (self.rank + 1) * part)

    def wait(self) -> None:
        """Until every worker has come this far."""
        if self.world > 1:
            dist.barrier()

    def averaged(self, losses: dict[str, Tensor], step: int) -> dict[str, float]:
        """Losses averaged over workers. Raises TrainingDiverged at the first that is not finite."""
        values = torch.stack([v.detach().float() for v in losses.values()])
        if self.world > 1:
            dist.all_reduce(values)
            values /= self.world
        averaged = dict(zip(losses, values.tolist(), strict=True))
        for name, value in averaged.items():
            if not math.isfinite(value):
                raise TrainingDiverged(
                    f"step {step}: loss {name} is {value}; the training stops here"
                )
        return averaged

    def log(self, title: str, images: int, total: int, values: dict[str, float]) -> None:
        """One progress line, and one row of losses.csv (rank 0 only)."""
        if self.rank:
            return
        if self.first_image is None:
            self.first_image, self.started = images, time.monotonic()
        done = images - self.first_image
        rate = done / max(time.monotonic() - self.started, 1e-9)
        left = f"{(total - images) / rate / 60:.0f} min left" if done else "…"
        shown = "  ".join(f"{k} {v:.4g}" for k, v in values.items())
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / PROGRESS).open("a", encoding="utf-8") as file:
            counted = f"{images}/{total} {self.counted}"
            print(f"{title}: {counted}  {rate:.1f}/s  {left}  {shown}", file=file)
        path = self.folder / "losses.csv"
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(["images", *values])
            writer.writerow([images, *(f"{v:.6g}" for v in values.values())])

    def stop(self, reason: str) -> None:
        """Leave word of why this run is over (rank 0)."""
        if self.rank == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / STOPPED).write_text(reason, encoding="utf-8")

    def stopped(self) -> str | None:
        """Why the last run was stopped, if it was; asking takes the word away."""
        path = self.folder / STOPPED
        if not path.exists():
            return None
        reason = path.read_text(encoding="utf-8")
        path.unlink()
        return reason

    def forget_after(self, images: int) -> None:
        """Drop rows of losses.csv beyond the checkpoint that a resumed training starts from."""
        path = self.folder / "losses.csv"
        if self.rank or not path.exists():
            return
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        kept = [row for row in rows if int(row.split(",")[0]) <= images]
        path.write_text("\n".join([header, *kept]) + "\n", encoding="utf-8")

    def loss_curve(self, points: int = 50) -> list[dict[str, float]]:
        """Up to `points` evenly spaced rows of losses.csv."""
        with (self.folder / "losses.csv").open(encoding="utf-8") as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        step = max(1, math.ceil(len(rows) / points))
        return rows[::step]
