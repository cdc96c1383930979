"""A Croissant 1.0 description of a dataset, which machine-learning catalogues read.

It is written to the dataset's folder and names the objects relative to it: every small object with
its sha256 from the seal; the seal itself, which lists the ledger; and the shards of each array,
whose sha256 are in the ledger. Its records are those of cases.parquet.
"""

import json
from collections.abc import Mapping
from typing import ClassVar

import pandas as pd

from factory.storage.dataset import ledger
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.seal import newest_seal, seal_key
from factory.storage.errors import ExportError
from factory.storage.export.format import Format
from factory.storage.export.metadata import UNSTATED, DatasetSummary
from factory.storage.json_value import JsonObject
from factory.storage.subjects.channels import describe_channels

NAME = "croissant.json"
"""The name of the document."""

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_ENCODING = {
    "parquet": "application/x-parquet",
    "json": "application/json",
    "yaml": "application/yaml",
}


class Croissant(Format):
    """The format "croissant", one document about a dataset."""

    describes_only: ClassVar[bool] = True

    def describe(self, dataset: ObjectStore, table: pd.DataFrame) -> tuple[str, bytes]:
        """Return the name and the content of the document."""
        return NAME, describe_dataset(dataset, self.summary, table)

    def use(self, place: str) -> str:
        """Return the command that validates the document."""
        return f"mlcroissant validate --jsonld {place}/{NAME}"


FORMAT = Croissant


def describe_dataset(folder: ObjectStore, summary: DatasetSummary, cases: pd.DataFrame) -> bytes:
    """Return the bytes of croissant.json.

    Args:
        folder: The objects of the dataset.
        summary: The description of the dataset.
        cases: The table of cases.

    Raises:
        ExportError: The dataset has no valid seal.
    """
    seal = newest_seal(folder)
    if seal is None:
        raise ExportError(f"{folder.url}: has no valid seal, so its content is not known")
    key = seal_key(seal["generation"])
    objects = {**seal["objects"], key: ledger.sha256(folder.get(key) or b"")}
    licence = {} if summary.licence == UNSTATED else {"license": summary.licence}
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": summary.name,
        "description": summary.description(len(cases)),
        "version": f"{seal['generation']}.0.0",
        **licence,
        "identifier": summary.recipe_digest,
        "distribution": [
            *(_file_object(key, digest, folder.size(key) or 0) for key, digest in objects.items()),
            *(_shard_files(name, summary) for name in summary.layout.arrays),
            {
                "@type": "cr:FileSet",
                "@id": "ledger",
                "description": "One entry for each shard: its cases and the sha256 of its objects.",
                "encodingFormat": "application/json",
                "includes": "ledger/*.json",
            },
        ],
        "recordSet": [_case_records(cases), _label_records(summary)],
    }
    return json.dumps(document, indent=2).encode()


def _file_object(key: str, digest: str, size: int) -> JsonObject:
    return {
        "@type": "cr:FileObject",
        "@id": key,
        "name": key,
        "contentUrl": key,
        "contentSize": f"{size} B",
        "encodingFormat": _ENCODING.get(key.rpartition(".")[2], "application/octet-stream"),
        "sha256": digest,
    }


def _shard_files(name: str, summary: DatasetSummary) -> JsonObject:
    layout = summary.layout
    size = " × ".join(map(str, layout.shape_of(name)))
    channels = layout.channels.get(name, ())
    axes = "sample, channel, z, y, x" if channels else "sample, z, y, x"
    of = f" of {describe_channels(channels)}" if channels else ""
    images = f"an image{of}, uint16 with CF scale_factor"
    kind = f"labels, {layout.dtype_of(name)}" if layout.is_label(name) else images
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "description": f"Zarr v3 array {name} [{axes}]: {kind}, {size} voxels each.",
        "encodingFormat": "application/octet-stream",
        "includes": f"{name}/c/**",
    }


def _case_records(cases: pd.DataFrame) -> JsonObject:
    return {
        "@type": "cr:RecordSet",
        "@id": "cases",
        "description": "One record for each sample: requested, random and measured values.",
        "key": {"@id": "cases/sample"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"cases/{name}",
                "description": str(name).replace("_", " "),
                "dataType": _data_type(column.dtype),
                "source": {
                    "fileObject": {"@id": "cases.parquet"},
                    "extract": {"column": str(name)},
                },
            }
            for name, column in cases.items()
        ],
    }


def _data_type(dtype: object) -> str:
    if pd.api.types.is_bool_dtype(dtype):
        return "sc:Boolean"
    if pd.api.types.is_integer_dtype(dtype):
        return "sc:Integer"
    return "sc:Float" if pd.api.types.is_float_dtype(dtype) else "sc:Text"


def _label_records(summary: DatasetSummary) -> JsonObject:
    columns: Mapping[str, str] = {"value": "sc:Integer", "name": "sc:Text"}
    return {
        "@type": "cr:RecordSet",
        "@id": "labels",
        "description": "The meaning of each value of the label array.",
        "key": {"@id": "labels/value"},
        "field": [
            {"@type": "cr:Field", "@id": f"labels/{name}", "dataType": kind}
            for name, kind in columns.items()
        ],
        "data": [
            {"labels/value": value, "labels/name": name}
            for value, name in enumerate(summary.layout.table.names)
        ],
    }
