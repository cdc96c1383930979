"""The layout of a dataset: its arrays, their bricks and shards, and their encoding.

One Zarr v3 group, readable by any Zarr library:

    image            uint16 [sample, z, y, x]   CF scale_factor and add_offset, lz4hc + shuffle
    label            uint8  [sample, z, y, x]   CF flag_values and flag_meanings, lz4hc
                                               (uint16 + shuffle if there are more than 256 labels)
    uncertainty ...  uint16 [sample, z, y, x]   further images, as image
    stack_0 ...      uint16 [sample, slice, row, column]   scanned stacks, padded at the end with 0
    stack_0_label ...  as label and stack_0     their labels, if the recipe asks for them
    sample           int64  [sample]            0, 1, 2, ...
    affine           float64 [sample, 4, 4]     voxel (x, y, z, 1) to RAS+ mm
    spacing_mm       float64 [sample, 3]        (z, y, x)
    stack_0_affine, stack_0_spacing_mm ...      as these, for (column, row, slice) of a stack

An image of named channels is [sample, channel, z, y, x], and its attribute `channels` has their
names.

A brick is the unit of reading: about 64³ voxels of one channel of one sample, so that one channel
is read without the others. A shard is the unit of writing: one object with all bricks of the
samples of one task.
"""

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numcodecs.blosc
import numpy as np
import zarr
from zarr.abc.buffer import Buffer
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

from factory.storage.dataset.documents import LabelRow, LayoutDocument
from factory.storage.dataset.shard_codec import Part
from factory.storage.json_value import JsonObject, JsonValue
from factory.storage.subjects.label_names import left_right_pairs
from factory.storage.subjects.types import LabelTable

AXES = ("sample", "z", "y", "x")
"""The names of the axes of a volume's array."""

BRICK = 64
"""About the number of voxels along the edge of a brick.

benchmarks/brick_size.py measures it, and benchmarks/codecs.py the compressors: a patch is read
often, a sample is written once.
"""

ROWS = 4096
"""The number of rows in a chunk of the small arrays, which may grow."""

_MAXIMUM_LEVEL = 65535  # of uint16

# Blosc decides by itself whether to use threads; with one thread each, actors do not disturb each
# other.
numcodecs.blosc.use_threads = False


@dataclass(frozen=True)
class Layout:
    """The arrays of a dataset and how they are divided.

    Attributes:
        samples: The number of samples.
        shape: Voxels (z, y, x) of every sample.
        table: The label table.
        ranges: The range of values stored for each image by name, e.g. {"image": (0.0, 1.2)};
            values outside are clipped.
        samples_per_shard: The number of samples that one task renders and one object holds.
        shapes: Voxels (slices, rows, columns) of the arrays with a grid of their own, large enough
            for every sample, e.g. {"stack_0": (40, 96, 80), "stack_0_label": (40, 96, 80)}.
        channels: The names of the channels of each image that has an axis of channels, e.g.
            {"image": ("t1w", "t2w")}.
    """

    samples: int
    shape: tuple[int, int, int]
    table: LabelTable
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=lambda: {"image": (0.0, 1.2)})
    samples_per_shard: int = 1
    shapes: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    channels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def arrays(self) -> tuple[str, ...]:
        """The names of the volumes in their fixed order: image, label, the others by alphabet."""
        return ("image", "label", *sorted({*self.ranges, *self.shapes} - {"image", "label"}))

    @property
    def stacks(self) -> tuple[str, ...]:
        """The names of the images of stacks, in order."""
        return tuple(name for name in self.arrays if name in self.shapes and name in self.ranges)

    @property
    def grids(self) -> dict[str, tuple[int, ...]]:
        """The names of the affines and spacings, and their shape for one sample."""
        prefixes = ("", *(f"{name}_" for name in self.stacks))
        shapes: dict[str, tuple[int, ...]] = {"affine": (4, 4), "spacing_mm": (3,)}
        return {f"{prefix}{name}": shape for prefix in prefixes for name, shape in shapes.items()}

    def is_label(self, name: str) -> bool:
        """Return whether a volume holds labels; all others are images."""
        return name not in self.ranges

    def dtype_of(self, name: str) -> np.dtype[np.unsignedinteger]:
        """Return the type in which a volume is stored: for labels as small as the table allows."""
        return np.dtype(self.table.dtype if self.is_label(name) else np.uint16)

    def shape_of(self, name: str) -> tuple[int, int, int]:
        """Return the voxels (z, y, x) of a volume of one sample, in each of its channels."""
        return self.shapes.get(name, self.shape)

    def array_shape_of(self, name: str) -> tuple[int, ...]:
        """Return the shape of a volume of one sample: (z, y, x) or (channel, z, y, x)."""
        channels = self.channels.get(name)
        return (len(channels), *self.shape_of(name)) if channels else self.shape_of(name)

    @property
    def pictured_channel(self) -> str:
        """What pictures and scores show of an image of several channels; "" for one without a name.

        It is the first channel: "the channel t1w of t1w, t2w".
        """
        names = self.channels.get("image", ())
        return f"the channel {names[0]} of {', '.join(names)}" if names else ""

    def voxels_of(self, name: str) -> int:
        """Return the number of values of a volume of one sample, in all its channels."""
        return math.prod(self.array_shape_of(name))

    def shard_key(self, name: str, shard: int) -> str:
        """Return the key of the object of a shard of a volume, e.g. "image/c/12/0/0/0"."""
        return "/".join([name, "c", str(shard), *"0" * len(self.array_shape_of(name))])

    def brick_of(self, name: str) -> tuple[int, int, int]:
        """Return the voxels (z, y, x) of one brick of a volume, which has one channel."""
        z, y, x = (brick_length(n) for n in self.shape_of(name))
        return z, y, x

    def bricks_of(self, name: str) -> int:
        """Return the number of bricks of a volume of one sample."""
        pairs = zip(self.shape_of(name), self.brick_of(name), strict=True)
        return len(self.channels.get(name, ("",))) * math.prod(-(-n // b) for n, b in pairs)

    @property
    def shards(self) -> int:
        """The number of shards."""
        return -(-self.samples // self.samples_per_shard)

    @property
    def raw_bytes_per_sample(self) -> int:
        """The bytes of the arrays of one sample before compression."""
        return sum(self.voxels_of(name) * self.dtype_of(name).itemsize for name in self.arrays)

    def to_json(self) -> LayoutDocument:
        """Return the attributes as JSON; "shapes", "regions", "channels" only if there are any."""
        document: LayoutDocument = {
            "samples": self.samples,
            "shape": list(self.shape),
            "table": label_table_json(self.table),
            "ranges": {name: list(limits) for name, limits in sorted(self.ranges.items())},
            "samples_per_shard": self.samples_per_shard,
        }
        if self.table.regions:
            document["regions"] = {name: list(labels) for name, labels in self.table.regions}
        if self.shapes:
            document["shapes"] = {name: list(n) for name, n in sorted(self.shapes.items())}
        if self.channels:
            document["channels"] = {name: list(n) for name, n in sorted(self.channels.items())}
        return document

    @staticmethod
    def from_json(document: LayoutDocument) -> "Layout":
        """Read what `to_json` returns."""
        z, y, x = document["shape"]
        colours = [row["colour"] for row in document["table"]]
        return Layout(
            samples=document["samples"],
            shape=(z, y, x),
            table=LabelTable(
                names=tuple(row["name"] for row in document["table"]),
                colours=tuple((red, green, blue) for red, green, blue in colours),
                regions=tuple(
                    (name, tuple(labels)) for name, labels in document.get("regions", {}).items()
                ),
            ),
            ranges={name: (low, high) for name, (low, high) in document["ranges"].items()},
            samples_per_shard=document["samples_per_shard"],
            shapes={name: (a, b, c) for name, (a, b, c) in document.get("shapes", {}).items()},
            channels={name: tuple(n) for name, n in document.get("channels", {}).items()},
        )


def _label_attributes(table: LabelTable) -> dict[str, JsonValue]:
    """Return what the label array says of its values: CF flags, pairs of sides, regions."""
    attributes: dict[str, JsonValue] = {
        "flag_values": list(range(len(table.names))),
        "flag_meanings": " ".join(table.names),
    }
    if pairs := left_right_pairs(table.names):
        attributes["left_right_pairs"] = [list(pair) for pair in pairs]
    if table.regions:
        attributes["regions"] = {name: list(labels) for name, labels in table.regions}
    return attributes


def brick_length(length: int, near: int = BRICK) -> int:
    """Return the length of a brick along an axis: near 64, with little padding.

    For example, 96 gives 48, 112 gives 56, 128 gives 64.

    Args:
        length: The number of voxels along the axis.
        near: The length that the result should be near.
    """

    def cost(brick: int) -> float:
        padding = -(-length // brick) * brick / length - 1
        return 8 * padding + abs(math.log2(brick / near))

    return min((-(-length // parts) for parts in range(1, 2 * length // near + 2)), key=cost)


def label_table_json(table: LabelTable) -> list[LabelRow]:
    """Return a label table as JSON, one object for each label."""
    pairs = zip(table.names, table.colours, strict=True)
    return [{"value": i, "name": n, "colour": list(c)} for i, (n, c) in enumerate(pairs)]


def quantise(values: np.ndarray, low: float, high: float) -> tuple[np.ndarray, float]:
    """Convert a float image to uint16, so that 0 is `low` and 65535 is `high`.

    Returns:
        The levels, and the fraction of voxels that were clipped. A voxel is clipped if it is
        outside by more than half a level.
    """
    levels = np.rint((values.astype(np.float64) - low) * (_MAXIMUM_LEVEL / (high - low)))
    clipped = np.count_nonzero((levels < 0) | (levels > _MAXIMUM_LEVEL)) / values.size
    return np.clip(levels, 0, _MAXIMUM_LEVEL).astype(np.uint16), float(clipped)


def dequantise(levels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Convert stored uint16 to float32, within half a level of the values before `quantise`."""
    values = levels.astype(np.float32)  # in place, since patches are read by the thousand
    values *= np.float32((high - low) / _MAXIMUM_LEVEL)
    values += np.float32(low)
    return values


def pad_to_shape(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Pad values with zeros, at the end of each axis, to a shape."""
    if values.shape == shape:
        return values
    return np.pad(values, [(0, target - n) for n, target in zip(values.shape, shape, strict=True)])


def zarr_objects(layout: Layout, attributes: Mapping[str, object]) -> dict[str, bytes]:
    """Return every zarr.json of the group and the sample coordinate, by key.

    The zarr.json of the group holds all others too ("consolidated"), so that readers need not
    list the folder. Equal arguments give equal bytes.
    """
    objects: dict[str, Buffer] = {}
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
    """Encode values as the first rows of an array and return its chunks, by key ("c/0/0").

    They are encoded in memory, which gives the bytes to write and to checksum, and never reads an
    existing object to merge with.
    """
    return _encode(_array_specs(layout)[name], name, values)


def encode_volumes(layout: Layout, name: str, volumes: Iterable[np.ndarray]) -> list[Part]:
    """Encode stored values, [z, y, x] or with channels, of some samples as parts of a shard."""
    spec = volume_spec(replace(layout, samples_per_shard=1), name)
    encoded = (_encode(spec, name, values[None]) for values in volumes)
    return [Part(data) for objects in encoded for data in objects.values()]


def _encode(spec: JsonObject, name: str, values: np.ndarray) -> dict[str, bytes]:
    objects: dict[str, Buffer] = {}
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


def _array_specs(layout: Layout) -> dict[str, JsonObject]:
    """Return the arguments of zarr's create_array for every array of the group."""
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


def volume_spec(layout: Layout, name: str) -> JsonObject:
    """Return the arguments of zarr's create_array for an image or a label map."""
    shape, brick = layout.shape_of(name), layout.brick_of(name)
    padded_shape = [-(-n // b) * b for n, b in zip(shape, brick, strict=True)]
    channels = layout.channels.get(name, ())
    count = [len(channels)] if channels else []
    volume: JsonObject = {
        "shape": (layout.samples, *layout.array_shape_of(name)),
        "chunks": (1, *([1] if channels else []), *brick),
        "shards": (layout.samples_per_shard, *count, *padded_shape),
        "dimension_names": _axes(layout, name),
        "fill_value": 0,
    }
    itemsize = layout.dtype_of(name).itemsize
    volume |= {
        "dtype": layout.dtype_of(name).name,
        "compressors": BloscCodec(
            cname="lz4hc",
            clevel=5,
            shuffle="noshuffle" if itemsize == 1 else "shuffle",
            typesize=itemsize,
        ),
    }
    if layout.is_label(name):
        return {
            **volume,
            "attributes": _label_attributes(layout.table),
        }
    low, high = layout.ranges[name]
    return {
        **volume,
        "attributes": {
            "scale_factor": (high - low) / _MAXIMUM_LEVEL,
            "add_offset": low,
            "units": "1",
            **({"channels": list(channels)} if channels else {}),
        },
    }


def _axes(layout: Layout, name: str) -> tuple[str, ...]:
    """Return the names of an array's dimensions.

    Each stack has its own, since readers expect one length for one name.
    """
    channels = (_channel_axis(layout, name),) if name in layout.channels else ()
    if name not in layout.shapes:
        return (AXES[0], *channels, *AXES[1:])
    stack = name.removesuffix("_label")
    return ("sample", *channels, *(f"{stack}_{axis}" for axis in ("slice", "row", "column")))


def _channel_axis(layout: Layout, name: str) -> str:
    """Return the name of an image's axis of channels: one name for one set of channels."""
    first = next(layout.channels[other] for other in layout.arrays if other in layout.channels)
    return "channel" if layout.channels[name] == first else f"{name}_channel"
