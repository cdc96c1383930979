"""What a reader needs of a dataset: its layout, its seal, its table of cases."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factory.storage.dataset import ledger
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.open import open_dataset
from factory.storage.dataset.seal import newest_seal
from factory.storage.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd

_TRIES = 3  # a growth that is sealed just now may slip in between two objects


@dataclass(frozen=True)
class DatasetContents:
    """layout, seal (None where it has none) and table, a row a sample that stands, in order."""

    path: str
    layout: Layout
    seal: Mapping[str, Any] | None
    table: "pd.DataFrame"


def read_contents(path: str, *, unsealed: bool = False) -> DatasetContents:
    """What a path holds, by its newest seal; unsealed: by its ledger, where it has none.

    Raises DatasetError where there is no dataset, no seal, or the table is not the sealed one.
    """
    folder = ObjectStore(path)
    for _ in range(_TRIES):
        seal = newest_seal(folder)
        dataset = open_dataset(path, sealed=True)
        if seal is None:
            if not unsealed:
                raise DatasetError(f"{path}: not finished, it has no valid seal; unsealed=True "
                                   "opens what stands")  # fmt: skip
            return DatasetContents(dataset.path, dataset.layout, None, dataset.cases())
        layout = Layout.from_json(seal["record"]["layout"])
        table = _table(folder, layout, seal["objects"]["cases.parquet"])
        if table is not None:
            return DatasetContents(dataset.path, layout, seal, table)
    raise DatasetError(f"{path}: cases.parquet is missing or damaged; see factory verify")


def _table(folder: ObjectStore, layout: Layout, digest: str) -> "pd.DataFrame | None":
    import pyarrow.parquet as pq

    data = folder.get("cases.parquet")
    if data is None or ledger.sha256(data) != digest:
        return None
    return pq.read_table(io.BytesIO(data)).to_pandas()[: layout.samples]
