"""What a render recipe may say.

Units stand in the names. Ages are weeks of gestation, lengths mm, arrays [z, y, x]. Loading
and its messages are in factory/loading.py; what a parameter may be in factory/parameters.py.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from factory.loading import Loaded, Section, allowed, listed, load, one_of, problem
from factory.parameters import Choice, Each, Number, Option
from storage.mappings import NAMED
from storage.subject import FETA

TISSUES = FETA.names[1:]

Text = Annotated[str, Field(min_length=1), allowed("text")]
Count = Annotated[int, Field(ge=1, le=100_000_000), allowed("a whole number of at least 1")]
Seed = Annotated[int, Field(ge=0, lt=2**53), allowed("a whole number of at least 0")]
Weeks = Annotated[float, Field(ge=20, le=38), allowed("20 to 38 weeks")]
Millimetres = Annotated[float, Field(ge=0, le=30), allowed("0 to 30 mm")]
Spacing = Annotated[float, Field(ge=0.2, le=5), allowed("0.2 to 5 mm")]
Grade = Annotated[int, Field(ge=0, le=99), allowed("a whole number from 0 to 99")]
Tissue = Annotated[str, one_of(TISSUES)]
LabelValue = Annotated[int, Field(ge=0, le=65535), allowed("a label's whole number")]
Voxels = Annotated[int, Field(ge=16, le=1024), allowed("16 to 1024 voxels")]
Factor = Annotated[float, Field(gt=0, le=100), allowed("a number above 0, at most 100")]
Intensity = Annotated[float, Field(ge=-1000, le=1000), allowed("a number from -1000 to 1000")]

Mapping = Annotated[
    Annotated[dict[LabelValue, Annotated[str, one_of(FETA.names)]], Tag("<values>")]
    | Annotated[str, one_of(tuple(NAMED), "{value: tissue, ...}"), Tag("<name>")],
    Discriminator(lambda value: "<values>" if isinstance(value, dict) else "<name>"),
]
Shape = Annotated[
    Annotated[tuple[Voxels, Voxels, Voxels], Tag("<voxels>")]
    | Annotated[Literal["auto"], allowed("auto, or voxels as [z, y, x]"), Tag("<auto>")],
    Discriminator(lambda value: "<voxels>" if isinstance(value, tuple) else "<auto>"),
]


class Phantom(Section):
    """Procedural fetal brains."""

    count: Count
    gestational_age_weeks: Number[Weeks]


class Bids(Section):
    """Image and label pairs in the layout of the FeTA challenge; without a mapping, the
    dataset's dseg.tsv says what its labels are."""

    path: Text
    rec: Text | None = None
    mapping: Mapping | None = None
    participants: tuple[Text, ...] | None = None


class Nifti(Section):
    """Any folder of .nii.gz, by patterns with {subject}."""

    path: Text
    labels: Text
    images: Text | None = None
    mapping: Mapping = "feta"

    @model_validator(mode="after")
    def _patterns(self) -> "Nifti":
        for key in ("labels", "images"):
            pattern = getattr(self, key)
            if pattern is not None and "{subject}" not in pattern:
                words = "a file name with {subject} in it"
                raise problem("value {value}; allowed: {words}", pattern, at=(key,), words=words)
        return self


class Subjects(Section):
    phantom: Phantom | None = None
    bids: Bids | None = None
    nifti: Nifti | None = None

    @model_validator(mode="after")
    def _some(self) -> "Subjects":
        if not (self.phantom or self.bids or self.nifti):
            raise problem("no subjects; allowed: phantom, bids, nifti")
        return self


class DilateVentricles(Section):
    """The lateral ventricles dilated by radius_mm, or by a grade that grades_mm translates."""

    grade: Option[Grade] | None = None
    grades_mm: dict[Grade, Millimetres] | None = None
    radius_mm: Number[Millimetres] | None = None
    into: tuple[Tissue, ...]

    @model_validator(mode="after")
    def _consistent(self) -> "DilateVentricles":
        if (self.radius_mm is None) == (self.grade is None):
            both = self.grade is not None
            text = "both radius_mm and grade are given" if both else "no radius_mm and no grade"
            raise problem(f"{text}; allowed: radius_mm, or grade with grades_mm")
        if self.grade is not None and not self.grades_mm:
            raise problem("grade needs grades_mm; allowed: e.g. {0: 0, 1: 1.5}", at=("grade",))
        if self.grade is None and self.grades_mm is not None:
            raise problem("grades_mm without grade", at=("grades_mm",))
        for at, grade in _options(self.grade):
            if grade not in (self.grades_mm or {}):
                words = f"{listed(sorted(self.grades_mm or {}))} (the keys of grades_mm)"
                text = "value {value}; allowed: {words}"
                raise problem(text, grade, at=("grade", *at), words=words)
        if not self.into or "ventricles" in self.into or len(set(self.into)) < len(self.into):
            others = listed(t for t in TISSUES if t != "ventricles")
            text = "value {value}; allowed: a list, without repeats, of {others}"
            raise problem(text, self.into, at=("into",), others=others)
        return self


class Edit(Section):
    """One edit of the label map: one operator by its name."""

    dilate_ventricles: DilateVentricles | None = None

    @model_validator(mode="after")
    def _one(self) -> "Edit":
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            names = listed(type(self).model_fields)
            raise problem(f"{len(given)} operators; allowed: one of {names}")
        return self


class RejectOutliersValues(Section):
    m: Factor


class RejectOutliers(Section):
    """Values m or more median distances from the median give way to the median."""

    reject_outliers: RejectOutliersValues


Fuse = Annotated[
    Annotated[RejectOutliers, Tag("<rule>")]
    | Annotated[str, one_of(("mean", "closest_two"), "{reject_outliers: {m: 0.5}}"), Tag("<name>")],
    Discriminator(lambda value: "<rule>" if isinstance(value, dict | Section) else "<name>"),
]


class Appearance(Section):
    """A model by its name or folder, and how its orientations are fused."""

    model: Text
    fuse: Fuse = "mean"


class Output(Section):
    """The dataset: where, on what lattice, in what units.

    range: intensities that uint16 spans, in units of the brain's 99.5th percentile.
    """

    path: Text
    spacing_mm: Spacing = 1.0
    shape: Shape = "auto"
    range: tuple[Intensity, Intensity] = (0.0, 1.2)
    uncertainty: bool = False
    original: bool = False
    samples_per_shard: Annotated[
        int, Field(ge=1, le=4096), allowed("a whole number from 1 to 4096")
    ] = 1

    @model_validator(mode="after")
    def _ordered(self) -> "Output":
        if not self.range[0] < self.range[1]:
            raise problem("value {value}; allowed: [low, high]", self.range, at=("range",))
        return self


class RenderRecipe(Section):
    """Subjects × sweeps × replicates, rendered into one dataset."""

    seed: Seed
    subjects: Subjects
    anatomy: tuple[Edit, ...] = ()
    appearance: Appearance
    replicates: Count = 1
    output: Output

    @model_validator(mode="after")
    def _originals(self) -> "RenderRecipe":
        nifti = self.subjects.nifti
        if self.output.original and (self.subjects.phantom or (nifti and nifti.images is None)):
            source = "phantom" if self.subjects.phantom else "nifti without images"
            text = f"value true; subjects.{source} has no image to carry along; allowed: false"
            raise problem(text, at=("output", "original"))
        return self


Recipe = Loaded[RenderRecipe]


def load_recipe(file: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A render recipe with its --set overrides. Raises RecipeError, one line."""
    return load(file, RenderRecipe, overrides)


def _options(value: Any) -> list[tuple[tuple[str | int, ...], Any]]:
    """Each value an Option may take, with its place below the parameter."""
    if isinstance(value, Each):
        return [(("each", i), v) for i, v in enumerate(value.each)]
    if isinstance(value, Choice):
        weighted = isinstance(value.choice, dict)
        return [(("choice", v if weighted else i), v) for i, v in enumerate(value.choice)]
    return [] if value is None else [((), value)]
