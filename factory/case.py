"""One sample to be rendered: typed values, which are stored as plain JSON."""

import json
from dataclasses import dataclass, field

from factory.storage.json_value import JsonObject, JsonValue

OPTIONAL_KEYS = ("labels", "acquisition", "gate", "table", "measures", "shows_source")
"""Keys of a case's JSON that are absent where they are empty."""


@dataclass(frozen=True)
class CaseEdit:
    """One edit of the label map.

    Attributes:
        operator: The operator's name, e.g. "dilate_ventricles".
        parameters: Its values by name, e.g. {"radius_mm": 3.0, "into": ["white_matter"]}.
        column_prefix: What the edit's columns are named after: the operator, or for the recipe's
            second edit of an operator "dilate_ventricles_2".
    """

    operator: str
    parameters: JsonObject
    column_prefix: str

    def to_json(self) -> JsonObject:
        """Return {operator: parameters}, and "as" where the prefix is not the operator's name."""
        named = {} if self.column_prefix == self.operator else {"as": self.column_prefix}
        return {self.operator: self.parameters, **named}

    @staticmethod
    def from_json(data: JsonObject) -> "CaseEdit":
        """Read what `to_json` returns."""
        operator = next(key for key in data if key != "as")
        return CaseEdit(operator, data[operator], data.get("as", operator))


@dataclass(frozen=True)
class CaseAppearance:
    """How the label map is painted.

    Attributes:
        model: The model's name or path; None where the image is drawn from latents and not painted.
        fuse: The rule that fuses three orientations: "mean", "closest_two",
            {"reject_outliers": {"m": 0.5}} or {"cnn": name}; None where nothing is painted.
        style_seed: Seed of the style, for models that have one.
        uncertainty: Whether the disagreement of the orientations is stored.
        original: Whether the subject's own image is stored, carried along by the edits.
        mixed_precision: Whether the painter computes in bfloat16.
        family: The family that paints without weights, e.g. "original"; None where a model paints.
        contrast: The filled section `contrast`; None where another family paints.
    """

    model: str | None = None
    fuse: JsonValue = None
    style_seed: int = 0
    uncertainty: bool = False
    original: bool = False
    mixed_precision: bool = False
    family: str | None = None
    contrast: JsonObject | None = None

    def to_json(self) -> JsonObject:
        """Return the attributes by name, without those that are None or a false mixed_precision."""
        data = {name: value for name, value in vars(self).items() if value is not None}
        if not self.mixed_precision:
            del data["mixed_precision"]
        return data


@dataclass(frozen=True)
class CaseGrid:
    """The voxel grid that is rendered and stored. shape: (z, y, x). spacing_mm: isotropic."""

    shape: tuple[int, int, int]
    spacing_mm: float

    def to_json(self) -> JsonObject:
        """Return the shape as a list, and the spacing."""
        return {"shape": list(self.shape), "spacing_mm": self.spacing_mm}


@dataclass(frozen=True)
class AddedLabel:
    """A label of the dataset beside those of the subjects. looks_like: it is painted as this."""

    name: str
    looks_like: str


@dataclass(frozen=True)
class CaseTable:
    """The label table of a dataset, where it is not that of a built-in kind of subjects.

    Attributes:
        names: The names in order of their values, the background first, without added labels; ()
            for the table that the subject comes with.
        regions: Names of unions of labels, with the names of their labels.
    """

    names: tuple[str, ...] = ()
    regions: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def to_json(self) -> JsonObject:
        """Return the attributes by name, regions as an object."""
        return {
            "names": list(self.names),
            "regions": {name: list(labels) for name, labels in self.regions},
        }

    @staticmethod
    def from_json(data: JsonObject) -> "CaseTable":
        """Read what `to_json` returns."""
        regions = tuple((name, tuple(labels)) for name, labels in data["regions"].items())
        return CaseTable(tuple(data["names"]), regions)


@dataclass(frozen=True)
class CaseAcquisition:
    """How the painted volume is scanned.

    Attributes:
        labels: The grid that labels are stored on, "volume" or "stack".
        parameters: The defects by section, see factory.acquisition.acquire.acquire_stacks.
        seed: Seed of everything random in the scan.
        scanner: The scanner's name, where the recipe names one.
    """

    labels: str
    parameters: dict[str, JsonObject]
    seed: int
    scanner: str | None = None

    def to_json(self) -> JsonObject:
        """Return the attributes by name; scanner only where there is one."""
        named = {} if self.scanner is None else {"scanner": self.scanner}
        return {"labels": self.labels, "parameters": self.parameters, "seed": self.seed, **named}


@dataclass(frozen=True)
class CaseGate:
    """What a painted image must pass.

    Attributes:
        model: The segmenter's name or path.
        tries: How many styles are painted, at most.
        structures: The limits by structure, e.g. {"ventricles": {"dice": 0.85}}.
    """

    model: str
    tries: int
    structures: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Case:
    """One sample to be rendered. The sample can be made again from its case alone.

    Attributes:
        id: "<group>/<subject id>/<variant>/<replicate>", the case's identity; without the first
            part in a recipe without groups.
        subject: The subject's record: "source", "id" and what that source needs to load it.
        variant: The swept values in words, e.g. "grade=2"; "" where nothing is swept.
        replicate: Which repetition of the variant this is, from 0.
        edits: The edits in order, without those that `when` switches off.
        appearance: How the label map is painted.
        grid: The voxel grid.
        requested: The drawn and swept parameters by column name, e.g. grade, radius_mm,
            rotation_degrees_z; without those of edits that are switched off.
        group: The group's name; "" in a recipe without groups.
        labels: Labels that the recipe adds, in order of their values.
        acquisition: How the volume is scanned; None where it is not.
        gate: What the image must pass; None where nothing judges it.
        table: The dataset's label table, where it is not that of a built-in kind of subjects.
        measures: The measures that the recipe chooses, each of "all" or of the structures named;
            None for those that a sample carries without a choice.
        shows_source: Whether a column says the source of the subject, since groups differ in it.
    """

    id: str
    subject: JsonObject
    variant: str
    replicate: int
    edits: tuple[CaseEdit, ...]
    appearance: CaseAppearance
    grid: CaseGrid
    requested: dict[str, JsonValue]
    group: str = ""
    labels: tuple[AddedLabel, ...] = field(default=())
    acquisition: CaseAcquisition | None = None
    gate: CaseGate | None = None
    table: CaseTable | None = None
    measures: dict[str, str | list[str]] | None = None
    shows_source: bool = False

    @property
    def has_own_table(self) -> bool:
        """Whether the label table is not that of a built-in kind of subjects."""
        return self.table is not None and bool(self.table.names)

    def to_json(self) -> str:
        """Return canonical JSON: sorted keys, no spaces; the same case gives the same bytes.

        The optional keys "labels", "acquisition", "gate", "table", "measures" and "shows_source"
        are absent where they are empty.
        """
        data: JsonObject = vars(self) | {
            "edits": [edit.to_json() for edit in self.edits],
            "appearance": self.appearance.to_json(),
            "grid": self.grid.to_json(),
            "labels": [vars(label) for label in self.labels],
            "acquisition": self.acquisition.to_json() if self.acquisition else None,
            "gate": vars(self.gate) if self.gate else None,
            "table": self.table.to_json() if self.table else None,
        }
        for optional in OPTIONAL_KEYS:
            if not data[optional]:
                del data[optional]
        return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> "Case":
        """Read what `to_json` returns."""
        data: JsonObject = json.loads(text)
        grid, acquisition, gate = data["grid"], data.get("acquisition"), data.get("gate")
        table = data.get("table")
        typed: JsonObject = {
            "edits": tuple(map(CaseEdit.from_json, data["edits"])),
            "appearance": CaseAppearance(**data["appearance"]),
            "grid": CaseGrid(tuple(grid["shape"]), grid["spacing_mm"]),
            "labels": tuple(AddedLabel(**label) for label in data.get("labels", ())),
            "acquisition": CaseAcquisition(**acquisition) if acquisition else None,
            "gate": CaseGate(**gate) if gate else None,
            "table": CaseTable.from_json(table) if table else None,
        }
        return Case(**data | typed)
