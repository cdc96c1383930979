"""The interface of an export format: the files of each sample, and documents about all samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.export.metadata import DatasetSummary
from factory.storage.json_value import JsonObject

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Format:
    """A format to which a dataset is exported.

    Attributes:
        describes_only: Whether the format is a single document about the dataset.
        summary: A description of the dataset.
    """

    describes_only: ClassVar[bool] = False

    summary: DatasetSummary

    @classmethod
    def folder(cls, output: Path, summary: DatasetSummary) -> Path:
        """Return the folder to write, given the folder that the user named.

        Raises:
            ExportError: The user cannot export to the named folder.
        """
        return output

    @property
    def omitted_arrays(self) -> Sequence[str]:
        """The arrays of the dataset that the format cannot hold."""
        return ()

    def files(self, index: int) -> list[str]:
        """List the paths of the files of a sample, relative to the folder."""
        raise NotImplementedError

    def write(self, index: int, sample: StoredSample, folder: Path) -> None:
        """Write the files of a sample.

        Args:
            index: The index of the sample.
            sample: The sample.
            folder: The folder to which the paths of `files` are relative.
        """
        raise NotImplementedError

    def documents(self, rows: Sequence[JsonObject]) -> Mapping[str, bytes]:
        """Return the documents about all samples, by path.

        They are written last, so that an unfinished export is not mistaken for a finished one.

        Args:
            rows: The rows of cases.parquet, one for each exported sample.
        """
        raise NotImplementedError

    def describe(self, dataset: ObjectStore, table: "pd.DataFrame") -> tuple[str, bytes]:
        """Return the name and the content of the document, for a format that describes only.

        Args:
            dataset: The objects of the dataset.
            table: The table of cases.
        """
        raise NotImplementedError

    def use(self, place: str) -> str:
        """Return a command that reads an export from a folder or URL."""
        raise NotImplementedError
