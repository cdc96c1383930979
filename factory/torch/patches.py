"""Random patches as a map-style dataset: a patch depends on seed, epoch and index only.

Items are numbered through all epochs: item k is patch k mod len of epoch k div len. So the dataset
has no state, and it does not matter dataset rank, worker or resumed run requests an item.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any  # items: tensors, numbers and text

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from factory.datasets.open import OpenedDataset, open_samples
from factory.datasets.query import require_column
from factory.storage.errors import DatasetError
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.channels import describe_channels
from factory.storage.subjects.types import LabelTable
from factory.text import join_names
from factory.torch.foreground import ForegroundCache, draw_label_voxels
from factory.torch.label_tables import check_flip, common_table, label_lookup
from factory.torch.order import combine_in_shares, epoch_order, sampling_weights
from factory.torch.randomness import seed_transform

Source = str | OpenedDataset


class PatchDataset(Dataset[dict[str, Any]]):
    """Patches at random places of random samples of one or more datasets.

    An item is a dict: each of `arrays` as a tensor [channel, z, y, x], with one channel of a label
    map and of an image without named channels (images float32, labels uint8; int32 if the table has
    more than 256 labels),
    "dataset" and "sample" (index in the stored dataset), and the `columns` of the table.

    Labels of several datasets are matched by name: label maps have the values of `labels`, the
    names of the first dataset in their order and then those that the others add.

    Item i of epoch e, and its transform, depend on (seed, e, i) only, whatever the process.
    A PatchLoader requests the items of one epoch after the other. A plain DataLoader requests those
    of the first epoch again and again, unless it has a PatchSampler or `set_epoch` is called.
    An item of a missing or damaged sample raises DatasetError.

    Attributes:
        table: The label table of the items: the dataset's, or the union of all datasets' tables.
    """

    def __init__(  # noqa: PLR0913
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
        """Choose the patches.

        The parameters are many because they are independent choices of a training script; all but
        three are keywords with defaults.

        Args:
            datasets: Paths, or datasets that factory.open returned, filtered or not. All must have
                the same channels, and the same name of label 0. Other labels are matched by name.
            patch: Voxels along (z, y, x), or one number for all three. A smaller volume is padded
                with zeros, evenly on both sides.
            seed: The seed of everything random.
            length: Patches in an epoch; by default the number of samples.
            arrays: The arrays of an item.
            foreground: The share of patches that are centred on a voxel of one of `labels`, each
                label equally often. The others are uniformly distributed over the volume.
            labels: The names of the foreground labels; by default all but the background.
            weights: A column of numbers: how often a sample is taken, relative to the others.
            balance: A column whose values get equal shares.
            shares: The share of each dataset, e.g. (1, 3) for real to synthetic.
            columns: Columns of the table that are added to each item.
            transform: Called with each item, e.g. Compose of MONAI or TorchIO. Its randomness
                depends on the item: see `factory.torch.randomness`.
            cache: For datasets in a bucket, a local folder that keeps what was read.
            threads: Threads of tensorstore in a loader's workers. The main process, dataset may
                fork, does not use tensorstore.

        Raises:
            DatasetError: If anything does not fit; one line.
        """
        sources = [datasets] if isinstance(datasets, str | OpenedDataset) else list(datasets)
        opened = [
            d if isinstance(d, OpenedDataset) else open_samples(d, cache=cache) for d in sources
        ]
        if not opened:
            raise DatasetError("no datasets given")
        self.patch = _patch_shape(patch)
        self.arrays = tuple(arrays)
        _check_arrays(opened, self.arrays)
        self.table: LabelTable = common_table(opened)
        self._lookups = [label_lookup(d.table, self.table) for d in opened]
        if any(d.table.names != self.table.names for d in opened):
            check_flip(transform, self.table)
        self.foreground_values = _foreground_values(self.labels, labels)
        if not 0 <= foreground <= 1:
            raise DatasetError(f"foreground {foreground}; allowed: a share from 0 to 1")
        tables = [sampling_weights(d.cases, weights, balance) for d in opened]
        self.weights = combine_in_shares(tables, shares)
        self.length = len(self.weights) if length is None else int(length)
        if self.length < 1:
            raise DatasetError(f"length {length}; allowed: 1 or more patches an epoch")
        self.seed, self.foreground = seed, foreground
        self.transform, self.threads = transform, threads
        # plain arrays instead of tables, because they are sent to every worker
        self.windows = [d.windows for d in opened]
        self.samples = [d.cases["sample"].to_numpy(np.int64) for d in opened]
        self.columns = [
            {name: _to_plain_values(require_column(d.cases, name)) for name in columns}
            for d in opened
        ]
        self.ends = np.cumsum([len(d) for d in opened])
        self._first_epoch = torch.zeros(1, dtype=torch.int64).share_memory_()
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))
        self._voxels = ForegroundCache()

    @property
    def labels(self) -> dict[str, int]:
        """The value of each label in the items, by name, the background first."""
        return {name: value for value, name in enumerate(self.table.names)}

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the items of the epoch that was set, by default the first."""
        return (self[item] for item in range(self.length))

    def __getitem__(self, item: int) -> Any:
        if item < 0:
            raise IndexError(f"item {item}")
        epoch, index = divmod(int(item), self.length)
        epoch += int(self._first_epoch[0])
        row = int(self.order(epoch)[index])
        dataset = int(np.searchsorted(self.ends, row, side="right"))
        row -= int(self.ends[dataset - 1]) if dataset else 0
        sample = int(self.samples[dataset][row])
        rng = _random_stream(self.seed, epoch, index)
        corner = self._draw_corner(dataset, sample, rng)
        contents: dict[str, Any] = {
            name: _to_tensor(self._read_patch(dataset, sample, name, corner))
            for name in self.arrays
        }
        contents |= {"dataset": dataset, "sample": sample}
        contents |= {name: values[row] for name, values in self.columns[dataset].items()}
        if self.transform is None:
            return contents
        with seed_transform(self.transform, int(rng.integers(2**63))):
            return self.transform(contents)

    def set_epoch(self, epoch: int) -> None:
        """Make items 0, 1, … those of an epoch, for a DataLoader without a PatchSampler.

        Call it before each loop over the loader. It also works with persistent workers.
        """
        self._first_epoch[0] = epoch

    def order(self, epoch: int) -> np.ndarray:
        """Return the rows of an epoch; rows are numbered through all datasets."""
        if self._order[0] != epoch:
            self._order = epoch, epoch_order(epoch, self.weights, self.length, self.seed)
        return self._order[1]

    def _draw_corner(self, dataset: int, sample: int, rng: np.random.Generator) -> list[int]:
        """Draw the first voxel of a patch; it is negative where the volume is smaller."""
        shape = self.windows[dataset].layout.shape
        free = [n - p for n, p in zip(shape, self.patch, strict=True)]
        corner = [int(rng.integers(f + 1)) if f > 0 else f // 2 for f in free]
        if self.foreground and rng.random() < self.foreground:
            voxels = self._foreground_voxels(dataset, sample)
            if len(voxels):
                centre = voxels[rng.integers(len(voxels)), rng.integers(voxels.shape[1])]
                for axis, f in enumerate(free):
                    if f > 0:
                        corner[axis] = int(np.clip(centre[axis] - self.patch[axis] // 2, 0, f))
        return corner

    def _foreground_voxels(self, dataset: int, sample: int) -> np.ndarray:
        """Return voxels of each foreground label of a sample, int16 [label, voxel, 3]."""
        voxels = self._voxels.get((dataset, sample))
        if voxels is None:
            label = self._read(dataset, "label", sample)
            voxels = draw_label_voxels(
                label, self.foreground_values, _random_stream(self.seed, dataset, sample)
            )
            self._voxels.put((dataset, sample), voxels)
        return voxels

    def _read_patch(self, dataset: int, sample: int, name: str, corner: list[int]) -> np.ndarray:
        """Read an array's patch [channel, z, y, x], padded with zeros outside the volume."""
        shape = self.windows[dataset].layout.shape
        bounds = zip(corner, self.patch, shape, strict=True)
        window = tuple(slice(max(c, 0), min(c + p, n)) for c, p, n in bounds)
        values = self._read(dataset, name, sample, window)
        padding = [
            (max(-c, 0), max(c + p - n, 0))
            for c, p, n in zip(corner, self.patch, shape, strict=True)
        ]
        values = values if values.ndim > 3 else values[None]
        return np.pad(values, [(0, 0), *padding]) if np.any(padding) else values

    def _read(
        self, dataset: int, name: str, sample: int, window: tuple[slice, ...] = ()
    ) -> np.ndarray:
        """Read a window of an array; labels have the values of `self.labels`."""
        windows = self.windows[dataset]
        if get_worker_info() is not None:
            windows.threads = self.threads
        values = windows.read(name, sample, window)
        lookup = self._lookups[dataset] if windows.layout.is_label(name) else None
        return values if lookup is None else lookup[values]


def _random_stream(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def _patch_shape(patch: int | Sequence[int]) -> tuple[int, int, int]:
    """Return the voxels of a patch along (z, y, x)."""
    sides = (patch,) * 3 if isinstance(patch, int) else tuple(patch)
    if len(sides) != 3 or not all(isinstance(n, int) and n > 0 for n in sides):
        raise DatasetError(f"patch {patch}; allowed: one or three whole numbers of voxels")
    return sides[0], sides[1], sides[2]


def _foreground_values(table: Mapping[str, int], labels: Sequence[str] | None) -> np.ndarray:
    """Return the values of the foreground labels.

    Raises:
        DatasetError: If a label is missing.
    """
    for name in labels or ():
        if name not in table:
            raise DatasetError(
                f"no label {name!r}; there are {join_names(table)}{nearest_name_hint(name, table)}"
            )
    names = list(table)[1:] if labels is None else labels
    return np.array([table[name] for name in names], np.int64)


def _check_arrays(datasets: Sequence[OpenedDataset], arrays: Sequence[str]) -> None:
    """Check that every dataset has the arrays, with the same channels.

    Raises:
        DatasetError: If an array is missing, or has other channels than in the first dataset.
    """
    first = datasets[0]
    for dataset in datasets:
        volumes = [name for name in dataset.arrays if name not in dataset.layout.shapes]
        for name in arrays:
            if name not in volumes:
                hint = nearest_name_hint(name, volumes)
                raise DatasetError(
                    f"{dataset.path}: no array {name!r}; {join_names(volumes)}{hint}"
                )
    for dataset, name in itertools.product(datasets[1:], arrays):
        channels, expected = (d.channels.get(name, ()) for d in (dataset, first))
        if channels != expected:
            raise DatasetError(
                f"{dataset.path}: its {name} has {describe_channels(channels)}, that of "
                f"{first.path} has {describe_channels(expected)}; patches need the same channels"
            )


def _to_tensor(values: np.ndarray) -> torch.Tensor:
    """Return a tensor; uint16 becomes int32, since torch computes little in uint16."""
    return torch.from_numpy(values.astype(np.int32) if values.dtype == np.uint16 else values)


def _to_plain_values(values: Any) -> list[Any]:
    """Return a column as Python's own values: numbers with NaN for missing ones, else text."""
    if values.dtype.kind in "iufb":
        return list(values.tolist())
    return ["" if value is None or value != value else str(value) for value in values]
