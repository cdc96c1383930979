"""The table cases.parquet, with one row for each sample, in order."""

import io
import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from factory.storage.dataset.documents import SampleRecord
from factory.storage.json_value import JsonObject, JsonValue

if TYPE_CHECKING:
    import pyarrow as pa

STACK_AXES = ("slices", "rows", "columns")
"""The axes of a stack, which name the columns of its shape."""

ROWS = 2**13
"""The number of rows in a row group, and in memory at a time."""

_LARGEST_EXACT_INTEGER = 2**53  # in a float64
_BYTES_IN_MEMORY = 2**26  # more rows are kept in a temporary file

T = TypeVar("T")


def json_scalar(value: object) -> JsonValue:
    """Return a value as JSON can hold it: numpy scalars as Python's, NaN and infinity as None."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table_row(index: int, sample: SampleRecord) -> JsonObject:
    """Return the row of a sample by column name, from the sample's record in the ledger."""
    fractions = dict(sample.clipped_fraction)
    row: JsonObject = {"sample": index, **sample.columns}
    row["clipped_fraction"] = fractions.pop("image")
    row |= {f"clipped_fraction_{name}": value for name, value in fractions.items()}
    for name, shape in sample.stack_shapes.items():
        row |= {f"{name}_{axis}": n for axis, n in zip(STACK_AXES, shape, strict=True)}
    return row


def split_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Split items into lists of `size`; the last one may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def parquet_bytes(rows: Iterable[Mapping[str, JsonValue]]) -> bytes:
    """Return rows as the bytes of a Parquet file.

    A column with values of several types is stored as text. The types are known only after the
    last row, so the rows are kept in a temporary file until then.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types: dict[str, pa.DataType] = {}
    large: set[str] = set()  # columns with integers that a float64 cannot hold
    with tempfile.SpooledTemporaryFile(_BYTES_IN_MEMORY, "w+", encoding="utf-8") as file:
        for batch in split_batches(rows, ROWS):
            for name in dict.fromkeys(name for row in batch for name in row):
                values = [row.get(name) for row in batch]
                column_type = _column_type(values)
                types[name] = _common_type(types.get(name, column_type), column_type)
                if column_type == pa.int64() and any(
                    v is not None and abs(v) > _LARGEST_EXACT_INTEGER for v in values
                ):
                    large.add(name)
            file.writelines(json.dumps(row) + "\n" for row in batch)
        file.seek(0)
        text = {name for name in large if types[name] == pa.float64()}
        schema = pa.schema([(n, pa.string() if n in text else t) for n, t in types.items()])
        buffer = io.BytesIO()
        with pq.ParquetWriter(buffer, schema) as writer:
            for lines in split_batches(file, ROWS):
                batch = [json.loads(line) for line in lines]
                columns = [_arrow_column([row.get(f.name) for row in batch], f) for f in schema]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    return buffer.getvalue()


def _column_type(values: Sequence[JsonValue]) -> "pa.DataType":
    """Return the Arrow type of some values: string if they are of several types."""
    import pyarrow as pa

    try:
        return pa.array(values).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()


def _common_type(first: "pa.DataType", second: "pa.DataType") -> "pa.DataType":
    """Return the type of a column whose parts have these types."""
    import pyarrow as pa

    types = {first, second} - {pa.null()}
    if len(types) < 2:
        return next(iter(types), pa.null())
    return pa.float64() if types == {pa.int64(), pa.float64()} else pa.string()


def _arrow_column(values: Sequence[JsonValue], field: "pa.Field") -> "pa.Array":
    import pyarrow as pa

    if field.type == pa.string():
        values = [None if value is None else str(value) for value in values]
    return pa.array(values, field.type)
