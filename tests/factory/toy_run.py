"""A small run: real cases, plan, worker, dataset and Ray; only the renderer is a toy.

`python toy_run.py DATASET` is to it what `factory render` is to a recipe.
"""

import os
import signal
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from factory.cases import Case
from factory.errors import AnatomyError
from factory.execute import execute
from factory.plan import Shard
from factory.render import Sample
from factory.worker import RenderWorker
from storage.dataset import Dataset
from storage.dataset_open import create
from storage.layout import Layout
from storage.subject import FETA, Grid

SHAPE = (20, 26, 22)
PER_SHARD = 2


def case(index: int) -> Case:
    return Case(
        id=f"phantom-{index // 5}/grade={index % 5}/0",
        subject={"source": "phantom", "id": f"phantom-{index // 5}", "gestational_age_weeks": 28.0},
        variant=f"grade={index % 5}",
        replicate=0,
        edits=[],
        appearance={"style_seed": index},
        grid={"shape": list(SHAPE), "spacing_mm": 1.0},
        requested={"grade": index % 5},
    )


def shards(samples: int) -> list[Shard]:
    every = [case(i) for i in range(samples)]
    starts = range(0, samples, PER_SHARD)
    return [Shard(n, s, tuple(every[s : s + PER_SHARD])) for n, s in enumerate(starts)]


@dataclass(frozen=True)
class Render:
    """Noise by seed. Once the folder `mishaps` says so, a case meets with a mishap."""

    threads: int
    mishaps: str = ""
    seconds: float = 0.0

    def __call__(self, case: Case) -> Sample:
        index = case.appearance["style_seed"]
        time.sleep(self.seconds)
        if self.mishaps:
            self.meet(index)
        rng = np.random.Generator(np.random.Philox(index))
        return Sample(
            case=case,
            image=rng.random(SHAPE, dtype=np.float32),
            label=rng.integers(0, 8, SHAPE).astype(np.uint8),
            grid=Grid.centred(SHAPE, (1.0, 1.0, 1.0)),
            table=FETA,
            measures={"atrial_width_mm": 7.0 + index % 5},
            extra={},
        )

    def meet(self, index: int) -> None:
        folder = Path(self.mishaps)
        if (folder / f"always-{index}").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        if (folder / f"once-{index}").exists():
            (folder / f"once-{index}").rename(folder / f"met-{index}")
            os.kill(os.getpid(), signal.SIGKILL)
        if (folder / f"error-{index}").exists() or (folder / "error-all").exists():
            raise AnatomyError("the ventricles have nowhere to grow")


def load(threads: int, mishaps: str = "", seconds: float = 0.0) -> Render:
    if mishaps and (Path(mishaps) / "error-loading").exists():
        raise FileNotFoundError("no weights here")
    if mishaps and (Path(mishaps) / "dies-loading").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return Render(threads, mishaps, seconds)


def begin(path: str, samples: int) -> Dataset:
    layout = Layout(samples, SHAPE, FETA, samples_per_shard=PER_SHARD)
    return create(path, layout, {"recipe_digest": "toy"}, "toy\n")


def render(
    path: str, samples: int = 12, mishaps: str = "", seconds: float = 0.0, **how: object
) -> Dataset:
    dataset = begin(path, samples)
    every = shards(samples)
    done = dataset.done(every)
    make_worker = partial(
        RenderWorker, dataset, partial(load, mishaps=mishaps, seconds=seconds), threads=1
    )
    execute(
        (shard for shard in every if shard.index not in done),
        make_worker,
        samples=samples,
        standing=sum(len(shard.cases) for shard in every if shard.index in done),
        **how,  # type: ignore[arg-type]
    )
    dataset.seal()
    return dataset


if __name__ == "__main__":
    try:
        made = render(sys.argv[1], int(sys.argv[2]), seconds=float(sys.argv[3]), actors=2)
    except KeyboardInterrupt as stop:
        print(stop)
        sys.exit(130)
    print(made.digest())
