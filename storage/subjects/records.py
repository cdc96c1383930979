"""Subject records: which subject, from which files; plain JSON that `load_subject` can load.

The cases of a dataset keep their subject's record. JSON objects keep the order of the keys below.
Paths are strings, and `mapping` is as factory.storage.subjects.label_mappings.mapping_to_json
writes it.
"""

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict

from factory.storage.json_value import JsonValue

Record = Mapping[str, JsonValue]
"""The record of any source: "source", "id" and what that source needs to load the subject. The
sources that plug-ins add have keys of their own; those of storage have a type each, below."""


class PhantomRecord(TypedDict):
    """A procedural fetal brain (factory.storage.subjects.phantom)."""

    source: Literal["phantom"]
    id: str
    gestational_age_weeks: float
    seed: int


class BidsRecord(TypedDict):
    """A fetal brain in the layout of the FeTA challenge (factory.storage.subjects.bids).

    `rec`, the age and the pathology are None where neither a file name nor a table says them.
    `person` is there only where the id is not the participant's. With `channels`, the names of
    several channels, `image` has a file for each of them.
    """

    source: Literal["bids"]
    id: str
    label: str
    image: str | list[str]
    rec: str | None
    mapping: str | dict[str, str]
    gestational_age_weeks: float | None
    pathology: str | None
    person: NotRequired[str]
    channels: NotRequired[list[str]]
    covariates: NotRequired[dict[str, float | str]]


class NiftiRecord(TypedDict):
    """A label map, and an image where there is one (factory.storage.subjects.nifti).

    With `channels`, the names of several channels, `image` has a file for each of them.
    """

    source: Literal["nifti"]
    id: str
    label: str
    image: str | list[str] | None
    mapping: str | dict[str, str]
    channels: NotRequired[list[str]]
    gestational_age_weeks: NotRequired[float]
    pathology: NotRequired[str]
    covariates: NotRequired[dict[str, float | str]]


class ShortAxisRecord(TypedDict):
    """A heart as a short-axis stack at one phase (factory.storage.subjects.short_axis)."""

    source: Literal["short_axis"]
    id: str
    person: str
    phase: str
    vendor: str
    label: str
    image: str


class UltrasoundRecord(TypedDict):
    """A fetal head in ultrasound (factory.storage.subjects.head_ultrasound).

    `pixel_mm` is the width of a pixel of the file, `circumference_mm` the head's.
    """

    source: Literal["ultrasound"]
    id: str
    person: str
    image: str
    outline: str
    pixel_mm: float
    circumference_mm: float
