"""The raw format of nnU-Net v2, see documentation/dataset_format.md there.

    Dataset501_Name/
      dataset.json
      imagesTr/sample_0000_0000.nii.gz    the image, or its first channel
      imagesTr/sample_0000_0001.nii.gz    its second channel, which dataset.json names
      labelsTr/sample_0000.nii.gz

The labels are those of the dataset, whose values are 0, 1, 2, ... as nnU-Net requires. Which
values they had in the subjects' files, their colours, sides and regions are recorded too. Further
images (original, uncertainty) are omitted, since they would reveal the labels to a training; stacks
are omitted, since they have other grids.
"""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.errors import ExportError
from factory.storage.export.format import Format
from factory.storage.export.metadata import DatasetSummary
from factory.storage.export.nifti_file import save_image, save_label
from factory.storage.export.target import MARKER
from factory.storage.json_value import JsonObject
from factory.storage.subjects.channels import list_channels
from factory.storage.subjects.label_names import left_right_pairs

FIRST = 501
"""The first number of our datasets; published datasets have lower ones."""

_NAME = re.compile(r"Dataset(\d{3})_(.+)")


class NnUnet(Format):
    """The format "nnunet"."""

    @classmethod
    def folder(cls, output: Path, summary: DatasetSummary) -> Path:
        """Return the folder of the dataset, see `choose_folder`."""
        return choose_folder(output, summary.name)

    @property
    def omitted_arrays(self) -> list[str]:
        """All arrays but the image and the label map."""
        return [name for name in self.summary.layout.arrays if name not in ("image", "label")]

    def files(self, index: int) -> list[str]:
        """List the channels of the image and the label map of a sample."""
        name = f"sample_{index:04d}"
        images = [f"imagesTr/{name}_{k:04d}.nii.gz" for k in range(len(self._channel_names))]
        return [*images, f"labelsTr/{name}.nii.gz"]

    def write(self, index: int, sample: StoredSample, folder: Path) -> None:
        """Write the channels of the image and the label map of a sample."""
        *images, label = self.files(index)
        limits = self.summary.layout.ranges["image"]
        for image, values in zip(images, list_channels(sample.arrays["image"]), strict=True):
            save_image(folder / image, values, sample.affine, limits)
        save_label(folder / label, sample.arrays["label"], sample.affine)

    def documents(self, rows: Sequence[JsonObject]) -> dict[str, bytes]:
        """Return dataset.json, without which nnU-Net does not recognise a dataset."""
        names = self.summary.layout.table.names
        document = {
            "channel_names": {str(k): name for k, name in enumerate(self._channel_names)},
            "labels": {"background": 0} | {n: i for i, n in enumerate(names) if i},
            "numTraining": len(rows),
            "file_ending": ".nii.gz",
            "name": self.summary.name,
            "description": self.summary.description(len(rows)),
            "licence": self.summary.licence,
            "recipe_digest": self.summary.recipe_digest,
            **self._label_notes(),
        }
        return {"dataset.json": json.dumps(document, indent=2).encode()}

    def _label_notes(self) -> JsonObject:
        """Return what nnU-Net does not need of the labels, but other readers may."""
        table = self.summary.layout.table
        pairs = left_right_pairs(table.names)
        sources = self.summary.source_values()
        return {
            "label_colours": {
                name: list(colour) for name, colour in zip(table.names, table.colours, strict=True)
            },
            **({"left_right_pairs": [list(pair) for pair in pairs]} if pairs else {}),
            **({"label_regions": {n: list(r) for n, r in table.regions}} if table.regions else {}),
            **({"source_values": sources} if sources else {}),
        }

    @property
    def _channel_names(self) -> tuple[str, ...]:
        """The names of the image's channels; of one without a name, that of the contrast."""
        return self.summary.layout.channels.get("image", (self.summary.contrast,))

    def use(self, place: str) -> str:
        """Return the command that prepares a training with nnU-Net."""
        raw, name = os.path.split(place)
        number = int(name[7:10])
        return (
            f"nnUNet_raw={raw} nnUNetv2_plan_and_preprocess -d {number} --verify_dataset_integrity"
        )


FORMAT = NnUnet


def choose_folder(output: Path, name: str) -> Path:
    """Return the folder of the dataset.

    It is `output` if that is called Dataset###_Name. Otherwise `output` is nnUNet_raw, and the
    result is its subfolder in which an export of this name was begun, or a new one with the next
    free number.

    Raises:
        ExportError: Another dataset has the number.
    """
    named = _NAME.fullmatch(output.name)
    raw = output.parent if named else output
    folders = {
        int(match[1]): path
        for path in (sorted(raw.iterdir()) if raw.is_dir() else [])
        if (match := _NAME.fullmatch(path.name))
    }
    if named:
        number = int(named[1])
        other = folders.get(number, output)
        if number == 0 or other.name != output.name:
            raise ExportError(
                f"{output}: the number {named[1]} "
                + (f"is that of {other.name}" if number else "is not allowed; allowed: 001 to 999")
            )
        return output
    for number, path in folders.items():
        if number >= FIRST and path.name.endswith(f"_{name}") and (path / MARKER).is_file():
            return path
    free = next((n for n in range(FIRST, 1000) if n not in folders), None)
    if free is None:
        raise ExportError(f"{output}: no number from {FIRST} to 999 is free")
    return output / f"Dataset{free}_{name}"
