"""What a recipe may say of its subjects: where they come from."""

from typing import Annotated

from pydantic import Discriminator, Tag, model_validator

from factory.config.parameters import Number
from factory.config.section import Section, allowed, one_of, problem
from factory.config.types import Count, LabelValue, Text, Weeks
from factory.storage.subjects.label_mappings import NAMED, TISSUES
from factory.subjects.ultrasound import Ultrasound

Mapping = Annotated[
    Annotated[dict[LabelValue, Annotated[str, one_of(TISSUES)]], Tag("<values>")]
    | Annotated[str, one_of(tuple(NAMED), "{value: tissue, ...}"), Tag("<name>")],
    Discriminator(lambda value: "<values>" if isinstance(value, dict) else "<name>"),
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


class ShortAxis(Section):
    """Hearts as short-axis stacks in the layout of the M&Ms challenge: see
    factory.storage.subjects.short_axis.
    """

    path: Text
    participants: Annotated[tuple[Text, ...], allowed("a list of persons")] | None = None


class Subjects(Section):
    phantom: Phantom | None = None
    bids: Bids | None = None
    nifti: Nifti | None = None
    short_axis: ShortAxis | None = None
    ultrasound: Ultrasound | None = None

    @model_validator(mode="after")
    def _some(self) -> "Subjects":
        brains = bool(self.phantom or self.bids or self.nifti)
        if not (brains or self.short_axis or self.ultrasound):
            raise problem("no subjects; allowed: phantom, bids, nifti, short_axis, ultrasound")
        if brains and self.short_axis:
            raise problem("hearts beside brains; allowed: short_axis alone", at=("short_axis",))
        if self.ultrasound and (brains or self.short_axis):
            text = "ultrasound beside other subjects; allowed: ultrasound alone"
            raise problem(text, at=("ultrasound",))
        return self
