"""One label table for patches of several datasets: labels are matched by name."""

from collections.abc import Sequence

import numpy as np

from factory.datasets.open import OpenedDataset
from factory.storage.errors import DatasetError
from factory.storage.subjects.types import LabelTable
from factory.torch.flip import FlipLeftRight


def union_table(*tables: LabelTable) -> LabelTable:
    """Return a table of all names: those of the first in their order, then what others add.

    Args:
        tables: One or more tables. A name has the colour of the first table that has it. Where the
            names of all are equal, the first is returned; else the union has no regions.

    Raises:
        DatasetError: If the backgrounds have different names.
    """
    first, *others = tables
    colours = dict(zip(first.names, first.colours, strict=True))
    for table in others:
        if table.names[0] != first.names[0]:
            raise DatasetError(
                f"label 0 is {table.names[0]}, and {first.names[0]} in the first table; "
                "allowed: the same background"
            )
        colours = dict(zip(table.names, table.colours, strict=True)) | colours
    names = tuple(dict.fromkeys(name for table in tables for name in table.names))
    if all(table.names == names for table in tables):
        return first
    return LabelTable(names, tuple(colours[name] for name in names))


def common_table(datasets: Sequence[OpenedDataset]) -> LabelTable:
    """Return the union of the tables of datasets, of which the first counts most.

    Raises:
        DatasetError: If the backgrounds have different names; the message names the dataset.
    """
    table = datasets[0].table
    for dataset in datasets[1:]:
        try:
            table = union_table(table, dataset.table)
        except DatasetError as error:
            raise DatasetError(f"{dataset.path}: {error}") from None
    return table


def label_lookup(table: LabelTable, union: LabelTable) -> np.ndarray | None:
    """Return the union's value of each of a table's labels, in the union's type.

    None stands for labels that stay as they are.
    """
    is_start = table.names == union.names[: len(table.names)]
    if is_start and table.dtype == union.dtype:
        return None
    values = {name: value for value, name in enumerate(union.names)}
    return np.array([values[name] for name in table.names], union.dtype)


def check_flip(transform: object, union: LabelTable) -> None:
    """Raise DatasetError if a FlipLeftRight swaps the labels of another table than the union."""
    if isinstance(transform, FlipLeftRight) and transform.names != union.names:
        raise DatasetError(
            "transform: FlipLeftRight has the label table of one dataset; allowed: that of all, "
            "FlipLeftRight(union_table(one.table, other.table))"
        )
