"""Parameters of the edits that take tissue away, widen what surrounds it, or put a lesion in it."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from factory.anatomy.edits.operator import Operator
from factory.config.parameters import Number, Option, extremes
from factory.config.section import allowed, one_of, problem
from factory.config.types import TISSUES, Millilitres, Share, Tissue
from factory.storage.subjects.types import CALLOSUM, FETA
from factory.text import listed

GAINS = ("external_csf", "white_matter")
TAKEN = (*FETA.names, CALLOSUM, "lateral_ventricles", "requested")
"""Names that no lesion may have: there are columns volume_ml_<name>, and requested_<parameter>."""

Thickness = Annotated[float, Field(ge=0.3, le=6), allowed("0.3 to 6 mm")]
Fissure = Annotated[float, Field(ge=0, le=20), allowed("0 to 20 mm")]
Wider = Annotated[float, Field(ge=0, le=15), allowed("0 to 15 mm")]
Number20 = Annotated[int, Field(ge=1, le=20), allowed("a whole number from 1 to 20")]
Roughness = Annotated[float, Field(ge=1, le=20), allowed("1 to 20 mm")]
Brightness = Annotated[float, Field(ge=0, le=3), allowed("0 to 3")]
LabelName = Annotated[
    str,
    Field(pattern="^[a-z][a-z0-9_]{0,39}$"),
    allowed("a name of small letters, digits and _"),
]


class CorticalThinning(Operator):
    """Cortical grey matter thinned by a share of itself, or to a mean thickness_mm.

    gains: what it becomes, external_csf (from outside) or white_matter (from inside).
    """

    function: ClassVar[str] = "factory.anatomy.edits.cortical_thinning.edit:cortical_thinning"
    seconds_per_megavoxel: ClassVar[float] = 0.15

    share: Number[Share] | None = None
    thickness_mm: Number[Thickness] | None = None
    gains: Annotated[Literal["external_csf", "white_matter"], one_of(GAINS)] = "external_csf"

    @model_validator(mode="after")
    def _one(self) -> "CorticalThinning":
        if (self.share is None) == (self.thickness_mm is None):
            both = self.share is not None
            text = "both share and thickness_mm are given" if both else "no share, no thickness_mm"
            raise problem(f"{text}; allowed: share, or thickness_mm")
        return self


class CorpusCallosumAgenesis(Operator):
    """The corpus callosum missing over a share of its length, from behind.

    A fissure fissure_mm wide takes its place at the midline, white matter beyond.
    """

    function: ClassVar[str] = (
        "factory.anatomy.edits.corpus_callosum_agenesis.edit:corpus_callosum_agenesis"
    )
    seconds_per_megavoxel: ClassVar[float] = 0.02
    needs: ClassVar[tuple[str, ...]] = (CALLOSUM,)

    share: Number[Share] = 1.0
    fissure_mm: Number[Fissure] = 4.0


class ExternalCsf(Operator):
    """The subarachnoid space wider by wider_mm, outwards: the head grows."""

    function: ClassVar[str] = "factory.anatomy.edits.external_csf.edit:external_csf"
    seconds_per_megavoxel: ClassVar[float] = 0.1

    wider_mm: Number[Wider]

    @classmethod
    def grows_mm(cls, values: dict[str, Any]) -> float:
        return max(extremes(values["wider_mm"]))


class Lesion(Operator):
    """Blobs of a label of their own, of volume_ml together, grown inside some tissues.

    looks_like: the tissue as which the painter paints them, by default the first of `inside`;
    intensity: how bright the image then is there, as a factor.
    """

    function: ClassVar[str] = "factory.anatomy.edits.lesion.edit:lesion"
    seconds_per_megavoxel: ClassVar[float] = 0.1
    random: ClassVar[bool] = True

    name: LabelName = "lesion"
    inside: tuple[Tissue, ...]
    volume_ml: Number[Millilitres]
    number: Option[Number20] = 1
    smoothness_mm: Number[Roughness] = 4.0
    looks_like: Tissue | None = None
    intensity: Number[Brightness] = 1.0

    @model_validator(mode="after")
    def _consistent(self) -> "Lesion":
        if not self.inside or len(set(self.inside)) < len(self.inside):
            text = "value {value}; allowed: a list, without repeats, of {names}"
            raise problem(text, self.inside, at=("inside",), names=listed(TISSUES))
        if self.name in TAKEN:
            text = "value {value}; allowed: none of {names}"
            raise problem(text, self.name, at=("name",), names=listed(TAKEN))
        return self

    @property
    def painted_as(self) -> str:
        return self.looks_like or self.inside[0]

    @classmethod
    def carried_out(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "looks_like": values.get("looks_like", values["inside"][0])}
