"""A dataset opened for reading: its table, filtered; its samples as arrays, dask or xarray."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from factory.datasets.query import match_rows
from factory.storage.dataset.layout import Layout, dequantise
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.reader import read_contents
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.dataset.volume_reader import open_group
from factory.storage.dataset.window_reader import WindowReader
from factory.storage.errors import DatasetError
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.types import LabelTable
from factory.text import join_names

if TYPE_CHECKING:
    import dask.array
    import xarray

ACCEPTED = "accepted"
"""A column that says which samples are fit to train on; without it all are."""


def open_samples(
    path: str, *, cache: str | None = None, unsealed: bool = False, unaccepted: bool = False
) -> "OpenedDataset":
    """factory.open."""
    found = read_contents(path, unsealed=unsealed)
    cases = found.table
    if not unaccepted and ACCEPTED in cases:
        cases = cases[cases[ACCEPTED].ne(False)].reset_index(drop=True)
    windows = WindowReader(found.path, found.layout, found.seal, cache)
    return OpenedDataset(found.path, found.layout, cases, windows)


@dataclass(frozen=True)
class OpenedDataset:
    """Some or all samples of a dataset, in order. Picklable.

    cases: the table, a row a sample; its column `sample` is the index in the stored dataset.
    windows: reads its volumes. Slicing is by position: `dataset[0]` is the first row's sample.
    """

    path: str
    layout: Layout
    cases: pd.DataFrame
    windows: WindowReader

    def __len__(self) -> int:
        return len(self.cases)

    def __repr__(self) -> str:
        z, y, x = self.layout.shape
        arrays = ", ".join(self.layout.arrays)
        return f"<{self.path}: {len(self)} samples of {z} × {y} × {x} voxels: {arrays}>"

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the volumes of a sample: image, label, ..."""
        return self.layout.arrays

    @property
    def table(self) -> LabelTable:
        """The label table: names and colours by label."""
        return self.layout.table

    @property
    def labels(self) -> Mapping[str, int]:
        """Labels by name, the background first."""
        return {name: value for value, name in enumerate(self.layout.table.names)}

    def where(self, condition: str) -> "OpenedDataset":
        """Those samples whose row fulfils a condition, as pandas' `query` has it:

            dataset.where("grade >= 2 and gestational_age_weeks < 28")

        Raises DatasetError, one line, naming the nearest column where there is no such one.
        """
        found = self.cases[match_rows(self.cases, condition)].reset_index(drop=True)
        return replace(self, cases=found)

    def __getitem__(self, position: int) -> StoredSample:
        """A sample: its arrays [z, y, x] by name (label uint8, images float32), affine, row.

        Raises IndexError beyond the end, DatasetError where its bytes are damaged.
        """
        return self.windows.sample(int(self.cases["sample"].iloc[position]))

    def to_dask(self, name: str = "image") -> "dask.array.Array":
        """A volume of all samples [sample, z, y, x], lazy, a chunk a sample.

        Images are float32, labels uint8. Raises DatasetError where dask is not installed.
        """
        try:
            import dask.array
        except ImportError as error:
            raise _not_installed("dask[array]") from error
        self._check_name(name)
        stored = self._group()[name]
        values = dask.array.from_array(stored, chunks=(1, *stored.shape[1:]))[self._samples()]
        if self.layout.is_label(name):
            return values
        return values.map_blocks(dequantise, *self.layout.ranges[name], dtype=np.float32)

    def to_xarray(self) -> "xarray.Dataset":
        """All volumes, lazy, intensities scaled; the columns of the table along `sample`.

        Raises DatasetError where xarray or dask is not installed.
        """
        try:
            import xarray
        except ImportError as error:
            raise _not_installed("xarray") from error
        tree = xarray.open_zarr(self._group().store, chunks=None)
        tree = tree.isel(sample=self._samples())
        columns = self.cases.drop(columns="sample")
        return tree.assign_coords({name: ("sample", columns[name].to_numpy()) for name in columns})

    def _samples(self) -> np.ndarray:
        return self.cases["sample"].to_numpy(np.int64)

    def _group(self) -> Any:
        return open_group(ObjectStore(self.path), self.path)

    def _check_name(self, name: str) -> None:
        if name not in self.arrays:
            hint = nearest_name_hint(name, self.arrays)
            raise DatasetError(f"no array {name!r}; it has {join_names(self.arrays)}{hint}")


def _not_installed(package: str) -> DatasetError:
    return DatasetError(f"{package} is not installed; pip install '{package}'")
