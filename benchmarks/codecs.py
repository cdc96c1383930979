"""Which compressor bricks should have: bytes stored, and the time to read random 96³ patches.

    python benchmarks/codecs.py [ROUNDS]

Procedural heads of 0.8 and 0.5 mm with an image as the scanner leaves it, cut as
factory.storage.dataset.layout does, are stored with each compressor and read through tensorstore in
one thread. Each round reads the same patches with all of them in a shuffled order. Printed: MB
stored, the time to store, the median CPU time a patch, and how many times that of the compressor in
use it is, with a 95 % bootstrap interval.
"""

import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore
import zarr
from brick_size import interval, volumes
from zarr.codecs import BloscCodec, ZstdCodec

from factory.storage.dataset.layout import Layout, volume_spec
from factory.storage.subjects.types import FETA

SAMPLES, PATCH, PATCHES = 3, 96, 20


def blosc(name: Any, level: int, shuffle: Any) -> BloscCodec:
    """Return a Blosc codec for two-byte values."""
    return BloscCodec(cname=name, clevel=level, shuffle=shuffle, typesize=2)


IMAGE: dict[str, Any] = {
    "in use": None,
    "lz4, bits shuffled": blosc("lz4", 5, "bitshuffle"),
    "lz4, bytes shuffled": blosc("lz4", 5, "shuffle"),
    "lz4hc 9, bytes shuffled": blosc("lz4hc", 9, "shuffle"),
    "zstd 1, bytes shuffled": blosc("zstd", 1, "shuffle"),
    "zstd 1, bits shuffled": blosc("zstd", 1, "bitshuffle"),
}
LABEL: dict[str, Any] = {
    "in use": None,
    "zstd 3": ZstdCodec(level=3),
    "lz4": blosc("lz4", 5, "noshuffle"),
    "blosc zstd 3": blosc("zstd", 3, "noshuffle"),
}


def store(folder: Path, name: str, values: np.ndarray, codec: Any) -> tuple[float, float, Any]:
    """Store volumes; return the size in MB, the seconds a sample, and the array to read."""
    spec = volume_spec(Layout(SAMPLES, values.shape[1:], FETA), name)
    spec |= {"compressors": codec} if codec else {}
    group = zarr.create_group(str(folder))
    array = group.create_array(name, config={"write_empty_chunks": True}, **spec)
    begun = time.process_time()
    array[...] = values
    seconds = (time.process_time() - begun) / SAMPLES
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    where = {"driver": "file", "path": f"{folder / name}/"}
    one = tensorstore.Context({"data_copy_concurrency": {"limit": 1}})
    spec = {"driver": "zarr3", "kvstore": where}
    return size / 1e6, seconds, tensorstore.open(spec, read=True, context=one).result()


def timed(array: Any, windows: list[tuple[Any, ...]]) -> float:
    """Return the CPU time of a patch in ms."""
    begun = time.process_time()
    for window in windows:
        array[window].read().result()
    return 1e3 * (time.process_time() - begun) / len(windows)


def main() -> None:
    """Compare the codecs, and print the table."""
    warnings.simplefilter("ignore")
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    rng = np.random.Generator(np.random.Philox(7))
    print("| | stored MB | storing a sample, ms | a patch, ms | times that in use |")
    print("|---|---|---|---|---|")
    for spacing in (0.8, 0.5):
        for name, values, codecs in zip(
            ("image", "label"), volumes(spacing, rng, SAMPLES), (IMAGE, LABEL), strict=True
        ):
            with tempfile.TemporaryDirectory(prefix="codecs-") as root:
                stored = {c: store(Path(root) / c, name, values, codecs[c]) for c in codecs}
                times_ms: dict[str, list[float]] = {codec: [] for codec in codecs}
                for _ in range(rounds):
                    corners = rng.integers(
                        np.array(values.shape[1:]) - PATCH + 1, size=(PATCHES, 3)
                    )
                    windows = [
                        (i % SAMPLES, *(slice(c, c + PATCH) for c in corner))
                        for i, corner in enumerate(corners)
                    ]
                    for codec in rng.permutation(list(codecs)).tolist():
                        times_ms[codec].append(timed(stored[codec][2], windows))
            in_use_ms = np.array(times_ms["in use"])
            for codec, (size, seconds, _) in stored.items():
                ratio = interval(np.array(times_ms[codec]) / in_use_ms, rng)
                print(f"| {spacing} mm {name}: {codec} | {size:.2f} | {1e3 * seconds:.0f} | "
                      f"{np.median(times_ms[codec]):.2f} | {ratio} |")  # fmt: skip


if __name__ == "__main__":
    main()
