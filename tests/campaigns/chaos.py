"""Kills drawn from a seed while a recipe is rendered on a Ray cluster: the dataset is the same.

make chaos SEEDS=200      goes on where it was stopped; a line a seed in .chaos/*.jsonl

Seed i says how many nodes there are, how many actors are asked for, how the dataset is cut, and
what is killed when; `factory render` is then run until it ends with 0, as a user would. Every run
must end with the digest of one that nobody disturbed.
"""

import argparse
import collections
import json
import multiprocessing
import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from campaigns.code_version import code_version
from support.fault_injection import Ground
from support.places import ROOT
from support.tiny_models import RECIPE, small, tiny_model

SAMPLES = 12
KINDS = ("actor", "node", "driver", "node replaced", "head", "node added")
WAIT = 1200  # seconds for a run: whoever takes longer hangs
MOST_STARTS = 12  # of the command

_DRIVERS = multiprocessing.get_context("forkserver")
_DRIVERS.set_forkserver_preload(
    ["factory.api", "factory.rendering.renderer", "factory.datasets.montage.montage", "ray"]
)


@dataclass
class Event:
    """Something that happens once so many samples stand, and so many seconds later."""

    what: str
    after: int
    later: float
    which: int
    happened: bool = False


@dataclass(frozen=True)
class Setting:
    """What a seed says. actors: None leaves it to the cluster."""

    nodes: int
    actors: int | None
    per_shard: int
    events: list[Event]


def setting(seed: int) -> Setting:
    rng = np.random.Generator(np.random.Philox(key=seed))
    number = int(rng.integers(1, 5))
    kinds = [KINDS[seed % len(KINDS)], *rng.choice(KINDS, number - 1, p=WEIGHTS)]
    rng.shuffle(kinds)
    whens = sorted(int(n) for n in rng.integers(0, SAMPLES - 2, number))
    nodes = int(rng.integers(1, 4))
    if nodes == 1:  # the only one has to be replaced
        kinds = ["node replaced" if kind == "node" else kind for kind in kinds]
    return Setting(
        nodes=nodes,
        actors=(None, 2, 4)[rng.integers(3)],
        per_shard=int(rng.integers(1, 4)),
        events=[
            Event(str(kind), when, round(float(rng.uniform(0, 1)), 2), int(rng.integers(99)))
            for kind, when in zip(kinds, whens, strict=True)
        ],
    )


WEIGHTS = (0.4, 0.15, 0.15, 0.15, 0.05, 0.1)  # of KINDS; each seed has one of KINDS in turn besides


class Chaos:
    """Runs seeds on one machine. folder: empty, or of a run of the same code."""

    def __init__(self, folder: Path, ground: Ground) -> None:
        self.folder, self.ground = folder, ground
        shutil.rmtree(folder / "tiny", ignore_errors=True)
        self.model = tiny_model(folder / "tiny")
        self.quiet = self._quiet()

    def options(self, path: Path, per_shard: int) -> list[str]:
        return [
            "render",
            RECIPE,
            *small(self.model),
            "--set=anatomy.0.ventriculomegaly.grade={each: [0, 1, 2, 3]}",
            f"--set=subjects.phantom.count={SAMPLES // 4}",
            f"--set=output.samples_per_shard={per_shard}",
            f"--output={path}",
        ]

    def _quiet(self) -> str:
        from factory.storage.dataset.open import dataset_digest

        path = self.folder / "quiet.zarr"
        driver = start([*self.options(path, 1), "--serial"], self.folder / "quiet.log")
        driver.join(WAIT)
        assert driver.exitcode == 0, (self.folder / "quiet.log").read_text()
        return dataset_digest(str(path))

    def run(self, seed: int) -> dict[str, Any]:
        """What came of a seed. Raises AssertionError, with the log, where it did not end well."""
        from factory.storage.dataset.open import dataset_digest

        said, ground = setting(seed), self.ground
        path, log = self.folder / f"{seed}.zarr", self.folder / f"{seed}.log"
        shutil.rmtree(path, ignore_errors=True)  # of a run that was stopped
        while len(ground.nodes) > said.nodes:
            ground.power_off(ground.nodes[-1])
        while len(ground.nodes) < said.nodes:
            ground.add()
        command = self.options(path, said.per_shard)
        command += [f"--actors={said.actors}"] if said.actors else []
        begun, exits, waiting = time.monotonic(), list[int](), list(said.events)
        driver = start([*command, f"--address={ground.address}"], log)
        while True:
            told = f"seed {seed}: {said}\n{exits}\n" + "\n".join(log.read_text().split("\n")[-60:])
            assert time.monotonic() - begun < WAIT, f"hangs; {told}"
            driver.join(0.05)
            if driver.exitcode is not None:
                exits.append(driver.exitcode)
                if driver.exitcode == 0:
                    break
                assert driver.exitcode != 1, f"a mistake of ours; {told}"
                assert len(exits) < MOST_STARTS, told
                if ground.cluster.head_node is None:
                    ground.begin_anew()
                driver = start([*command, f"--address={ground.address}"], log)
            stand = len(list(path.glob("ledger/0*.json"))) * said.per_shard
            if waiting and stand >= waiting[0].after and ground.cluster.head_node:
                event = waiting[0]
                time.sleep(event.later)
                event.happened = driver.exitcode is None and self._happen(event, driver)
                waiting = waiting[event.happened :]
        found = dataset_digest(str(path))
        assert found == self.quiet, f"another digest; seed {seed}: {said}"
        return {
            "seed": seed,
            "nodes": said.nodes,
            "actors": said.actors,
            "per_shard": said.per_shard,
            "events": [asdict(event) for event in said.events],
            "exits": exits,
            "seconds": round(time.monotonic() - begun, 1),
            "digest": found,
        }

    def _happen(self, event: Event, driver: Any) -> bool:
        """Whether what was to happen could."""
        ground = self.ground
        match event.what:
            case "actor":
                return ground.kill_actor(event.which)
            case "driver":
                driver.kill()
                driver.join()
            case "head":
                ground.lose_head()
            case "node added":
                ground.add()
            case "node replaced":
                ground.power_off(ground.nodes[event.which % len(ground.nodes)])
                ground.add()
            case "node":
                if len(ground.nodes) == 1:  # after others were lost
                    ground.add()
                ground.power_off(ground.nodes[event.which % len(ground.nodes)])
        return True


def start(arguments: list[str], log: Path) -> Any:
    """`factory` with these arguments, in a process of its own; what it says is added to a log."""
    log.touch()
    driver = _DRIVERS.Process(target=_factory, args=(arguments, str(log)))
    driver.start()
    return driver


def _factory(arguments: list[str], log: str) -> None:
    with open(log, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.setpgrp()
    from factory import cli
    from factory.execution.ray import session as ray_session

    ray_session._SILENCE_SECONDS = 5.0  # of a head, before it counts as lost
    os._exit(cli.main(arguments))


def table(rows: list[dict[str, Any]]) -> list[str]:
    """What was killed, and how often."""
    counts = collections.Counter(
        event["what"] for row in rows for event in row["events"] if event["happened"]
    )
    starts = sum(len(row["exits"]) for row in rows)
    return [
        f"{len(rows)} runs, the command started {starts} times, "
        f"{sum(row['seconds'] for row in rows) / 60:.0f} min",
        *(f"{kind:<14} {counts[kind]}" for kind in KINDS),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", type=int)
    parser.add_argument("--folder", type=Path, default=ROOT / ".chaos")
    options = parser.parse_args()
    os.chdir(ROOT)
    # one folder for one version of the code: the place of the model is part of what a case says
    folder = options.folder.absolute() / code_version(ROOT)[:16]
    folder.mkdir(parents=True, exist_ok=True)
    results = folder.with_suffix(".jsonl")
    rows = (
        [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    )
    missing = sorted(set(range(options.seeds)) - {row["seed"] for row in rows})
    if missing:
        with Ground(2) as ground:
            chaos = Chaos(folder, ground)
            for seed in missing:
                rows.append(chaos.run(seed))
                with results.open("a") as file:
                    print(json.dumps(rows[-1]), file=file)
                print(json.dumps(rows[-1]), flush=True)
                shutil.rmtree(folder / f"{seed}.zarr")
    rows = [row for row in rows if row["seed"] < options.seeds]
    digests = {row["digest"] for row in rows}
    assert len(digests) == 1, digests
    print("\n".join([*table(rows), f"one digest: {digests.pop()}"]))


if __name__ == "__main__":
    main()
