"""Find out how a folder of images and label maps is laid out.

| layout | how it is recognised |
|---|---|
| BIDS | folders `sub-*` with files `*_dseg.nii.gz` |
| nnU-Net | `dataset.json` and `labelsTr/`; `imagesTr/CASE_0000.nii.gz` is the first channel |
| M&Ms | `participants.csv` and files `ID/ID_ED_sa_gt.nii.gz` |
"""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from factory.storage.errors import SubjectError
from factory.storage.json_value import JsonObject
from factory.storage.subjects.label_names import normalise_label_name

TABLES = ("dseg.tsv", "dataset.json", "labels.txt", "labels.tsv")
"""The files that may say what the labels of a folder are, the first that is there."""


@dataclass(frozen=True)
class FolderLayout:
    """How a folder is laid out.

    Attributes:
        source: The key below a recipe's `subjects`: "bids", "nifti" or "short_axis".
        section: What the recipe says there, beside the path.
    """

    source: str
    section: JsonObject = field(default_factory=dict)


def detect_layout(folder: Path) -> FolderLayout:
    """Find out the layout of a folder.

    Raises:
        SubjectError: If there is no such folder, or its layout is none of the above.
    """
    if not folder.is_dir():
        raise SubjectError(f"{folder}: no such folder")
    if (folder / "dataset.json").is_file() and (folder / "labelsTr").is_dir():
        return FolderLayout("nifti", _nnunet_section(folder))
    if next(folder.glob("sub-*/**/*_dseg.nii*"), None):
        return FolderLayout("bids")
    if (folder / "participants.csv").is_file() and next(folder.glob("*/*_ED_sa_gt.nii.gz"), None):
        return FolderLayout("short_axis")
    raise SubjectError(
        f"{folder}: neither BIDS (sub-*/**/*_dseg.nii.gz), nor nnU-Net (dataset.json, labelsTr), "
        "nor M&Ms (participants.csv); allowed: patterns of its label maps and images, such as "
        '--labels "{subject}_seg.nii.gz" --images "{subject}_t1.nii.gz"'
    )


def _nnunet_section(folder: Path) -> JsonObject:
    """Return the patterns of a dataset in nnU-Net's raw format, with a name for each channel."""
    path = folder / "dataset.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        channels = content.get("channel_names") or content["modality"]
        ending = str(content.get("file_ending", ".nii.gz"))
        numbers = sorted(channels, key=int)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise SubjectError(
            f"{path}: needs channel_names and labels, as nnU-Net's dataset.json has"
        ) from None
    if ending not in (".nii.gz", ".nii"):
        raise SubjectError(f"{path}: file_ending {ending}; allowed: .nii.gz or .nii")
    patterns = {n: f"imagesTr/{{subject}}_{int(n):04d}{ending}" for n in numbers}
    images: str | JsonObject = patterns[numbers[0]]
    if len(numbers) > 1:
        images = {normalise_label_name(str(channels[n])): patterns[n] for n in numbers}
        if len(images) < len(numbers):
            raise SubjectError(f"{path}: channel_names {channels}; allowed: a name for each")
    labels = f"labelsTr/{{subject}}{ending}"
    return {"labels": labels, "images": images, "mapping": str(path)}


def find_table_file(folder: Path) -> Path | None:
    """Return the file of a folder that says what its labels are, if there is one."""
    tables = (folder / name for name in TABLES)
    return next((path for path in tables if path.is_file()), None)


def finest_spacing_mm(label_files: Sequence[str]) -> float:
    """Return the median of the finest voxel sizes of some label maps, by their headers.

    An axis of a single voxel, the thickness of a slice, does not count.

    Raises:
        SubjectError: If a file cannot be read.
    """
    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError

    finest = []
    for file in label_files:
        try:
            image = nib.load(file)
        except (OSError, ImageFileError, ValueError) as error:
            text = " ".join(str(error).split())
            raise SubjectError(f"{file}: cannot be read as NIfTI ({text})") from None
        if not isinstance(image, nib.Nifti1Image):
            raise SubjectError(f"{file}: not NIfTI but {type(image).__name__}")
        sides = list(zip(image.header.get_zooms()[:3], image.shape[:3], strict=True))
        finest.append(float(min(mm for mm, voxels in sides if voxels > 1 or len(sides) < 2)))
    return round(statistics.median(finest), 3)
