"""cases.parquet: a row a sample, in order."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

STACK_AXES = ("slices", "rows", "columns")


def scalar(value: Any) -> Any:
    """A value as JSON has it: numpy's scalars as Python's, NaN as null."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def row(index: int, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The row of cases.parquet of a sample in the ledger."""
    fractions = dict(stored["clipped_fraction"])
    found = {"sample": index, **stored["columns"], "clipped_fraction": fractions.pop("image")}
    found |= {f"clipped_fraction_{name}": value for name, value in fractions.items()}
    for name, shape in stored.get("stack_shapes", {}).items():
        found |= {f"{name}_{axis}": n for axis, n in zip(STACK_AXES, shape, strict=True)}
    return found


def to_parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as a Parquet file; a column that mixes kinds of values is stored as text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            columns[name] = pa.array([None if v is None else str(v) for v in values])
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()
