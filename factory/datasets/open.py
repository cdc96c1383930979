"""Reading a dataset: its table, filtered, and its samples as numpy, dask or xarray arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from factory.datasets.query import accepted_rows, match_rows
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


def open_samples(
    path: str, *, cache: str | None = None, unsealed: bool = False, unaccepted: bool = False
) -> "OpenedDataset":
    """Open a dataset as `factory.open` does.

    Args:
        path: A folder or URL.
        cache: For a dataset in a bucket, a local folder that keeps what has been read.
        unsealed: Whether to open an unfinished dataset as well, with its finished samples.
        unaccepted: Whether to include the samples whose column `accepted` is False.

    Raises:
        DatasetError: There is no dataset, or it is not finished or damaged.
    """
    contents = read_contents(path, unsealed=unsealed)
    cases = contents.table
    if not unaccepted:
        cases = cases[accepted_rows(cases)].reset_index(drop=True)
    windows = WindowReader(contents.path, contents.layout, contents.seal, cache)
    return OpenedDataset(contents.path, contents.layout, cases, windows)


@dataclass(frozen=True)
class OpenedDataset:
    """Some or all samples of a dataset, in order; it can be pickled.

    `dataset[0]` is the sample of the first row of the table.

    Attributes:
        path: A folder or URL.
        layout: The layout of the stored dataset.
        cases: The table, one row for each sample; its column `sample` is the index of the sample in
            the stored dataset.
        windows: Reads the volumes.
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
        """The names of the volumes of a sample: image, label, ..."""
        return self.layout.arrays

    @property
    def table(self) -> LabelTable:
        """The label table: names and colours by label."""
        return self.layout.table

    @property
    def channels(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the channels of each image that has an axis of channels."""
        return self.layout.channels

    @property
    def labels(self) -> Mapping[str, int]:
        """The value of each label, by name, the background first."""
        return {name: value for value, name in enumerate(self.layout.table.names)}

    def where(self, condition: str) -> "OpenedDataset":
        """Return the samples whose row fulfils a condition.

            dataset.where("grade >= 2 and gestational_age_weeks < 28")

        Args:
            condition: A condition on the columns, as pandas' `query` takes it.

        Raises:
            DatasetError: The condition is not valid, or names an unknown column.
        """
        selected = self.cases[match_rows(self.cases, condition)].reset_index(drop=True)
        return replace(self, cases=selected)

    def __getitem__(self, position: int) -> StoredSample:
        """Read a sample: its arrays [z, y, x] by name (label uint8, images float32), affine, row.

        An image of named channels is [channel, z, y, x].

        Raises:
            IndexError: The position is beyond the end.
            DatasetError: The sample is damaged.
        """
        return self.windows.sample(int(self.cases["sample"].iloc[position]))

    def to_dask(self, name: str = "image") -> "dask.array.Array":
        """Return a volume of all samples as a lazy array, with one chunk for each sample.

        Args:
            name: The name of the volume.

        Returns:
            [sample, z, y, x], or [sample, channel, z, y, x] of an image of named channels; images
            are float32, labels uint8.

        Raises:
            DatasetError: There is no such volume, or dask is not installed.
        """
        try:
            import dask.array
        except ImportError as error:
            raise _not_installed_error("dask[array]") from error
        self._check_name(name)
        stored = self._open_group()[name]
        from_array: Any = dask.array.from_array  # dask is untyped here
        levels = from_array(stored, chunks=(1, *stored.shape[1:]))[self._sample_indices()]
        volume: dask.array.Array = levels
        if not self.layout.is_label(name):
            volume = levels.map_blocks(dequantise, *self.layout.ranges[name], dtype=np.float32)
        return volume

    def to_xarray(self) -> "xarray.Dataset":
        """Return all volumes as lazy arrays, with the columns of the table as coordinates.

        The names of channels are a coordinate too: `dataset["image"].sel(channel="t1w")`.
        Intensities are scaled to their original values.

        Raises:
            DatasetError: xarray or dask is not installed.
        """
        try:
            import xarray
        except ImportError as error:
            raise _not_installed_error("xarray") from error
        volumes: xarray.Dataset = xarray.open_zarr(self._open_group().store, chunks=None)
        volumes = volumes.isel(sample=self._sample_indices())
        table = self.cases.drop(columns="sample")
        columns = {name: ("sample", table[name].to_numpy()) for name in table}
        for name, channels in self.layout.channels.items():
            axis = str(volumes[name].dims[1])
            columns[axis] = (axis, np.array(channels))
        with_columns: xarray.Dataset = volumes.assign_coords(columns)
        return with_columns

    def _sample_indices(self) -> np.ndarray:
        indices: np.ndarray = self.cases["sample"].to_numpy(np.int64)
        return indices

    def _open_group(self) -> Any:  # a zarr.Group, which may be imported in storage alone
        return open_group(ObjectStore(self.path), self.path)

    def _check_name(self, name: str) -> None:
        if name not in self.arrays:
            hint = nearest_name_hint(name, self.arrays)
            raise DatasetError(f"no array {name!r}; it has {join_names(self.arrays)}{hint}")


def _not_installed_error(package: str) -> DatasetError:
    return DatasetError(f"{package} is not installed; pip install '{package}'")
