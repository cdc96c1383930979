"""A BIDS derivative dataset, laid out as the FeTA challenge does, so that subjects.bids reads it.

    dataset_description.json  README  dseg.tsv
    participants.tsv  participants.json         a row a sample: the columns of its case
    sub-0000/anat/sub-0000_T2w.nii.gz           the image; _T2w.json has the case
    sub-0000/anat/sub-0000_dseg.nii.gz          its labels, named by dseg.tsv
    sub-0000/anat/sub-0000_desc-uncertainty_T2w.nii.gz     further images
    sub-0000/anat/sub-0000_acq-stack0_T2w.nii.gz           scanned stacks, on grids of their own

A participant is a sample; column `subject` says which anatomy it was made of: split a training by
that, for several samples may share one.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from factory.storage.dataset.layout import Layout
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.export.format import Format
from factory.storage.export.metadata import UNSTATED
from factory.storage.export.nifti_file import save_image, save_label
from factory.storage.subjects.types import FETA_WITH_CALLOSUM

_UNITS = {"_mm": "mm", "_ml": "ml", "_weeks": "weeks", "_degrees": "degrees", "_mm2": "mm2"}


class Bids(Format):
    """Writes samples, and what is said of them all."""

    def files(self, index: int) -> list[str]:
        return [path for _, path in self._volumes(index)] + [self._sidecar(index)]

    def write(self, index: int, sample: StoredSample, folder: Path) -> None:
        layout, volumes, grids = self.about.layout, sample.volumes, sample.grids
        for name, path in self._volumes(index):
            affine = np.array(grids["affine"])
            if name in layout.shapes:
                affine = np.array(grids[f"{name.removesuffix('_label')}_affine"])
            if layout.is_label(name):
                save_label(folder / path, volumes[name], affine)
            else:
                save_image(folder / path, volumes[name], affine, layout.ranges[name])
        about = {
            "SkullStripped": self._is_brain,
            "Case": json.loads(sample.case),
            "Row": sample.columns,
        }
        (folder / self._sidecar(index)).write_bytes(_json(about))

    def documents(self, rows: Sequence[dict[str, Any]]) -> dict[str, bytes]:
        """rows: the cases' columns, sample by sample."""
        about, columns = self.about, list(dict.fromkeys(name for row in rows for name in row))
        licence = {} if about.licence == UNSTATED else {"License": about.licence}
        description = {
            "Name": about.name,
            "BIDSVersion": "1.10.0",
            "DatasetType": "derivative",
            "GeneratedBy": [
                {"Name": "synthetic-dataset-factory", "Description": about.description(len(rows))}
            ],
            **licence,
        }
        table = [["participant_id", *columns]]
        table += [
            [f"sub-{row['sample']:04d}", *(_cell(row.get(name)) for name in columns)]
            for row in rows
        ]
        described = {"participant_id": {"Description": "A sample of the dataset"}}
        described |= {name: _described(name) for name in columns}
        readme = f"{about.description(len(rows))}.\nLicence: {about.licence}.\n{__doc__}"
        return {
            "README": readme.encode(),
            "dseg.tsv": _tsv(_lookup(about.layout)),
            "participants.json": _json(described),
            "participants.tsv": _tsv(table),
            "dataset_description.json": _json(description),
        }

    def use(self, place: str) -> str:
        return f"bids-validator-deno {place}"

    def _volumes(self, index: int) -> Iterator[tuple[str, str]]:
        """Names of the arrays, and the file of each."""
        layout = self.about.layout
        for name in layout.arrays:
            entity = ""
            if name in layout.shapes:
                entity = f"_acq-{name.removesuffix('_label').replace('_', '')}"
            elif name not in ("image", "label"):
                entity = f"_desc-{name.replace('_', '')}"
            suffix = "dseg" if layout.is_label(name) else self.about.contrast
            yield name, f"{self._stem(index)}{entity}_{suffix}.nii.gz"

    @property
    def _is_brain(self) -> bool:
        """Whether the label table is of brains alone: nothing else is painted then."""
        return set(self.about.layout.table.names) <= set(FETA_WITH_CALLOSUM.names)

    def _sidecar(self, index: int) -> str:
        return f"{self._stem(index)}_{self.about.contrast}.json"

    def _stem(self, index: int) -> str:
        return f"sub-{index:04d}/anat/sub-{index:04d}"


FORMAT = Bids


def _lookup(layout: Layout) -> list[list[str]]:
    table = [["index", "name", "color"]]
    pairs = zip(layout.table.names, layout.table.colours, strict=True)
    return table + [[str(i), n, "#{:02x}{:02x}{:02x}".format(*c)] for i, (n, c) in enumerate(pairs)]


def _described(name: str) -> dict[str, str]:
    words = {"Description": name.replace("_", " ")}
    unit = next((unit for end, unit in _UNITS.items() if name.endswith(end)), None)
    return words | ({"Units": unit} if unit else {})


def _cell(value: Any) -> str:
    missing = value is None or value != value or value == ""
    return "n/a" if missing else " ".join(str(value).split())


def _tsv(rows: list[list[str]]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=2).encode()
