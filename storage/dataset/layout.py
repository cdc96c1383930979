"""How samples lie in a dataset: its arrays, their bricks and shards, and their encoding.

One Zarr v3 group, readable by any Zarr library:

    image            uint16 [sample, z, y, x]   CF scale_factor and add_offset, lz4hc + shuffle
    label            uint8  [sample, z, y, x]   CF flag_values and flag_meanings, lz4hc
    uncertainty ...  uint16 [sample, z, y, x]   further images, as image
    stack_0 ...      uint16 [sample, slice, row, column]   scanned stacks, padded at the end with 0
    stack_0_label ...  uint8, as stack_0        their labels, where they are asked for
    sample           int64  [sample]            0, 1, 2, ...
    affine           float64 [sample, 4, 4]     voxel (x, y, z, 1) to RAS+ mm
    spacing_mm       float64 [sample, 3]        (z, y, x)
    stack_0_affine, stack_0_spacing_mm ...      as these, for (column, row, slice) of a stack

A brick is the unit of reading, one sample by about 64³ voxels; a shard is the unit of writing,
one object with all bricks of the samples of one task.
"""

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numcodecs.blosc
import numpy as np
import zarr
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

from factory.storage.dataset.shard_codec import Part
from factory.storage.subjects.types import LabelTable

AXES = ("sample", "z", "y", "x")
_LEVELS = 65535  # uint16
BRICK = 64  # voxels along the edge of a brick, or near it; benchmarks/brick_size.py measures it,
# and benchmarks/codecs.py the compressors: a patch is read often, a sample written once
ROWS = 4096  # rows a chunk of the small arrays, whatever their length, which may grow

# Blosc decides by itself whether to use threads; one thread each keeps actors out of each
# other's way.
numcodecs.blosc.use_threads = False


@dataclass(frozen=True)
class Layout:
    """What a dataset holds and how it is cut.

    samples: how many. shape: voxels (z, y, x) of every sample. table: the label table.
    ranges: value range stored for each image by name, e.g. {"image": (0.0, 1.2)}; values outside
    are clipped. samples_per_shard: samples that one task renders and one object holds.
    shapes: voxels of the arrays that lie on a grid of their own, as (slices, rows, columns): the
    most that any sample needs, e.g. {"stack_0": (40, 96, 80), "stack_0_label": (40, 96, 80)}.
    """

    samples: int
    shape: tuple[int, int, int]
    table: LabelTable
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=lambda: {"image": (0.0, 1.2)})
    samples_per_shard: int = 1
    shapes: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the volumes in their fixed order: image, label, then the rest by alphabet."""
        return ("image", "label", *sorted({*self.ranges, *self.shapes} - {"image", "label"}))

    @property
    def stacks(self) -> tuple[str, ...]:
        """Names of the stacks' images, in order."""
        return tuple(name for name in self.arrays if name in self.shapes and name in self.ranges)

    @property
    def grids(self) -> dict[str, tuple[int, ...]]:
        """Names of the arrays that place a sample in the world, and their shape a sample."""
        prefixes = ("", *(f"{name}_" for name in self.stacks))
        both: tuple[tuple[str, tuple[int, ...]], ...] = (("affine", (4, 4)), ("spacing_mm", (3,)))
        return {f"{prefix}{name}": shape for prefix in prefixes for name, shape in both}

    def is_label(self, name: str) -> bool:
        """Whether a volume holds labels; all others are images."""
        return name not in self.ranges

    def shape_of(self, name: str) -> tuple[int, int, int]:
        """Voxels of a volume of one sample."""
        return self.shapes.get(name, self.shape)

    def brick_of(self, name: str) -> tuple[int, int, int]:
        """Voxels of one brick of a volume."""
        z, y, x = (brick_length(n) for n in self.shape_of(name))
        return z, y, x

    def bricks_of(self, name: str) -> int:
        """How many bricks a sample's volume has."""
        pairs = zip(self.shape_of(name), self.brick_of(name), strict=True)
        return math.prod(-(-n // brick) for n, brick in pairs)

    @property
    def shards(self) -> int:
        return -(-self.samples // self.samples_per_shard)

    @property
    def raw_bytes_per_sample(self) -> int:
        """Bytes of one sample's arrays before compression."""
        return sum(
            math.prod(self.shape_of(name)) * (1 if self.is_label(name) else 2)
            for name in self.arrays
        )

    def to_json(self) -> dict[str, Any]:
        plain = asdict(self) | {"ranges": {k: list(v) for k, v in sorted(self.ranges.items())}}
        plain["shape"] = list(self.shape)
        plain["table"] = label_table_json(self.table)
        shapes = {name: list(shape) for name, shape in sorted(plain.pop("shapes").items())}
        return plain | ({"shapes": shapes} if shapes else {})

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> "Layout":
        z, y, x = plain["shape"]
        return Layout(
            samples=plain["samples"],
            shape=(z, y, x),
            table=LabelTable(
                names=tuple(row["name"] for row in plain["table"]),
                colours=tuple(tuple(row["colour"]) for row in plain["table"]),
            ),
            ranges={name: (low, high) for name, (low, high) in plain["ranges"].items()},
            samples_per_shard=plain["samples_per_shard"],
            shapes={name: (a, b, c) for name, (a, b, c) in plain.get("shapes", {}).items()},
        )


def brick_length(length: int, near: int = BRICK) -> int:
    """The edge of a brick along an axis: near 64 (or another size), parts even, next to no padding.

    96 gives 48, 112 gives 56, 128 gives 64.
    """

    def cost(brick: int) -> float:
        padding = -(-length // brick) * brick / length - 1
        return 8 * padding + abs(math.log2(brick / near))

    return min((-(-length // parts) for parts in range(1, 2 * length // near + 2)), key=cost)


def label_table_json(table: LabelTable) -> list[dict[str, Any]]:
    pairs = zip(table.names, table.colours, strict=True)
    return [{"value": i, "name": n, "colour": list(c)} for i, (n, c) in enumerate(pairs)]


def quantise(values: np.ndarray, low: float, high: float) -> tuple[np.ndarray, float]:
    """Float image to uint16 over [low, high], and the fraction of voxels that were clipped.

    Clipped is what lies outside by more than half a level.
    """
    levels = np.rint((values.astype(np.float64) - low) * (_LEVELS / (high - low)))
    clipped = np.count_nonzero((levels < 0) | (levels > _LEVELS)) / values.size
    return np.clip(levels, 0, _LEVELS).astype(np.uint16), float(clipped)


def dequantise(levels: np.ndarray, low: float, high: float) -> np.ndarray:
    """The stored uint16 as float32, within half a level of what was written."""
    values = levels.astype(np.float32)  # all in place: patches are read by the thousand
    values *= np.float32((high - low) / _LEVELS)
    values += np.float32(low)
    return values


def pad_to_shape(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Values filled up with zeros, at the end of each axis, to a shape."""
    if values.shape == shape:
        return values
    return np.pad(values, [(0, most - n) for n, most in zip(values.shape, shape, strict=True)])


def zarr_objects(layout: Layout, attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """Every zarr.json of the group, by key, and the sample coordinate.

    The root's holds all the others too ("consolidated"), so that readers need not list the
    folder. The same layout and attributes give the same bytes.
    """
    objects: dict[str, Any] = {}
    store = MemoryStore(objects)
    group = zarr.create_group(store, attributes=dict(attributes))
    for name, spec in _array_specs(layout).items():
        group.create_array(name, **spec)
    group["sample"][:] = np.arange(layout.samples)  # type: ignore[index]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "not part of the format yet": zarr and xarray read it
        zarr.consolidate_metadata(store)
    return {key: value.to_bytes() for key, value in objects.items()}


def encode_rows(layout: Layout, name: str, values: np.ndarray) -> dict[str, bytes]:
    """The chunk objects of values as the first rows of an array, by key ("c/0/0").

    Encoding in memory gives the very bytes to put and to checksum, and never reads an existing
    object to merge with.
    """
    return _encode(_array_specs(layout)[name], name, values)


def encode_volumes(layout: Layout, name: str, volumes: Iterable[np.ndarray]) -> list[Part]:
    """Stored values [z, y, x] of some samples as parts of a shard."""
    spec = volume_spec(replace(layout, samples_per_shard=1), name)
    encoded = (_encode(spec, name, values[None]) for values in volumes)
    return [Part(data) for objects in encoded for data in objects.values()]


def _encode(spec: Mapping[str, Any], name: str, values: np.ndarray) -> dict[str, bytes]:
    objects: dict[str, Any] = {}
    spec = {**spec, "shape": values.shape, "attributes": {}}
    array = zarr.create_array(
        MemoryStore(objects), name=name, config={"write_empty_chunks": True}, **spec
    )
    array[...] = values
    prefix = f"{name}/"
    chunks = {key.removeprefix(prefix): value for key, value in objects.items()}
    return {key: chunk.to_bytes() for key, chunk in chunks.items() if key.startswith("c/")}


_AFFINE = {
    "dimension_names": ("sample", "affine_row", "affine_column"),
    "attributes": {"long_name": "voxel (x, y, z, 1) to RAS+ mm"},
}
_SPACING = {
    "dimension_names": ("sample", "axis"),
    "attributes": {"long_name": "voxel size along z, y, x", "units": "mm"},
}


def _array_specs(layout: Layout) -> dict[str, dict[str, Any]]:
    """Arguments of zarr's create_array for every array of the group."""
    n = layout.samples
    return {
        **{name: volume_spec(layout, name) for name in layout.arrays},
        "sample": {
            "shape": (n,),
            "chunks": (ROWS,),
            "dtype": "int64",
            "dimension_names": ("sample",),
        },
        **{
            name: {
                "shape": (n, *shape),
                "chunks": (ROWS, *shape),
                "dtype": "float64",
                "fill_value": float("nan"),
                **(_AFFINE if name.endswith("affine") else _SPACING),
            }
            for name, shape in layout.grids.items()
        },
    }


def volume_spec(layout: Layout, name: str) -> dict[str, Any]:
    """Arguments of zarr's create_array for an image or a label map."""
    shape, brick = layout.shape_of(name), layout.brick_of(name)
    whole = [-(-n // b) * b for n, b in zip(shape, brick, strict=True)]
    volume = {
        "shape": (layout.samples, *shape),
        "chunks": (1, *brick),
        "shards": (layout.samples_per_shard, *whole),
        "dimension_names": _axes(layout, name),
        "fill_value": 0,
    }
    if layout.is_label(name):
        return {
            **volume,
            "dtype": "uint8",
            "compressors": BloscCodec(cname="lz4hc", clevel=5, shuffle="noshuffle", typesize=1),
            "attributes": {
                "flag_values": list(range(len(layout.table.names))),
                "flag_meanings": " ".join(layout.table.names),
            },
        }
    low, high = layout.ranges[name]
    return {
        **volume,
        "dtype": "uint16",
        "compressors": BloscCodec(cname="lz4hc", clevel=5, shuffle="shuffle", typesize=2),
        "attributes": {"scale_factor": (high - low) / _LEVELS, "add_offset": low, "units": "1"},
    }


def _axes(layout: Layout, name: str) -> tuple[str, ...]:
    """Names of an array's dimensions. Each stack has its own: readers take one name for one
    length."""
    if name not in layout.shapes:
        return AXES
    stack = name.removesuffix("_label")
    return ("sample", *(f"{stack}_{axis}" for axis in ("slice", "row", "column")))
