"""The JSON documents of a dataset, as types: record, environment, layout, ledger entry and seal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from factory.storage.json_value import JsonObject, JsonValue


class Environment(TypedDict):
    """What the voxel values of a dataset depend on, apart from its recipe.

    Attributes:
        device: What computes, e.g. "cpu" or "NVIDIA H200".
        threads: The number of threads of one renderer.
        instruction_set: The SIMD extensions that numpy uses.
        platform: Operating system and machine, e.g. "Linux-x86_64".
        versions: Versions of Python and of the packages that numbers pass through, by name.
        lock_digest: sha256 of these versions.
    """

    device: str
    threads: int
    instruction_set: str
    platform: str
    versions: dict[str, str]
    lock_digest: str


class LabelRow(TypedDict):
    """One label of the label table; its colour is (r, g, b) in 0 to 255."""

    value: int
    name: str
    colour: list[int]


class LayoutDocument(TypedDict):
    """A `Layout` as JSON, see there for the keys."""

    samples: int
    shape: list[int]
    table: list[LabelRow]
    ranges: dict[str, list[float]]
    samples_per_shard: int
    shapes: NotRequired[dict[str, list[int]]]
    regions: NotRequired[dict[str, list[str]]]
    channels: NotRequired[dict[str, list[str]]]


class EarlierRecord(TypedDict):
    """The recipe of a dataset before it grew, and the number of its samples then."""

    recipe_digest: str
    recipe: JsonObject
    recipe_text: str
    samples: int


class Provenance(TypedDict):
    """What a caller states about the origin of a dataset.

    Attributes:
        recipe_digest: Identifies what is made: datasets of equal digest continue each other.
        recipe: The resolved recipe and the overrides that it was given.
        weights: sha256 of the weight files that are used, by name.
        grown_from: The recipes before each growth, the oldest first.
        replay: For a replayed sample: its dataset, its index and the changed parameters.
    """

    recipe_digest: str
    recipe: NotRequired[JsonObject]
    weights: NotRequired[Mapping[str, str]]
    grown_from: NotRequired[list[EarlierRecord]]
    replay: NotRequired[JsonObject]


class DatasetRecord(Provenance):
    """The content of record.json.

    Attributes:
        format: The name of this format, `factory.storage.dataset.record.FORMAT`.
        version: The version of this format.
        recipe_text: The resolved recipe as YAML.
        layout: The arrays and how they are divided.
        environment: The environment in which the dataset was begun.
    """

    format: str
    version: int
    recipe_text: str
    layout: LayoutDocument
    environment: Environment


class Seal(TypedDict):
    """The content of a seal, see `factory.storage.dataset.seal`.

    Attributes:
        generation: 1, and 1 more for each time that the dataset has grown.
        samples: The number of samples.
        record: The content of record.json.
        objects: sha256 of every object that is neither a shard nor a ledger entry, by key.
        ledger: sha256 of every ledger entry, by its name.
    """

    generation: int
    samples: int
    record: DatasetRecord
    objects: dict[str, str]
    ledger: dict[str, str]


class StoredObject(TypedDict):
    """The length and the sha256 of an object."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class SampleRecord:
    """What the ledger keeps of a sample: all but its volumes.

    Attributes:
        case: The case as JSON.
        columns: The sample's row of cases.parquet, by column name.
        clipped_fraction: The fraction of voxels whose intensity was clipped, by image.
        grids: Affines (4×4) and spacings (mm) by the name of their array, e.g. "stack_0_affine".
        stack_shapes: Voxels (slices, rows, columns) of the stacks, by name.
    """

    case: JsonObject
    columns: JsonObject
    clipped_fraction: Mapping[str, float]
    grids: Mapping[str, list[JsonValue]]
    stack_shapes: Mapping[str, list[int]]

    def to_json(self) -> JsonObject:
        """Return the record as JSON; the grids' names are keys beside the others."""
        shapes = {"stack_shapes": dict(self.stack_shapes)} if self.stack_shapes else {}
        return {
            "case": self.case,
            **self.grids,
            "clipped_fraction": dict(self.clipped_fraction),
            "columns": self.columns,
            **shapes,
        }

    @staticmethod
    def from_json(data: JsonObject) -> "SampleRecord":
        """Read what `to_json` returns."""
        others = dict(data)
        return SampleRecord(
            case=others.pop("case"),
            columns=others.pop("columns"),
            clipped_fraction=others.pop("clipped_fraction"),
            stack_shapes=others.pop("stack_shapes", {}),
            grids=others,
        )


@dataclass(frozen=True)
class LedgerEntry:
    """The statement that a shard is complete, put after the shard's objects.

    Attributes:
        shard: The index of the shard.
        start: The index of its first sample.
        cases_sha256: Identifies its cases, see `factory.storage.dataset.ledger.cases_digest`.
        samples: The record of each sample, in order.
        objects: Length and sha256 of the shard's objects, by key.
        environment: The environment in which the shard was rendered.
    """

    shard: int
    start: int
    cases_sha256: str
    samples: Sequence[SampleRecord]
    objects: Mapping[str, StoredObject]
    environment: Environment

    @property
    def failures(self) -> dict[int, str]:
        """The samples that could not be rendered, by index, and the reasons."""
        return {
            self.start + offset: sample.columns["failure"]
            for offset, sample in enumerate(self.samples)
            if "failure" in sample.columns
        }

    def holds(self, sample: int) -> bool:
        """Return whether the shard holds the sample of this index."""
        return 0 <= sample - self.start < len(self.samples)

    def record_of(self, sample: int) -> SampleRecord:
        """Return the record of the sample of this index."""
        return self.samples[sample - self.start]

    def to_json(self) -> JsonObject:
        """Return the entry as JSON, not yet signed."""
        return {**vars(self), "samples": [sample.to_json() for sample in self.samples]}

    @staticmethod
    def from_json(data: JsonObject) -> "LedgerEntry":
        """Read what `to_json` returns."""
        samples = [SampleRecord.from_json(sample) for sample in data["samples"]]
        return LedgerEntry(**{**data, "samples": samples})
