"""nnU-Net v2's raw format (its documentation/dataset_format.md).

    Dataset501_Name/
      dataset.json
      imagesTr/sample_0000_0000.nii.gz    the image, its only channel
      labelsTr/sample_0000.nii.gz

Labels are those of the dataset: a label table's values run 0, 1, 2, ... as nnU-Net asks. Images
beside the image (original, uncertainty) would tell a training what it is to find out, and stacks
lie on other grids: both are left out.
"""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.errors import ExportError
from factory.storage.export.format import Format
from factory.storage.export.metadata import DatasetSummary
from factory.storage.export.nifti_file import save_image, save_label
from factory.storage.export.target import MARKER

FIRST = 501  # below lie the numbers of published datasets
_NAME = re.compile(r"Dataset(\d{3})_(.+)")


class NnUnet(Format):
    """Writes samples, and what is said of them all."""

    @classmethod
    def folder(cls, output: Path, about: DatasetSummary) -> Path:
        """See folder_of."""
        return folder_of(output, about.name)

    @property
    def left_out(self) -> list[str]:
        return [name for name in self.about.layout.arrays if name not in ("image", "label")]

    def files(self, index: int) -> list[str]:
        name = f"sample_{index:04d}"
        return [f"imagesTr/{name}_0000.nii.gz", f"labelsTr/{name}.nii.gz"]

    def write(self, index: int, sample: StoredSample, folder: Path) -> None:
        image, label = self.files(index)
        limits = self.about.layout.ranges["image"]
        save_image(folder / image, sample.arrays["image"], sample.affine, limits)
        save_label(folder / label, sample.arrays["label"], sample.affine)

    def documents(self, rows: Sequence[dict[str, Any]]) -> dict[str, bytes]:
        """Written last: without dataset.json nnU-Net knows of no dataset. rows: of the samples."""
        names = self.about.layout.table.names
        described = {
            "channel_names": {"0": self.about.contrast},
            "labels": {"background": 0} | {n: i for i, n in enumerate(names) if i},
            "numTraining": len(rows),
            "file_ending": ".nii.gz",
            "name": self.about.name,
            "description": self.about.description(len(rows)),
            "licence": self.about.licence,
            "recipe_digest": self.about.recipe_digest,
        }
        return {"dataset.json": json.dumps(described, indent=2).encode()}

    def use(self, place: str) -> str:
        raw, name = os.path.split(place)
        number = int(name[7:10])
        return (
            f"nnUNet_raw={raw} nnUNetv2_plan_and_preprocess -d {number} --verify_dataset_integrity"
        )


FORMAT = NnUnet


def folder_of(output: Path, name: str) -> Path:
    """The dataset's folder: output itself where it is called Dataset###_Name; else a new one of
    the next free number in output (nnUNet_raw), or the one of this name that was begun there.

    Raises ExportError where the number is taken by another dataset.
    """
    itself = _NAME.fullmatch(output.name)
    raw = output.parent if itself else output
    taken = {
        int(match[1]): path
        for path in (sorted(raw.iterdir()) if raw.is_dir() else [])
        if (match := _NAME.fullmatch(path.name))
    }
    if itself:
        other = taken.get(int(itself[1]), output)
        if int(itself[1]) == 0 or other.name != output.name:
            raise ExportError(
                f"{output}: the number {itself[1]} "
                + (f"is taken by {other.name}" if int(itself[1]) else "is none; 001 to 999 are")
            )
        return output
    for number, path in taken.items():
        if number >= FIRST and path.name.endswith(f"_{name}") and (path / MARKER).is_file():
            return path
    free = next((n for n in range(FIRST, 1000) if n not in taken), None)
    if free is None:
        raise ExportError(f"{output}: no number from {FIRST} to 999 is free")
    return output / f"Dataset{free}_{name}"
