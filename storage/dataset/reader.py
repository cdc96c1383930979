"""Reading what is needed to use a dataset: its layout, its seal and its table of cases."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory.storage.dataset import ledger
from factory.storage.dataset.documents import Seal
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.open import open_dataset
from factory.storage.dataset.seal import newest_seal
from factory.storage.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd

_TRIES = 3  # a growth may be sealed while the objects are read


@dataclass(frozen=True)
class DatasetContents:
    """The content of a dataset, without its volumes.

    Attributes:
        path: A folder or URL.
        layout: The arrays and how they are divided.
        seal: The newest seal, or None if the dataset is not sealed.
        table: One row for each stored sample, in order.
    """

    path: str
    layout: Layout
    seal: Seal | None
    table: "pd.DataFrame"


def read_contents(path: str, *, unsealed: bool = False) -> DatasetContents:
    """Read the content of a dataset as its newest seal states it.

    Args:
        path: A folder or URL.
        unsealed: Whether to read a dataset without a seal too, as its ledger states it.

    Raises:
        DatasetError: There is no dataset, no seal, or the table is damaged.
    """
    folder = ObjectStore(path)
    for _ in range(_TRIES):
        seal = newest_seal(folder)
        dataset = open_dataset(path, sealed=True)
        if seal is None:
            if not unsealed:
                raise DatasetError(
                    f"{path}: not finished, it has no valid seal; unsealed=True opens the finished "
                    "samples"
                )
            return DatasetContents(dataset.path, dataset.layout, None, dataset.cases())
        layout = Layout.from_json(seal["record"]["layout"])
        table = _read_table(folder, layout, seal["objects"]["cases.parquet"])
        if table is not None:
            return DatasetContents(dataset.path, layout, seal, table)
    raise DatasetError(f"{path}: cases.parquet is missing or damaged; see factory verify")


def _read_table(folder: ObjectStore, layout: Layout, digest: str) -> "pd.DataFrame | None":
    """Return the table of cases, or None if its bytes do not have this sha256."""
    import pyarrow.parquet as pq

    data = folder.get("cases.parquet")
    if data is None or ledger.sha256(data) != digest:
        return None
    return pq.read_table(io.BytesIO(data)).to_pandas()[: layout.samples]
