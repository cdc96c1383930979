"""OME-Zarr, one image group a sample: OME-NGFF 0.5 on Zarr v3.

    sample-0000.ome.zarr/           axes c, z, y, x; channels: image and further images
      0  1  2 ...                   float32, each level half the one before
      labels/tissues/0  1  2 ...    uint8, axes z, y, x, with names and colours
    sample-0000_stack-0.ome.zarr/   a scanned stack, on a grid of its own

An image's level is the mean over blocks, a label's the most frequent value, so that both stay in
place. NGFF 0.5 has scale and translation only: they are along the volume's own axes, which for all
but turned grids (stacks) are the world's, RAS+; the group's attributes have the affine itself.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, ZstdCodec

from factory.storage.dataset.layout import brick_length
from factory.storage.dataset.stored_sample import StoredSample, StoredStack
from factory.storage.export.format import Format
from factory.storage.export.pyramid import Level, build_pyramid

VERSION = "0.5"
LABELS = "tissues"
_SPACE = [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"]
_CHANNEL = [{"name": "c", "type": "channel"}]


class OmeZarr(Format):
    """Writes samples, and what is said of them all."""

    def files(self, index: int) -> list[str]:
        name = f"sample-{index:04d}"
        stacks = [f"{name}_{stack.replace('_', '-')}" for stack in self.about.layout.stacks]
        return [f"{part}.ome.zarr" for part in (name, *stacks)]

    def write(self, index: int, sample: StoredSample, folder: Path) -> None:
        said = {"case": json.loads(sample.case), "row": dict(sample.columns)}
        images = {name: values for name, values in sample.arrays.items() if name != "label"}
        own, *scanned = self.files(index)
        self._group(folder / own, images, sample.arrays["label"], sample, said)
        for name, stored, stack in zip(
            scanned, self.about.layout.stacks, sample.stacks, strict=True
        ):
            self._group(folder / name, {stored: stack.image}, stack.label, stack, said)

    def documents(self, rows: Sequence[dict[str, Any]]) -> dict[str, bytes]:
        described = {
            "name": self.about.name,
            "description": self.about.description(len(rows)),
            "licence": self.about.licence,
            "recipe_digest": self.about.recipe_digest,
            "samples": {self.files(row["sample"])[0]: row for row in rows},
        }
        return {"samples.json": json.dumps(described, indent=2).encode()}

    def use(self, place: str) -> str:
        return f"napari {place}/*.ome.zarr  (with napari-ome-zarr)"

    def _group(
        self,
        path: Path,
        images: Mapping[str, np.ndarray],
        label: np.ndarray | None,
        place: StoredSample | StoredStack,
        said: dict[str, Any],
    ) -> None:
        """Write one image group: images [z, y, x] and their label on one grid."""
        limits = [self.about.layout.ranges[name] for name in images]
        channels = [
            {
                "label": name,
                "color": "FFFFFF",
                "active": k == 0,
                "window": {"min": low, "max": high, "start": low, "end": high},
            }
            for k, (name, (low, high)) in enumerate(zip(images, limits, strict=True))
        ]
        stacked = np.stack([np.asarray(v, np.float32) for v in images.values()])
        levels = build_pyramid(stacked, place.affine, place.spacing_mm)
        ome: dict[str, Any] = {
            "version": VERSION,
            "multiscales": [_multiscales("image", levels, _CHANNEL + _SPACE)],
            "omero": {"channels": channels},
        }
        ours = {"affine": np.asarray(place.affine).tolist(), **said}
        attributes = {"ome": ome, "synthetic_dataset_factory": ours}
        group = zarr.create_group(str(path), attributes=attributes)
        _write(group, levels, ("c", "z", "y", "x"))
        if label is None:
            return
        levels = build_pyramid(label, place.affine, place.spacing_mm)
        group.create_group("labels", attributes={"ome": {"version": VERSION, "labels": [LABELS]}})
        ome = {
            "version": VERSION,
            "multiscales": [_multiscales(LABELS, levels, _SPACE)],
            "image-label": self._colours(),
        }
        _write(group.create_group(f"labels/{LABELS}", attributes={"ome": ome}), levels, "zyx")

    def _colours(self) -> dict[str, Any]:
        table = self.about.layout.table
        values = range(len(table.names))
        return {
            "colors": [
                {"label-value": v, "rgba": [*table.colours[v], 255 if v else 0]} for v in values
            ],
            "properties": [{"label-value": v, "name": table.names[v]} for v in values],
            "source": {"image": "../../"},
        }


FORMAT = OmeZarr


def _multiscales(
    name: str, levels: Sequence[Level], axes: Sequence[dict[str, str]]
) -> dict[str, Any]:
    more = len(axes) - 3
    datasets = [
        {
            "path": str(k),
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0] * more + list(level.spacing_mm)},
                {"type": "translation", "translation": [0.0] * more + list(level.origin_mm)},
            ],
        }
        for k, level in enumerate(levels)
    ]
    return {"name": name, "axes": list(axes), "datasets": datasets}


def _write(group: zarr.Group, levels: Sequence[Level], axes: Sequence[str]) -> None:
    """One object a level: bricks of about 64³ in one shard."""
    for k, level in enumerate(levels):
        values = level.values
        brick = [brick_length(n) for n in values.shape[-3:]]
        whole = [-(-n // b) * b for n, b in zip(values.shape[-3:], brick, strict=True)]
        label = values.dtype == np.uint8
        array = group.create_array(
            str(k),
            shape=values.shape,
            dtype=values.dtype,
            chunks=(1,) * (values.ndim - 3) + tuple(brick),
            shards=values.shape[:-3] + tuple(whole),
            compressors=ZstdCodec(level=3)
            if label
            else BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle", typesize=4),
            dimension_names=tuple(axes),
            fill_value=0,
        )
        array[...] = values
