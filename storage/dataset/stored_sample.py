"""One sample as it is written to and read from a dataset, and the check that it fits."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from factory.storage.dataset import ledger
from factory.storage.dataset.cases_table import json_scalar, table_row
from factory.storage.dataset.documents import SampleRecord
from factory.storage.dataset.layout import Layout
from factory.storage.errors import SampleError
from factory.storage.json_value import JsonValue
from factory.storage.subjects.channels import first_channel


@dataclass(frozen=True)
class StoredStack:
    """A stack of slices that was scanned from a sample, on a grid of its own.

    Attributes:
        image: float [slice, row, column], or [channel, slice, row, column].
        affine: 4×4, voxel (column, row, slice, 1) to RAS+ mm.
        spacing_mm: (slice, row, column).
        label: [slice, row, column], of the table's dtype, or None if the recipe asks for no labels
            of stacks.
    """

    image: np.ndarray
    affine: np.ndarray
    spacing_mm: Sequence[float]
    label: np.ndarray | None = None


@dataclass(frozen=True)
class StoredSample:
    """One sample as it is written to and read from a dataset.

    Attributes:
        case: The case as canonical JSON.
        arrays: The label map (of the table's dtype) and the images (float), [z, y, x], by name; an
            image of named channels is [channel, z, y, x].
        affine: 4×4, voxel (x, y, z, 1) to RAS+ mm.
        spacing_mm: (z, y, x).
        columns: The sample's row of cases.parquet: scalars by column name.
        stacks: The scanned stacks, in order.
    """

    case: str
    arrays: Mapping[str, np.ndarray]
    affine: np.ndarray
    spacing_mm: Sequence[float]
    columns: Mapping[str, JsonValue] = field(default_factory=dict)
    stacks: Sequence[StoredStack] = ()

    @property
    def volumes(self) -> dict[str, np.ndarray]:
        """Every array by the name under which it is stored, including those of the stacks."""
        images = {f"stack_{k}": stack.image for k, stack in enumerate(self.stacks)}
        labels = {f"stack_{k}_label": stack.label for k, stack in enumerate(self.stacks)}
        return {**self.arrays, **images, **{k: v for k, v in labels.items() if v is not None}}

    @property
    def grids(self) -> dict[str, list[JsonValue]]:
        """Affines and spacings as JSON, by the name under which they are stored."""
        stacks = [(f"stack_{k}_", stack) for k, stack in enumerate(self.stacks)]
        images: list[tuple[str, StoredSample | StoredStack]] = [("", self), *stacks]
        grids: dict[str, list[JsonValue]] = {}
        for prefix, image in images:
            grids[f"{prefix}affine"] = np.asarray(image.affine, float).tolist()
            grids[f"{prefix}spacing_mm"] = [float(s) for s in image.spacing_mm]
        return grids

    def first_channels(self) -> "StoredSample":
        """Return the sample with the first channel alone, [z, y, x], of each image."""
        arrays = {name: first_channel(values) for name, values in self.arrays.items()}
        stacks = [replace(stack, image=first_channel(stack.image)) for stack in self.stacks]
        return replace(self, arrays=arrays, stacks=stacks)

    def storable_array(self, name: str, layout: Layout) -> np.ndarray:
        """Check that an array fits the layout, and return it.

        A stack may be smaller than its array; all other arrays have the shape of the dataset.

        Raises:
            SampleError: The array does not fit; the message names the case.
        """
        case = f"case {json.loads(self.case).get('id', '?')}"
        if name not in self.volumes:
            raise SampleError(f"{case}: it has no {name!r}, which this dataset stores")
        values = np.asarray(self.volumes[name])
        shape, expected = values.shape, layout.array_shape_of(name)
        fits = shape == expected
        if name in layout.shapes:  # padded when it is written
            fits = len(shape) == len(expected) and shape[:-3] == expected[:-3]
            fits &= all(n <= m for n, m in zip(shape[-3:], expected[-3:], strict=True))
        if not fits:
            raise SampleError(f"{case}: {name} has shape {shape}, the dataset {expected}")
        if layout.is_label(name):
            if values.dtype != layout.dtype_of(name):
                raise SampleError(f"{case}: {name} is {values.dtype}, not {layout.dtype_of(name)}")
            if values.max(initial=0) >= len(layout.table.names):
                raise SampleError(
                    f"{case}: {name} {values.max()} is not in the label table "
                    f"(0 to {len(layout.table.names) - 1})"
                )
        elif not np.isfinite(values).all():
            raise SampleError(f"{case}: {name} holds NaN or infinity")
        return values

    def to_record(self, layout: Layout, clipped: Mapping[str, float]) -> SampleRecord:
        """Return what the ledger keeps of the sample: all but the arrays.

        Args:
            layout: The layout of the dataset.
            clipped: The fraction of voxels that were clipped, by image.
        """
        grids, volumes = self.grids, self.volumes
        return SampleRecord(
            case=json.loads(self.case),
            columns={key: json_scalar(value) for key, value in self.columns.items()},
            clipped_fraction=clipped,
            grids={name: grids[name] for name in layout.grids},
            stack_shapes={name: list(volumes[name].shape[-3:]) for name in layout.stacks},
        )

    @staticmethod
    def from_record(
        record: SampleRecord, volumes: Mapping[str, np.ndarray], index: int
    ) -> "StoredSample":
        """Make a sample from its record in the ledger and its stored arrays.

        Args:
            record: The record in the ledger.
            volumes: The arrays by name; those of stacks are padded.
            index: The index of the sample.
        """
        arrays, stacks = dict(volumes), []
        for name, shape in record.stack_shapes.items():
            inside: tuple[Any, ...] = (..., *(slice(n) for n in shape))
            label = arrays.pop(f"{name}_label", None)
            stacks.append(
                StoredStack(
                    image=arrays.pop(name)[inside],
                    affine=np.array(record.grids[f"{name}_affine"]),
                    spacing_mm=record.grids[f"{name}_spacing_mm"],
                    label=None if label is None else label[inside],
                )
            )
        return StoredSample(
            case=ledger.canonical_json(record.case).decode(),
            arrays=arrays,
            affine=np.array(record.grids["affine"]),
            spacing_mm=record.grids["spacing_mm"],
            columns=table_row(index, record),
            stacks=tuple(stacks),
        )
