"""What a format is to an export: a sample's files, and the documents about all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.export.metadata import DatasetSummary

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Format:
    """Writes samples, and what is said of them all.

    Attributes:
        describes_only: Whether it writes one document about a dataset, and no sample.
        about: The dataset in words.
    """

    describes_only: ClassVar[bool] = False

    about: DatasetSummary

    @classmethod
    def folder(cls, output: Path, about: DatasetSummary) -> Path:
        """The folder that is written to, where one was asked for. Raises ExportError."""
        return output

    @property
    def left_out(self) -> Sequence[str]:
        """Arrays of the dataset that the format has no place for."""
        return ()

    def files(self, index: int) -> list[str]:
        """Paths of a sample's files, relative to the folder."""
        raise NotImplementedError

    def write(self, index: int, sample: StoredSample, folder: Path) -> None:
        """Write a sample's files."""
        raise NotImplementedError

    def documents(self, rows: Sequence[dict[str, Any]]) -> Mapping[str, bytes]:
        """The documents about all samples by path; put last, so that a reader finds a whole.

        rows: of cases.parquet, one for each sample that is exported.
        """
        raise NotImplementedError

    def describe(self, dataset: ObjectStore, table: "pd.DataFrame") -> tuple[str, bytes]:
        """The one document of a format that describes only: its name, and what it says."""
        raise NotImplementedError

    def use(self, place: str) -> str:
        """How what was written to a folder or URL is read, a command."""
        raise NotImplementedError
