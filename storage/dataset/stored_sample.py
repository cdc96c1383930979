"""One sample as a dataset takes and gives it, and the check that it fits the layout."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from factory.storage.dataset import ledger
from factory.storage.dataset.cases_table import json_scalar, table_row
from factory.storage.dataset.layout import Layout
from factory.storage.errors import SampleError


@dataclass(frozen=True)
class StoredStack:
    """A stack of slices scanned of a sample, on a grid of its own.

    image: float [slice, row, column]. affine: 4×4, voxel (column, row, slice, 1) to RAS+ mm.
    spacing_mm: (slice, row, column). label: uint8, as image, or None where labels were not asked
    to follow the stack.
    """

    image: np.ndarray
    affine: np.ndarray
    spacing_mm: Sequence[float]
    label: np.ndarray | None = None


@dataclass(frozen=True)
class StoredSample:
    """One sample as the dataset takes and gives it.

    case: the case as canonical JSON. arrays: label uint8 and float images by name, [z, y, x].
    affine: 4×4, voxel (x, y, z, 1) to RAS+ mm. spacing_mm: (z, y, x).
    columns: the sample's row of cases.parquet, scalars by column name. stacks: in order.
    """

    case: str
    arrays: Mapping[str, np.ndarray]
    affine: np.ndarray
    spacing_mm: Sequence[float]
    columns: Mapping[str, Any] = field(default_factory=dict)
    stacks: Sequence[StoredStack] = ()

    @property
    def volumes(self) -> dict[str, np.ndarray]:
        """Every array by the name it is stored under: those of the stacks too."""
        images = {f"stack_{k}": stack.image for k, stack in enumerate(self.stacks)}
        labels = {f"stack_{k}_label": stack.label for k, stack in enumerate(self.stacks)}
        return {**self.arrays, **images, **{k: v for k, v in labels.items() if v is not None}}

    @property
    def grids(self) -> dict[str, list[Any]]:
        """Affines and spacings by the name they are stored under, as plain JSON."""
        named = [(f"stack_{k}_", stack) for k, stack in enumerate(self.stacks)]
        places: list[tuple[str, StoredSample | StoredStack]] = [("", self), *named]
        found: dict[str, list[Any]] = {}
        for prefix, place in places:
            found[f"{prefix}affine"] = np.asarray(place.affine, float).tolist()
            found[f"{prefix}spacing_mm"] = [float(s) for s in place.spacing_mm]
        return found

    def storable_array(self, name: str, layout: Layout) -> np.ndarray:
        """An array, fit to store: stacks as they are, all else in the dataset's shape.

        Raises SampleError, naming the case, where it is not.
        """
        case = f"case {json.loads(self.case).get('id', '?')}"
        if name not in self.volumes:
            raise SampleError(f"{case}: it has no {name!r}, which this dataset stores")
        values = np.asarray(self.volumes[name])
        shape, most = values.shape, layout.shape_of(name)
        fits = shape == most
        if name in layout.shapes:  # padded when it is written
            fits = len(shape) == 3 and all(n <= m for n, m in zip(shape, most, strict=True))
        if not fits:
            raise SampleError(f"{case}: {name} has shape {shape}, the dataset {most}")
        if layout.is_label(name):
            if values.dtype != np.uint8:
                raise SampleError(f"{case}: {name} is {values.dtype}, not uint8")
            if values.max(initial=0) >= len(layout.table.names):
                raise SampleError(
                    f"{case}: {name} {values.max()} is not in the label table "
                    f"(0 to {len(layout.table.names) - 1})"
                )
        elif not np.isfinite(values).all():
            raise SampleError(f"{case}: {name} holds NaN or infinity")
        return values

    def to_record(self, layout: Layout, clipped: Mapping[str, float]) -> dict[str, Any]:
        """What the ledger keeps of it, as plain JSON: all but the arrays.

        clipped: the fraction of voxels clipped, by image.
        """
        grids, volumes = self.grids, self.volumes
        shapes = {name: list(volumes[name].shape) for name in layout.stacks}
        return {
            "case": json.loads(self.case),
            **{name: grids[name] for name in layout.grids},
            "clipped_fraction": clipped,
            "columns": {key: json_scalar(value) for key, value in self.columns.items()},
            **({"stack_shapes": shapes} if shapes else {}),
        }

    @staticmethod
    def from_record(
        record: Mapping[str, Any], volumes: Mapping[str, np.ndarray], index: int
    ) -> "StoredSample":
        """A sample from its record in the ledger and its arrays as they are stored, padded."""
        arrays, stacks = dict(volumes), []
        for name, shape in record.get("stack_shapes", {}).items():
            filled = tuple(slice(n) for n in shape)
            label = arrays.pop(f"{name}_label", None)
            stacks.append(
                StoredStack(
                    image=arrays.pop(name)[filled],
                    affine=np.array(record[f"{name}_affine"]),
                    spacing_mm=record[f"{name}_spacing_mm"],
                    label=None if label is None else label[filled],
                )
            )
        return StoredSample(
            case=ledger.canonical_json(record["case"]).decode(),
            arrays=arrays,
            affine=np.array(record["affine"]),
            spacing_mm=record["spacing_mm"],
            columns=table_row(index, record),
            stacks=tuple(stacks),
        )
