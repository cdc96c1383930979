"""One sample as a dataset takes and gives it, and the check that it fits the layout."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from storage.errors import SampleError
from storage.layout import Layout


@dataclass(frozen=True)
class StoredSample:
    """One sample as the dataset takes and gives it.

    case: the case as canonical JSON. arrays: label uint8 and float images by name, [z, y, x].
    affine: 4×4, voxel (x, y, z, 1) to RAS+ mm. spacing_mm: (z, y, x).
    columns: the sample's row of cases.parquet, scalars by column name.
    """

    case: str
    arrays: Mapping[str, np.ndarray]
    affine: np.ndarray
    spacing_mm: Sequence[float]
    columns: Mapping[str, Any] = field(default_factory=dict)

    def checked(self, name: str, layout: Layout) -> np.ndarray:
        """An array, fit to store. Raises SampleError, naming the case, where it is not."""
        case = f"case {json.loads(self.case).get('id', '?')}"
        if name not in self.arrays:
            raise SampleError(f"{case}: it has no {name!r}, which this dataset stores")
        values = np.asarray(self.arrays[name])
        if values.shape != layout.shape:
            raise SampleError(
                f"{case}: {name} has shape {values.shape}, the dataset {layout.shape}"
            )
        if name == "label":
            if values.dtype != np.uint8:
                raise SampleError(f"{case}: label is {values.dtype}, not uint8")
            if values.max(initial=0) >= len(layout.table.names):
                raise SampleError(
                    f"{case}: label {values.max()} is not in the label table "
                    f"(0 to {len(layout.table.names) - 1})"
                )
        elif not np.isfinite(values).all():
            raise SampleError(f"{case}: {name} holds NaN or infinity")
        return values
