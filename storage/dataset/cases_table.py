"""cases.parquet: a row a sample, in order."""

import io
import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

STACK_AXES = ("slices", "rows", "columns")
ROWS = 2**13
"""Rows of a row group, and in memory at a time."""

_EXACT = 2**53  # whole numbers up to here are what they are as doubles, too
_IN_MEMORY = 2**26  # bytes of rows; more are kept in a file meanwhile

T = TypeVar("T")


def json_scalar(value: Any) -> Any:
    """A value as JSON has it: numpy's scalars as Python's, NaN as null."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table_row(index: int, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The row of cases.parquet of a sample in the ledger."""
    fractions = dict(stored["clipped_fraction"])
    found = {"sample": index, **stored["columns"], "clipped_fraction": fractions.pop("image")}
    found |= {f"clipped_fraction_{name}": value for name, value in fractions.items()}
    for name, shape in stored.get("stack_shapes", {}).items():
        found |= {f"{name}_{axis}": n for axis, n in zip(STACK_AXES, shape, strict=True)}
    return found


def split_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Runs of so many items, the last maybe shorter."""
    every = iter(items)
    while run := list(islice(every, size)):
        yield run


def parquet_bytes(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as a Parquet file; a column that mixes kinds of values is stored as text.

    What kind a column is of is known after the last row: rows wait in a file till then.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: dict[str, pa.DataType] = {}
    large: set[str] = set()  # columns of whole numbers that doubles do not hold
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8") as waiting:
        for batch in split_batches(rows, ROWS):
            for name in dict.fromkeys(name for row in batch for name in row):
                values = [row.get(name) for row in batch]
                kind = _column_type(values)
                kinds[name] = _common_type(kinds.get(name, kind), kind)
                if kind == pa.int64() and any(v is not None and abs(v) > _EXACT for v in values):
                    large.add(name)
            waiting.writelines(json.dumps(row) + "\n" for row in batch)
        waiting.seek(0)
        text = {name for name in large if kinds[name] == pa.float64()}
        schema = pa.schema([(n, pa.string() if n in text else kind) for n, kind in kinds.items()])
        buffer = io.BytesIO()
        with pq.ParquetWriter(buffer, schema) as writer:
            for lines in split_batches(waiting, ROWS):
                found = [json.loads(line) for line in lines]
                columns = [
                    _arrow_column([r.get(field.name) for r in found], field) for field in schema
                ]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    return buffer.getvalue()


def _column_type(values: Sequence[Any]) -> "pa.DataType":
    """What a column of these values is of."""
    import pyarrow as pa

    try:
        return pa.array(values).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()


def _common_type(one: "pa.DataType", other: "pa.DataType") -> "pa.DataType":
    """What a column is of whose parts are of these."""
    import pyarrow as pa

    pair = {one, other} - {pa.null()}
    if len(pair) < 2:
        return next(iter(pair), pa.null())
    return pa.float64() if pair == {pa.int64(), pa.float64()} else pa.string()


def _arrow_column(values: Sequence[Any], field: "pa.Field") -> "pa.Array":
    import pyarrow as pa

    if field.type == pa.string():
        values = [None if value is None else str(value) for value in values]
    return pa.array(values, field.type)
