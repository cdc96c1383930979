"""The ways of storing that benchmarks/loading.py compares.

Each writes the same volumes, and reads windows of them as float32 images and uint8 labels.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from torch.utils.data import Dataset

from factory.storage.dataset.layout import Layout, dequantise
from factory.storage.dataset.open import create_dataset
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.subjects.types import FETA

SAMPLES, PATCH, SPACING = 3, 96, 0.5
RANGE = (0.0, 1.2)
Read = Callable[[int, tuple[slice, ...]], tuple[np.ndarray, np.ndarray]]


class Patches(Dataset[dict[str, Any]]):
    """Random patches, read by a function of a window (image float32, label uint8)."""

    def __init__(self, read: Read, shape: tuple[int, ...], seed: int) -> None:
        self.read, self.shape, self.seed = read, shape, seed

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, item: int) -> dict[str, torch.Tensor]:
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((self.seed, item))))
        corner = [int(rng.integers(n - PATCH + 1)) for n in self.shape]
        window = tuple(slice(c, c + PATCH) for c in corner)
        image, label = self.read(int(rng.integers(SAMPLES)), window)
        return {"image": torch.from_numpy(image[None]), "label": torch.from_numpy(label[None])}


def _voxels(path: Path) -> Any:
    image: Any = nib.load(path)
    return image.dataobj


def nifti(folder: Path, images: np.ndarray, labels: np.ndarray) -> Read:
    """Write .nii.gz files; return how to read a window."""
    folder.mkdir()
    for i in range(SAMPLES):
        image = nib.Nifti1Image(images[i], np.eye(4))
        image.header.set_slope_inter(RANGE[1] / 65535, 0)
        nib.save(image, folder / f"{i}.nii.gz")
        nib.save(nib.Nifti1Image(labels[i], np.eye(4)), folder / f"{i}_label.nii.gz")

    def read(i: int, window: tuple[slice, ...]) -> tuple[np.ndarray, np.ndarray]:
        image = np.asarray(_voxels(folder / f"{i}.nii.gz")[window], np.float32)
        label = np.asarray(_voxels(folder / f"{i}_label.nii.gz")[window], np.uint8)
        return np.ascontiguousarray(image), np.ascontiguousarray(label)

    return read


def numpy_maps(folder: Path, images: np.ndarray, labels: np.ndarray) -> Read:
    """Write .npy files; return how to read a window."""
    folder.mkdir()
    for i in range(SAMPLES):
        np.save(folder / f"{i}.npy", dequantise(images[i], *RANGE))
        np.save(folder / f"{i}_label.npy", labels[i])

    def read(i: int, window: tuple[slice, ...]) -> tuple[np.ndarray, np.ndarray]:
        image = np.load(folder / f"{i}.npy", mmap_mode="r")
        label = np.load(folder / f"{i}_label.npy", mmap_mode="r")
        return np.array(image[window]), np.array(label[window])

    return read


def whole_volumes(folder: Path, images: np.ndarray, labels: np.ndarray) -> Read:
    """Write all volumes into one file; return how to read a window."""
    folder.mkdir()
    one, shape = images[0].size, images[0].shape
    with (folder / "shard").open("wb") as file:
        for image, label in zip(images, labels, strict=True):
            file.write(image.tobytes() + label.tobytes())

    def read(i: int, window: tuple[slice, ...]) -> tuple[np.ndarray, np.ndarray]:
        with (folder / "shard").open("rb") as file:
            file.seek(3 * one * i)
            data = file.read(3 * one)
        image = np.frombuffer(data, np.uint16, one).reshape(shape)
        label = np.frombuffer(data, np.uint8, one, 2 * one).reshape(shape)
        return dequantise(image[window], *RANGE), label[window].copy()

    return read


def blosc2_arrays(folder: Path, images: np.ndarray, labels: np.ndarray) -> Read:
    """Write blosc2 files as nnU-Net does; return how to read a window."""
    import blosc2

    folder.mkdir()
    blosc2.set_nthreads(1)
    how = {"cparams": {"codec": blosc2.Codec.ZSTD, "clevel": 8, "nthreads": 1}}
    # its rule: blocks that fit 0.8 of the L1 cache, chunks 0.8 of a core's share of the L3
    cut = {"blocks": (1, 16, 16, 16), "chunks": (1, 64, 64, 64)}
    for i in range(SAMPLES):
        for name, values in (("", dequantise(images[i], *RANGE)), ("_seg", labels[i])):
            blosc2.asarray(
                values[None].copy(), urlpath=str(folder / f"{i}{name}.b2nd"), **how, **cut
            )

    def read(i: int, window: tuple[slice, ...]) -> tuple[np.ndarray, np.ndarray]:
        dparams = {"nthreads": 1}
        arrays = [
            blosc2.open(str(folder / f"{i}{name}.b2nd"), mode="r", dparams=dparams, mmap_mode="r")
            for name in ("", "_seg")
        ]
        image, label = (array[(slice(None), *window)][0] for array in arrays)
        return image, label

    return read


def monai_cache(images: np.ndarray, labels: np.ndarray) -> Dataset[Any]:
    """Return MONAI's CacheDataset of the volumes, with random crops."""
    from monai.data import CacheDataset
    from monai.transforms import Compose, EnsureTyped, RandSpatialCropd

    keys = ["image", "label"]
    data = [
        {"image": dequantise(i, *RANGE)[None], "label": label[None]}
        for i, label in zip(images, labels, strict=True)
    ]
    crop = RandSpatialCropd(keys, roi_size=(PATCH,) * 3, random_size=False)
    cache = CacheDataset(data, Compose([EnsureTyped(keys), crop]), progress=False)

    class Repeated(Dataset[Any]):
        """The items of the cache over and over, since a round is longer than its epoch."""

        def __len__(self) -> int:
            return 1 << 30

        def __getitem__(self, item: int) -> Any:
            return cache[item % len(cache)]

    return Repeated()


def ours(path: str, images: np.ndarray, labels: np.ndarray, per_shard: int) -> None:
    """Write a dataset of the factory."""
    layout = Layout(SAMPLES, images.shape[1:], FETA, {"image": RANGE}, per_shard)
    dataset = create_dataset(path, layout, {"recipe_digest": "0" * 64}, "seed: 0\n")
    values = [
        {"image": dequantise(i, *RANGE), "label": j} for i, j in zip(images, labels, strict=True)
    ]
    samples = [
        StoredSample(f'{{"id":"{k}"}}', arrays, np.eye(4), (SPACING,) * 3)
        for k, arrays in enumerate(values)
    ]
    for shard in range(layout.shards):
        start = shard * per_shard
        dataset.write_shard(shard, start, samples[start : start + per_shard])
    dataset.seal()
