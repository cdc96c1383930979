"""A Croissant 1.0 description of a dataset: what machine-learning catalogues read.

It lies in the dataset's own folder and names its objects from there: every small one with its
sha256, as the seal has it; the seal itself, which names the ledger; and each array's shards, whose
sha256 are in the ledger. The records are those of cases.parquet.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd

from factory.storage.dataset import ledger
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.seal import newest_seal, seal_key
from factory.storage.errors import ExportError
from factory.storage.export.format import Format
from factory.storage.export.metadata import UNSTATED, DatasetSummary

NAME = "croissant.json"

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
    """Describes a whole dataset, and writes no sample."""

    describes_only: ClassVar[bool] = True

    def describe(self, dataset: ObjectStore, table: pd.DataFrame) -> tuple[str, bytes]:
        return NAME, describe(dataset, self.about, table)

    def use(self, place: str) -> str:
        return f"mlcroissant validate --jsonld {place}/{NAME}"


FORMAT = Croissant


def describe(folder: ObjectStore, about: DatasetSummary, cases: pd.DataFrame) -> bytes:
    """The bytes of croissant.json. Raises ExportError where there is no whole seal."""
    seal = newest_seal(folder)
    if seal is None:
        raise ExportError(f"{folder.url}: has no whole seal, so nothing says what it holds")
    key = seal_key(seal["generation"])
    objects = {**seal["objects"], key: ledger.sha256(folder.get(key) or b"")}
    licence = {} if about.licence == UNSTATED else {"license": about.licence}
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": about.name,
        "description": about.description(len(cases)),
        "version": f"{seal['generation']}.0.0",
        **licence,
        "identifier": about.recipe_digest,
        "distribution": [
            *(_object(key, digest, folder.size(key) or 0) for key, digest in objects.items()),
            *(_shards(name, about) for name in about.layout.arrays),
            {
                "@type": "cr:FileSet",
                "@id": "ledger",
                "description": "One entry a shard: its cases, and the sha256 of its objects.",
                "encodingFormat": "application/json",
                "includes": "ledger/*.json",
            },
        ],
        "recordSet": [_cases(cases), _labels(about)],
    }
    return json.dumps(document, indent=2).encode()


def _object(key: str, digest: str, size: int) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": key,
        "name": key,
        "contentUrl": key,
        "contentSize": f"{size} B",
        "encodingFormat": _ENCODING.get(key.rpartition(".")[2], "application/octet-stream"),
        "sha256": digest,
    }


def _shards(name: str, about: DatasetSummary) -> dict[str, Any]:
    layout = about.layout
    size = " × ".join(map(str, layout.shape_of(name)))
    kind = "labels, uint8" if layout.is_label(name) else "an image, uint16 with CF scale_factor"
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "description": f"Zarr v3 array {name} [sample, z, y, x]: {kind}, {size} voxels a sample.",
        "encodingFormat": "application/octet-stream",
        "includes": f"{name}/c/**",
    }


def _cases(cases: pd.DataFrame) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "cases",
        "description": "One record a sample: what was asked for, drawn and measured.",
        "key": {"@id": "cases/sample"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"cases/{name}",
                "description": str(name).replace("_", " "),
                "dataType": _kind(column.dtype),
                "source": {
                    "fileObject": {"@id": "cases.parquet"},
                    "extract": {"column": str(name)},
                },
            }
            for name, column in cases.items()
        ],
    }


def _kind(dtype: Any) -> str:
    if pd.api.types.is_bool_dtype(dtype):
        return "sc:Boolean"
    if pd.api.types.is_integer_dtype(dtype):
        return "sc:Integer"
    return "sc:Float" if pd.api.types.is_float_dtype(dtype) else "sc:Text"


def _labels(about: DatasetSummary) -> dict[str, Any]:
    columns: Mapping[str, str] = {"value": "sc:Integer", "name": "sc:Text"}
    return {
        "@type": "cr:RecordSet",
        "@id": "labels",
        "description": "What each value of the label array means.",
        "key": {"@id": "labels/value"},
        "field": [
            {"@type": "cr:Field", "@id": f"labels/{name}", "dataType": kind}
            for name, kind in columns.items()
        ],
        "data": [
            {"labels/value": value, "labels/name": name}
            for value, name in enumerate(about.layout.table.names)
        ],
    }
