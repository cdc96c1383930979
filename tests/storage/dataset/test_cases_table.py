"""The cases table: column types do not depend on how the rows are split into batches."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from factory.storage.dataset import cases_table
from factory.storage.dataset.cases_table import parquet_bytes

ROWS = [
    {"sample": 0, "whole": 1, "mixed": 1, "late": None, "wide": 2**60, "empty": None},
    {"sample": 1, "whole": 2, "mixed": "b", "late": None, "wide": 1, "empty": None},
    {"sample": 2, "whole": 0.5, "mixed": True, "late": None, "wide": 0.5, "empty": None},
    {"sample": 3, "whole": None, "mixed": None, "late": 4, "wide": None, "more": "x"},
]


def read_table(data: bytes) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(data), dtype_backend="pyarrow")


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_batch_size_does_not_change_the_table(monkeypatch, size):
    expected = read_table(parquet_bytes(ROWS))
    monkeypatch.setattr(cases_table, "ROWS", size)
    monkeypatch.setattr(cases_table, "_BYTES_IN_MEMORY", 10)  # so that rows are kept on the disk
    pd.testing.assert_frame_equal(read_table(parquet_bytes(iter(ROWS))), expected)
    assert list(expected["sample"]) == [0, 1, 2, 3]
    assert list(expected["whole"][:3]) == [1.0, 2.0, 0.5]
    assert list(expected["mixed"][:3]) == ["1", "b", "True"]
    assert list(expected["wide"][:3]) == [str(2**60), "1", "0.5"]
    assert expected["late"][3] == 4
    assert expected["more"][3] == "x"
    assert expected["empty"].isna().all()


def test_the_small_arrays_are_chunked_as_zarr_would(tmp_path: Path, monkeypatch):
    """Gathered chunk by chunk, the affines are those of the samples, in order."""

    import zarr
    from support.stored_datasets import layout, sample, write

    from factory.storage.dataset import seal_contents as gather

    monkeypatch.setattr("factory.storage.dataset.layout.ROWS", 2)
    monkeypatch.setattr(gather, "ROWS", 2)
    write(tmp_path / "d", layout(5, 3))
    group = zarr.open_group(tmp_path / "d", mode="r")
    assert group["affine"].chunks[0] == 2
    for i in range(5):
        np.testing.assert_array_equal(group["affine"][i], sample(i).affine)
        np.testing.assert_array_equal(group["spacing_mm"][i], sample(i).spacing_mm)
