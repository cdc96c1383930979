"""OME-Zarr with one image group for each sample: OME-NGFF 0.5 on Zarr v3.

    sample-0000.ome.zarr/           axes c, z, y, x; channels: image and further images, or the
                                    channels of each
      0  1  2 ...                   float32, each level has half the resolution of the last
      labels/tissues/0  1  2 ...    uint8 or uint16, axes z, y, x, with names and colours
    sample-0000_stack-0.ome.zarr/   a scanned stack, on its own grid

A level of an image holds the means of blocks, and one of a label map the most frequent values, so
both stay aligned. NGFF 0.5 has only scale and translation. They are along the axes of the grid,
which are those of the world (RAS+) unless the grid is rotated, as for stacks; the attributes of the
group hold the affine too.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import BloscCodec, ZstdCodec

from factory.storage.dataset.layout import brick_length
from factory.storage.dataset.stored_sample import StoredSample, StoredStack
from factory.storage.export.format import Format
from factory.storage.export.pyramid import Level, build_pyramid
from factory.storage.json_value import JsonObject
from factory.storage.subjects.channels import list_channels

VERSION = "0.5"
"""The version of OME-NGFF."""

LABELS = "tissues"
"""The name of the label image."""

_SPACE = [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"]
_CHANNEL = [{"name": "c", "type": "channel"}]


class OmeZarr(Format):
    """The format "ome-zarr"."""

    def files(self, index: int) -> list[str]:
        """List the image group of a sample, and one for each of its stacks."""
        name = f"sample-{index:04d}"
        stacks = [f"{name}_{stack.replace('_', '-')}" for stack in self.summary.layout.stacks]
        return [f"{group}.ome.zarr" for group in (name, *stacks)]

    def write(self, index: int, sample: StoredSample, folder: Path) -> None:
        """Write the image groups of a sample."""
        attributes = {"case": json.loads(sample.case), "row": dict(sample.columns)}
        images = {name: values for name, values in sample.arrays.items() if name != "label"}
        volume_file, *stack_files = self.files(index)
        labels = sample.arrays["label"]
        self._write_group(folder / volume_file, images, labels, sample, attributes)
        for file, name, stack in zip(
            stack_files, self.summary.layout.stacks, sample.stacks, strict=True
        ):
            images = {name: stack.image}
            self._write_group(folder / file, images, stack.label, stack, attributes)

    def documents(self, rows: Sequence[JsonObject]) -> dict[str, bytes]:
        """Return samples.json, which lists the samples and describes the dataset."""
        document = {
            "name": self.summary.name,
            "description": self.summary.description(len(rows)),
            "licence": self.summary.licence,
            "recipe_digest": self.summary.recipe_digest,
            "samples": {self.files(row["sample"])[0]: row for row in rows},
        }
        return {"samples.json": json.dumps(document, indent=2).encode()}

    def use(self, place: str) -> str:
        """Return the command that shows the samples in napari."""
        return f"napari {place}/*.ome.zarr  (with napari-ome-zarr)"

    def _write_group(
        self,
        path: Path,
        images: Mapping[str, np.ndarray],
        label: np.ndarray | None,
        grid: StoredSample | StoredStack,
        attributes: JsonObject,
    ) -> None:
        """Write one image group: images, all their channels, and their label map on one grid."""
        channels: list[JsonObject] = []
        for name in images:
            low, high = self.summary.layout.ranges[name]
            channels += [
                {
                    "label": label_text,
                    "color": "FFFFFF",
                    "active": name == next(iter(images)) and k == 0,
                    "window": {"min": low, "max": high, "start": low, "end": high},
                }
                for k, label_text in enumerate(self._channel_labels(name))
            ]
        planes = [plane for values in images.values() for plane in list_channels(values)]
        stacked = np.stack([np.asarray(plane, np.float32) for plane in planes])
        levels = build_pyramid(stacked, grid.affine, grid.spacing_mm)
        ome: JsonObject = {
            "version": VERSION,
            "multiscales": [_multiscales("image", levels, _CHANNEL + _SPACE)],
            "omero": {"channels": channels},
        }
        ours = {"affine": np.asarray(grid.affine).tolist(), **attributes}
        all_attributes: JsonObject = {"ome": ome, "synthetic_dataset_factory": ours}
        group = zarr.create_group(str(path), attributes=all_attributes)
        _write_levels(group, levels, ("c", "z", "y", "x"))
        if label is None:
            return
        levels = build_pyramid(label, grid.affine, grid.spacing_mm)
        group.create_group("labels", attributes={"ome": {"version": VERSION, "labels": [LABELS]}})
        ome = {
            "version": VERSION,
            "multiscales": [_multiscales(LABELS, levels, _SPACE)],
            "image-label": self._label_colours(),
        }
        _write_levels(
            group.create_group(f"labels/{LABELS}", attributes={"ome": ome}), levels, "zyx"
        )

    def _channel_labels(self, name: str) -> list[str]:
        """Return what to call the channels of an image: image, t1w, original t1w."""
        channels = self.summary.layout.channels.get(name, ("",))
        return [n if n and name == "image" else f"{name} {n}".strip() for n in channels]

    def _label_colours(self) -> JsonObject:
        table = self.summary.layout.table
        values = range(len(table.names))
        return {
            "colors": [
                {"label-value": v, "rgba": [*table.colours[v], 255 if v else 0]} for v in values
            ],
            "properties": [{"label-value": v, "name": table.names[v]} for v in values],
            "source": {"image": "../../"},
        }


FORMAT = OmeZarr


def _multiscales(name: str, levels: Sequence[Level], axes: Sequence[dict[str, str]]) -> JsonObject:
    channel_axes = len(axes) - 3
    datasets = [
        {
            "path": str(k),
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0] * channel_axes + list(level.spacing_mm)},
                {
                    "type": "translation",
                    "translation": [0.0] * channel_axes + list(level.origin_mm),
                },
            ],
        }
        for k, level in enumerate(levels)
    ]
    return {"name": name, "axes": list(axes), "datasets": datasets}


def _write_levels(group: zarr.Group, levels: Sequence[Level], axes: Sequence[str]) -> None:
    """Write each level as one object, a shard of bricks of about 64³ voxels."""
    for k, level in enumerate(levels):
        values = level.values
        brick = [brick_length(n) for n in values.shape[-3:]]
        padded_shape = [-(-n // b) * b for n, b in zip(values.shape[-3:], brick, strict=True)]
        is_label = np.issubdtype(values.dtype, np.integer)
        array = group.create_array(
            str(k),
            shape=values.shape,
            dtype=values.dtype,
            chunks=(1,) * (values.ndim - 3) + tuple(brick),
            shards=values.shape[:-3] + tuple(padded_shape),
            compressors=ZstdCodec(level=3)
            if is_label
            else BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle", typesize=4),
            dimension_names=tuple(axes),
            fill_value=0,
        )
        array[...] = values
