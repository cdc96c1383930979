"""Random patches as a map-style dataset: a patch is a function of seed, epoch and index alone.

Items are numbered through all epochs: item k is patch k mod len of epoch k div len. So there is no
state to keep, and whoever asks for which items (ranks, workers, a resumed run) changes nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from factory.datasets.open import OpenedDataset, open_samples
from factory.datasets.query import require_column
from factory.storage.errors import DatasetError
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names
from factory.torch.foreground import ForegroundCache, voxels_by_label
from factory.torch.order import combine_in_shares, epoch_order, sampling_weights
from factory.torch.randomness import seeded

Source = str | OpenedDataset


class PatchDataset(Dataset[dict[str, Any]]):
    """Patches at random places of random samples of one or more datasets.

    An item is a dict: each of `arrays` as a tensor [1, z, y, x] (images float32, labels uint8),
    "dataset" and "sample" (index in the stored dataset), and the `columns` of the table.

    Item i of epoch e is a function of (seed, e, i) alone, its transform too, whatever the process.
    A PatchLoader asks for the items of one epoch after the other; a plain DataLoader asks for those
    of the first epoch again and again, unless it has a PatchSampler or `set_epoch` is called.
    Items of samples that are missing or damaged raise DatasetError.
    """

    def __init__(
        self,
        datasets: Source | Sequence[Source],
        patch: int | Sequence[int] = 96,
        *,
        seed: int,
        length: int | None = None,
        arrays: Sequence[str] = ("image", "label"),
        foreground: float = 1 / 3,
        labels: Sequence[str] | None = None,
        weights: str | None = None,
        balance: str | None = None,
        shares: Sequence[float] | None = None,
        columns: Sequence[str] = (),
        transform: Callable[[dict[str, Any]], Any] | None = None,
        cache: str | None = None,
        threads: int = 1,
    ) -> None:
        """Choose what patches are taken.

        Arguments:
            datasets: Paths, or what factory.open gives, filtered as you like; all with one label
                table.
            patch: Voxels along (z, y, x), or along each. Where a volume is smaller, zeros fill up
                evenly on both sides.
            seed: Of everything random.
            length: Patches an epoch; by default as many as there are samples.
            arrays: The arrays that an item has.
            foreground: The share of patches that are centred on a voxel of one of `labels`, each
                label equally often. The others lie evenly over the volume.
            labels: Names; by default all but the background.
            weights: A column of numbers: how often a sample is taken, relative to the others.
            balance: A column, each value of which gets the same share.
            shares: Of each dataset, e.g. real to synthetic as (1, 3).
            columns: Of the table, which an item has, too.
            transform: Called with each item, e.g. MONAI's or TorchIO's Compose. What it draws
                from Python's, numpy's and torch's global generators, and from those of MONAI's and
                Albumentations' transforms, follows from the item.
            cache: For a bucket, a folder of this machine where what was read is kept.
            threads: Of tensorstore in a loader's workers. The main process, which may fork, does
                without.

        Raises:
            DatasetError: In one line, where anything does not fit.
        """
        given = [datasets] if isinstance(datasets, str | OpenedDataset) else list(datasets)
        found = [d if isinstance(d, OpenedDataset) else open_samples(d, cache=cache) for d in given]
        if not found:
            raise DatasetError("no datasets given")
        self.patch = _patch(patch)
        self.arrays = tuple(arrays)
        self.wanted = _fit(found, self.arrays, self.patch, labels)
        if not 0 <= foreground <= 1:
            raise DatasetError(f"foreground {foreground}; allowed: a share from 0 to 1")
        tables = [sampling_weights(d.cases, weights, balance) for d in found]
        self.weights = combine_in_shares(tables, shares)
        self.length = len(self.weights) if length is None else int(length)
        if self.length < 1:
            raise DatasetError(f"length {length}; allowed: 1 or more patches an epoch")
        self.seed, self.foreground = seed, foreground
        self.transform, self.threads = transform, threads
        # plain arrays, not tables: they travel to every worker
        self.windows = [d.windows for d in found]
        self.samples = [d.cases["sample"].to_numpy(np.int64) for d in found]
        self.columns = [
            {name: _plain(require_column(d.cases, name)) for name in columns} for d in found
        ]
        self.ends = np.cumsum([len(d) for d in found])
        self._first = torch.zeros(1, dtype=torch.int64).share_memory_()
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))
        self._voxels = ForegroundCache()

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The epoch that was set, by default the first."""
        return (self[item] for item in range(self.length))

    def __getitem__(self, item: int) -> Any:
        if item < 0:
            raise IndexError(f"item {item}")
        epoch, index = divmod(int(item), self.length)
        epoch += int(self._first[0])
        row = int(self.order(epoch)[index])
        which = int(np.searchsorted(self.ends, row, side="right"))
        row -= int(self.ends[which - 1]) if which else 0
        sample = int(self.samples[which][row])
        rng = _rng(self.seed, epoch, index)
        corner = self._corner(which, sample, rng)
        found: dict[str, Any] = {
            name: torch.from_numpy(self._read(which, sample, name, corner)[None])
            for name in self.arrays
        }
        found |= {"dataset": which, "sample": sample}
        found |= {name: values[row] for name, values in self.columns[which].items()}
        if self.transform is None:
            return found
        with seeded(self.transform, int(rng.integers(2**63))):
            return self.transform(found)

    def set_epoch(self, epoch: int) -> None:
        """Let items 0, 1, ... be those of an epoch, for a DataLoader without a PatchSampler.

        Reaches workers that persist, too. Call it before each loop over the loader.
        """
        self._first[0] = epoch

    def order(self, epoch: int) -> np.ndarray:
        """Rows that an epoch takes, of all datasets end to end."""
        if self._order[0] != epoch:
            self._order = epoch, epoch_order(epoch, self.weights, self.length, self.seed)
        return self._order[1]

    def _corner(self, which: int, sample: int, rng: np.random.Generator) -> list[int]:
        """Where the patch begins; below zero where the volume is smaller."""
        shape = self.windows[which].layout.shape
        free = [n - p for n, p in zip(shape, self.patch, strict=True)]
        corner = [int(rng.integers(f + 1)) if f > 0 else f // 2 for f in free]
        if self.foreground and rng.random() < self.foreground:
            voxels = self._labelled(which, sample)
            if len(voxels):
                centre = voxels[rng.integers(len(voxels)), rng.integers(voxels.shape[1])]
                for axis, f in enumerate(free):
                    if f > 0:
                        corner[axis] = int(np.clip(centre[axis] - self.patch[axis] // 2, 0, f))
        return corner

    def _labelled(self, which: int, sample: int) -> np.ndarray:
        voxels = self._voxels.get((which, sample))
        if voxels is None:
            label = self._windows(which).read("label", sample)
            voxels = voxels_by_label(label, self.wanted, _rng(self.seed, which, sample))
            self._voxels.put((which, sample), voxels)
        return voxels

    def _read(self, which: int, sample: int, name: str, corner: list[int]) -> np.ndarray:
        windows = self._windows(which)
        shape = windows.layout.shape
        place = zip(corner, self.patch, shape, strict=True)
        window = tuple(slice(max(c, 0), min(c + p, n)) for c, p, n in place)
        values = windows.read(name, sample, window)
        missing = [
            (max(-c, 0), max(c + p - n, 0))
            for c, p, n in zip(corner, self.patch, shape, strict=True)
        ]
        return np.pad(values, missing) if np.any(missing) else values

    def _windows(self, which: int) -> Any:
        windows = self.windows[which]
        if get_worker_info() is not None:
            windows.threads = self.threads
        return windows


def _rng(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def _patch(patch: int | Sequence[int]) -> tuple[int, int, int]:
    sides = (patch,) * 3 if isinstance(patch, int) else tuple(patch)
    if len(sides) != 3 or not all(isinstance(n, int) and n > 0 for n in sides):
        raise DatasetError(f"patch {patch}; allowed: one or three whole numbers of voxels")
    return sides[0], sides[1], sides[2]


def _fit(
    datasets: Sequence[OpenedDataset],
    arrays: Sequence[str],
    patch: Sequence[int],
    labels: Sequence[str] | None,
) -> np.ndarray:
    """The labels that count as foreground. Raises DatasetError where the datasets do not fit."""
    table = datasets[0].labels
    for dataset in datasets:
        if dict(dataset.labels) != dict(table):
            raise DatasetError(
                f"{dataset.path}: its labels are {join_names(dataset.labels)}, those of "
                f"{datasets[0].path} {join_names(table)}; patches need one table"
            )
        own = [name for name in dataset.arrays if name not in dataset.layout.shapes]
        for name in arrays:
            if name not in own:
                hint = nearest_name_hint(name, own)
                raise DatasetError(f"{dataset.path}: no array {name!r}; {join_names(own)}{hint}")
    for name in labels or ():
        if name not in table:
            raise DatasetError(
                f"no label {name!r}; there are {join_names(table)}{nearest_name_hint(name, table)}"
            )
    names = list(table)[1:] if labels is None else labels
    return np.array([table[name] for name in names], np.int64)


def _plain(values: Any) -> list[Any]:
    """A column as Python's own values: numbers with NaN where there is none, else text."""
    if values.dtype.kind in "iufb":
        return list(values.tolist())
    return ["" if value is None or value != value else str(value) for value in values]
