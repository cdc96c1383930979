"""How large bricks should be: random 96³ patches of image and label, read from 32³, 48³ and 64³.

    python benchmarks/brick_size.py [ROUNDS]

Volumes are procedural heads of 1.0 and 0.6 mm with an image as the scanner leaves it, encoded and
cut as factory.storage.dataset.layout does. Each round reads the same patches from every size with
every reader there is (zarr-python; its zarrs pipeline; tensorstore), sizes and readers in a
shuffled order, so that a busy machine hurts all alike. Printed: the median patches a second, and
ratios to 64³ by the same reader, and to zarr-python of the same size, with a 95 % bootstrap
interval over rounds.
"""

import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from scipy import ndimage

from factory.storage.dataset.layout import Layout, brick_length, quantise, volume_spec
from factory.storage.subjects.phantom import phantom, phantom_extent_mm
from factory.storage.subjects.resample import crop_to_shape
from factory.storage.subjects.types import FETA

SIZES = (32, 48, 64)
SPACINGS = (1.0, 0.6)
SAMPLES, PATCH, PATCHES = 3, 96, 6
TONES = np.array([0, 0.9, 0.45, 0.55, 1.0, 0.4, 0.45, 0.5], np.float32)


def volumes(
    spacing: float, rng: np.random.Generator, samples: int = SAMPLES
) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint16 and labels uint8 [sample, z, y, x] of 30-week heads."""
    extent = phantom_extent_mm(30.0)
    depth, height, width = (16 * -(-round(mm / spacing + 8) // 16) for mm in extent)
    shape = (depth, height, width)
    images, labels = [], []
    for seed in range(samples):
        label = crop_to_shape(phantom(30.0, seed, spacing, f"p{seed}"), shape).label
        texture = ndimage.gaussian_filter(rng.standard_normal(shape).astype(np.float32), 1.0)
        smooth = np.asarray(ndimage.gaussian_filter(TONES[label], 0.7))
        image = np.where(label > 0, smooth + 0.1 * np.asarray(texture), np.float32(0))
        images.append(quantise(image, 0.0, 1.2)[0])
        labels.append(label)
    return np.stack(images), np.stack(labels)


def write(folder: Path, size: int, image: np.ndarray, label: np.ndarray) -> None:
    """Write the arrays as a dataset stores them, in bricks of about a size."""
    layout = Layout(SAMPLES, image.shape[1:], FETA)
    brick = tuple(brick_length(n, size) for n in image.shape[1:])
    padded = tuple(-(-n // b) * b for n, b in zip(image.shape[1:], brick, strict=True))
    group = zarr.create_group(folder)
    for name, values in (("image", image), ("label", label)):
        spec = volume_spec(layout, name) | {"chunks": (1, *brick), "shards": (1, *padded)}
        group.create_array(name, **spec)[...] = values


def readers(folder: Path) -> dict[str, Callable[[tuple], None]]:
    """Return, by name, functions that read the image and the label of a selection."""

    def by_zarr(pipeline: str) -> Callable[[tuple], None]:
        with zarr.config.set({"codec_pipeline.path": pipeline}):
            group = zarr.open_group(folder, mode="r")
            arrays: list[Any] = [group[name] for name in ("image", "label")]

        def read(where: tuple) -> None:
            for array in arrays:
                array[where]

        return read

    functions = {"zarr": by_zarr("zarr.core.codec_pipeline.BatchedCodecPipeline")}
    try:
        import zarrs  # noqa: F401

        functions["zarrs"] = by_zarr("zarrs.ZarrsCodecPipeline")
    except ImportError:
        pass
    try:
        import tensorstore

        arrays = [
            tensorstore.open(
                {"driver": "zarr3", "kvstore": f"file://{folder / name}/"},
                context=tensorstore.Context({"data_copy_concurrency": {"limit": 1}}),
            ).result()
            for name in ("image", "label")
        ]

        def read(where: tuple) -> None:
            for future in [array[where].read() for array in arrays]:
                future.result()

        functions["tensorstore"] = read
    except ImportError:
        pass
    return functions


def interval(ratios: np.ndarray, rng: np.random.Generator) -> str:
    """Return the geometric mean and its 95 % bootstrap interval as text."""
    logs = np.log(ratios)
    means = rng.choice(logs, (2000, len(logs))).mean(axis=1)
    low, high = np.exp(np.quantile(means, [0.025, 0.975]))
    return f"{np.exp(logs.mean()):.2f} ({low:.2f} to {high:.2f})"


def main(rounds: int) -> None:
    """Compare brick sizes at each spacing."""
    warnings.simplefilter("ignore")
    rng = np.random.Generator(np.random.Philox(7))
    for spacing in SPACINGS:
        root = Path(tempfile.mkdtemp(prefix="bricks-"))
        try:
            compare(root, spacing, rounds, rng)
        finally:
            shutil.rmtree(root)


def compare(root: Path, spacing: float, rounds: int, rng: np.random.Generator) -> None:
    """Compare brick sizes at one spacing, and print the table."""
    image, label = volumes(spacing, rng)
    reads: dict[tuple[int, str], Callable[[tuple], None]] = {}
    stored = {}
    for size in SIZES:
        folder = root / str(size)
        write(folder, size, image, label)
        stored[size] = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        reads |= {(size, name): read for name, read in readers(folder).items()}
    seconds: dict[tuple[int, str], list[float]] = {key: [] for key in reads}
    for turn in range(rounds + 1):  # the first warms up
        corners = [
            [int(rng.integers(0, max(1, n - PATCH + 1))) for n in image.shape[1:]]
            for _ in range(PATCHES)
        ]
        where = [
            (int(rng.integers(SAMPLES)), *(slice(c, min(c + PATCH, n)) for c, n in
             zip(corner, image.shape[1:], strict=True)))
            for corner in corners
        ]  # fmt: skip
        for key in rng.permutation(np.array(list(reads), dtype=object)):
            begun = time.perf_counter()
            for one in where:
                reads[tuple(key)](one)
            if turn:
                seconds[tuple(key)].append(time.perf_counter() - begun)
    times = {key: np.array(values) for key, values in seconds.items()}
    shape = " × ".join(map(str, image.shape[1:]))
    print(f"\n{spacing} mm, {shape} voxels, {rounds} rounds of {PATCHES} patches")
    print("| brick | stored MB | reader | patches/s | to 64³ | to zarr-python |")
    print("|---|---|---|---|---|---|")
    for size, name in reads:
        brick = " × ".join(str(brick_length(n, size)) for n in image.shape[1:])
        print(
            f"| {brick} | {stored[size] / 1e6:.2f} | {name} "
            f"| {PATCHES / np.median(times[size, name]):.1f} "
            f"| {interval(times[64, name] / times[size, name], rng)} "
            f"| {interval(times[size, 'zarr'] / times[size, name], rng)} |"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
