"""A small run: real cases, shards, dataset and Ray; only the pictures are toys.

`python -m support.toy_render DATASET` is to it what `factory render` is to a recipe.
"""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from factory.case import Case, CaseAppearance, CaseGrid
from factory.errors import AnatomyError
from factory.execution.options import ActorNeeds, RunOptions, ShardOptions
from factory.execution.run import execute
from factory.planning.plan import Shard
from factory.rendering.lookahead import Lookahead
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.open import create_dataset
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.subjects.types import FETA, Grid

SHAPE = (20, 26, 22)
PER_SHARD = 2

WELL_AFTER_S = 0.5
"""How long a case that always kills its process takes to do so: by then what came of the case
before has been told, so that the loss is not laid to that one."""


def case(index: int) -> Case:
    return Case(
        id=f"phantom-{index // 5}/grade={index % 5}/0",
        subject={"source": "phantom", "id": f"phantom-{index // 5}", "gestational_age_weeks": 28.0},
        variant=f"grade={index % 5}",
        replicate=0,
        edits=(),
        appearance=CaseAppearance("toy", "mean", style_seed=index),
        grid=CaseGrid(SHAPE, 1.0),
        requested={"grade": index % 5},
    )


def shards(samples: int) -> list[Shard]:
    all_cases = [case(i) for i in range(samples)]
    starts = range(0, samples, PER_SHARD)
    return [Shard(n, s, tuple(all_cases[s : s + PER_SHARD])) for n, s in enumerate(starts)]


@dataclass
class ToyWorker:
    """Noise by seed. Where the folder `mishaps` says so, a case meets with a mishap."""

    dataset: Dataset
    mishaps: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.lookahead = Lookahead(self.prepare, self.paint, lambda: None)

    def happens(self, what: str) -> bool:
        return bool(self.mishaps) and (Path(self.mishaps) / what).exists()

    def note(self, text: str) -> None:
        """Say who did what, where a folder is there to say it in."""
        if self.mishaps:
            with (Path(self.mishaps) / "notes").open("a") as file:
                print(text, file=file)

    def raylets(self) -> set[str]:
        """The nodes that took part, by the process that started their actors."""
        lines = (Path(self.mishaps) / "notes").read_text().splitlines()
        return {line.split()[2] for line in lines}

    def setup(self) -> None:
        if self.happens("error-loading"):
            raise FileNotFoundError("no weights here")
        if self.happens("dies-loading"):
            os.kill(os.getpid(), signal.SIGKILL)

    def prefetch(self, cases: Sequence[Case]) -> None:
        self.lookahead.prefetch(cases)

    def render(self, case: Case) -> StoredSample:
        return self.lookahead.result(case)

    def prepare(self, case: Case) -> Case:
        """Where the mishaps are."""
        index = case.appearance.style_seed
        time.sleep(self.seconds)
        self.note(f"{os.getpid()} {index} {os.getppid()}")
        while self.happens("two-nodes") and index >= 6 and len(self.raylets()) < 2:
            time.sleep(0.1)
        if self.happens(f"always-{index}"):
            time.sleep(WELL_AFTER_S)
            os.kill(os.getpid(), signal.SIGKILL)
        if self.happens(f"once-{index}"):
            once = Path(self.mishaps) / f"once-{index}"
            once.rename(once.with_name(f"met-{index}"))
            os.kill(os.getpid(), signal.SIGKILL)
        if self.happens(f"error-{index}") or self.happens("error-all"):
            raise AnatomyError("the ventricles have nowhere to grow")
        if self.happens(f"odd-{index}") or self.happens("odd-all"):
            raise ZeroDivisionError("a mistake of ours")
        if self.happens(f"hungry-{index}"):
            self.starve()
        return case

    def paint(self, case: Case) -> StoredSample:
        index = case.appearance.style_seed
        self.wait_for(index + 1)
        rng = np.random.Generator(np.random.Philox(index))
        arrays = {
            "image": rng.random(SHAPE, dtype=np.float32),
            "label": rng.integers(0, 8, SHAPE).astype(np.uint8),
        }
        columns = {"subject": case.subject["id"], "grade": index % 5}
        grid = Grid.centred(SHAPE, (1.0, 1.0, 1.0))
        return StoredSample(case.to_json(), arrays, grid.affine, grid.spacing, columns)

    def wait_for(self, index: int) -> None:
        """Where it is said so, until a case was begun: for ever, were it not begun ahead."""
        deadline = time.monotonic() + 60
        while self.happens(f"awaited-{index}"):
            notes = (Path(self.mishaps) / "notes").read_text().splitlines()
            if any(line.split()[1] == str(index) for line in notes):
                return
            assert time.monotonic() < deadline, f"case {index} was not begun ahead"
            time.sleep(0.01)

    def starve(self) -> None:
        """Really run out of memory."""
        used = psutil.Process().memory_info().vms
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, before[1]))
        try:
            np.ones(2**28)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)


def begin(path: str, samples: int) -> Dataset:
    layout = Layout(samples, SHAPE, FETA, samples_per_shard=PER_SHARD)
    return create_dataset(path, layout, {"recipe_digest": "toy"}, "toy\n")


def render(
    path: str,
    samples: int = 12,
    mishaps: str = "",
    seconds: float = 0.0,
    *,
    threads: int = 1,
    ahead: int = 0,
    keep_going: bool = False,
    **where: Any,
) -> Dataset:
    """where: of RunOptions."""
    dataset = begin(path, samples)
    all_shards = shards(samples)
    finished = dataset.finished_shards(all_shards)
    make_worker = partial(ToyWorker, dataset, mishaps, seconds)
    execute(
        (shard for shard in all_shards if shard.index not in finished),
        make_worker,
        samples=samples,
        finished=sum(len(shard.cases) for shard in all_shards if shard.index in finished),
        shard_options=ShardOptions(ahead, keep_going),
        needs=ActorNeeds(threads),
        run=RunOptions(**where),
    )
    dataset.seal()
    return dataset


if __name__ == "__main__":
    how = json.loads(sys.argv[4]) if sys.argv[4:] else {"actors": 2}
    try:
        dataset = render(sys.argv[1], int(sys.argv[2]), seconds=float(sys.argv[3]), **how)
    except KeyboardInterrupt as stop:
        print(stop)
        sys.exit(130)
    print(dataset.digest())
