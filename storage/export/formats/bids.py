"""A BIDS derivative dataset in the layout of the FeTA challenge, which subjects.bids can read.

    dataset_description.json  README  dseg.tsv
    participants.tsv  participants.json         one row for each sample: the columns of its case
    sub-0000/anat/sub-0000_T2w.nii.gz           the image; _T2w.json holds the case
    sub-0000/anat/sub-0000_dseg.nii.gz          its labels, which dseg.tsv names
    sub-0000/anat/sub-0000_desc-uncertainty_T2w.nii.gz     further images
    sub-0000/anat/sub-0000_acq-stack0_T2w.nii.gz           scanned stacks, on grids of their own

An image of named channels has a file for each: its suffix is the channel's name if that is one of
BIDS (T1w, FLAIR), otherwise the entity acq- has the name.

Each participant is one sample. Its column `subject` names the anatomy from which it was made.
Several samples may share one subject, so training and test sets must be split by subject.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from factory.storage.dataset.layout import Layout
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.export.format import Format
from factory.storage.export.metadata import UNSTATED
from factory.storage.export.nifti_file import save_image, save_label
from factory.storage.json_value import JsonObject, JsonValue
from factory.storage.subjects.channels import list_channels
from factory.storage.subjects.types import FETA_WITH_CALLOSUM

_SUFFIXES = ("T1w", "T2w", "PDw", "T2starw", "FLAIR", "inplaneT1", "inplaneT2", "angio")
"""The suffixes of BIDS for anatomical images that a channel may be called after."""

_UNITS = {"_mm": "mm", "_ml": "ml", "_weeks": "weeks", "_degrees": "degrees", "_mm2": "mm2"}


class BidsFormat(Format):
    """The format "bids"."""

    def files(self, index: int) -> list[str]:
        """List the images, the label maps and the sidecar of a sample."""
        return [path for _, _, path in self._volumes(index)] + self._sidecars(index)

    def write(self, index: int, sample: StoredSample, folder: Path) -> None:
        """Write the files of a sample."""
        layout, volumes, grids = self.summary.layout, sample.volumes, sample.grids
        for name, channel, path in self._volumes(index):
            affine = np.array(grids["affine"])
            if name in layout.shapes:
                affine = np.array(grids[f"{name.removesuffix('_label')}_affine"])
            if layout.is_label(name):
                save_label(folder / path, volumes[name], affine)
            else:
                values = list_channels(volumes[name])[channel]
                save_image(folder / path, values, affine, layout.ranges[name])
        sidecar = {
            "SkullStripped": self._is_brain,
            "Case": json.loads(sample.case),
            "Row": sample.columns,
        }
        for path in self._sidecars(index):
            (folder / path).write_bytes(_json_bytes(sidecar))

    def documents(self, rows: Sequence[JsonObject]) -> dict[str, bytes]:
        """Return the tables, the descriptions and the README of the dataset."""
        summary, columns = self.summary, list(dict.fromkeys(name for row in rows for name in row))
        licence = {} if summary.licence == UNSTATED else {"License": summary.licence}
        description = {
            "Name": summary.name,
            "BIDSVersion": "1.10.0",
            "DatasetType": "derivative",
            "GeneratedBy": [
                {"Name": "synthetic-dataset-factory", "Description": summary.description(len(rows))}
            ],
            **licence,
        }
        table = [["participant_id", *columns]]
        table += [
            [f"sub-{row['sample']:04d}", *(_cell_text(row.get(name)) for name in columns)]
            for row in rows
        ]
        descriptions = {"participant_id": {"Description": "A sample of the dataset"}}
        descriptions |= {
            name: _describe_column(name, [row.get(name) for row in rows]) for name in columns
        }
        readme = f"{summary.description(len(rows))}.\nLicence: {summary.licence}.\n{__doc__}"
        return {
            "README": readme.encode(),
            "dseg.tsv": _tsv_bytes(_label_rows(summary.layout, summary.source_values())),
            "participants.json": _json_bytes(descriptions),
            "participants.tsv": _tsv_bytes(table),
            "dataset_description.json": _json_bytes(description),
        }

    def use(self, place: str) -> str:
        """Return the command that validates the dataset."""
        return f"bids-validator-deno {place}"

    def _volumes(self, index: int) -> Iterator[tuple[str, int, str]]:
        """Yield the name of each array, the number of its channel, and the path of its file."""
        layout = self.summary.layout
        for name in layout.arrays:
            for number, channel in enumerate(layout.channels.get(name, ("",))):
                path = f"{self._stem(index)}{self._ending(name, channel)}.nii.gz"
                yield name, number, path

    def _ending(self, name: str, channel: str) -> str:
        """Return the entities and the suffix of an array's file, e.g. _desc-original_T1w."""
        layout, acquired, description = self.summary.layout, "", ""
        suffix = "dseg" if layout.is_label(name) else self.summary.contrast
        if name in layout.shapes:
            acquired = name.removesuffix("_label").replace("_", "")
        elif name not in ("image", "label"):
            description = f"_desc-{name.replace('_', '')}"
        if standard := _standard_suffix(channel):
            suffix = standard
        else:
            acquired += channel.replace("_", "")
        return (f"_acq-{acquired}" if acquired else "") + f"{description}_{suffix}"

    @property
    def _is_brain(self) -> bool:
        """Whether the label table has brain tissues only; nothing else is painted then."""
        return set(self.summary.layout.table.names) <= set(FETA_WITH_CALLOSUM.names)

    def _sidecars(self, index: int) -> list[str]:
        """List the documents beside the image and its channels.

        By the principle of inheritance those of the image hold for stacks too, but not where acq-
        names a channel.
        """
        layout = self.summary.layout
        endings = [self._ending("image", name) for name in layout.channels.get("image", ("",))]
        for stack in layout.stacks:
            names = layout.channels.get(stack, ())
            endings += [self._ending(stack, n) for n in names if _standard_suffix(n) is None]
        return [f"{self._stem(index)}{ending}.json" for ending in endings]

    def _stem(self, index: int) -> str:
        return f"sub-{index:04d}/anat/sub-{index:04d}"


FORMAT = BidsFormat


def _standard_suffix(channel: str) -> str | None:
    """Return the suffix of BIDS that a channel is called after, if there is one."""
    return next((suffix for suffix in _SUFFIXES if suffix.lower() == channel.lower()), None)


def _label_rows(layout: Layout, sources: Mapping[str, Sequence[int]]) -> list[list[str]]:
    """Return the rows of dseg.tsv: index, name and colour of each label.

    Args:
        layout: The layout of the dataset.
        sources: The values of each label in the subjects' files, a column where they are known.
    """
    table = layout.table
    rows = [["index", "name", "color", *(["source_value"] if sources else [])]]
    for value, (name, colour) in enumerate(zip(table.names, table.colours, strict=True)):
        before = ", ".join(map(str, sources.get(name, ()))) or "n/a"
        hexadecimal = "#{:02x}{:02x}{:02x}".format(*colour)
        rows.append([str(value), name, hexadecimal, *([before] if sources else [])])
    return rows


def _describe_column(name: str, values: Sequence[JsonValue]) -> dict[str, str]:
    description = {"Description": name.replace("_", " ")}
    unit = next((unit for end, unit in _UNITS.items() if name.endswith(end)), None)
    is_text = any(isinstance(value, str) for value in values)  # a list, which can have no unit
    return description | ({"Units": unit} if unit and not is_text else {})


def _cell_text(value: JsonValue) -> str:
    missing = value is None or value != value or value == ""
    return "n/a" if missing else " ".join(str(value).split())


def _tsv_bytes(rows: list[list[str]]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def _json_bytes(document: JsonObject) -> bytes:
    return json.dumps(document, indent=2).encode()
