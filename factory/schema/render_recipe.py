"""What a render recipe may say.

Units stand in the names. Ages are weeks of gestation, lengths mm, arrays [z, y, x]. Loading
and its messages are in factory/config/loading.py; what a parameter may be in
factory/config/parameters.py; the edits of label maps in factory/anatomy/edits/.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from factory.acquisition.section import Acquisition
from factory.anatomy.edits.registry import Edit, number_names
from factory.config.conditions import check
from factory.config.document import Document
from factory.config.loading import Loaded, load
from factory.config.section import Section, allowed, problem
from factory.config.types import Count, Seed, Text
from factory.planning.sweeps import check_zips
from factory.schema.appearance import Appearance
from factory.schema.gate import Gate
from factory.schema.label_table import check_labels
from factory.schema.output import Output
from factory.schema.scanners import with_scanner
from factory.subjects.interpolation_section import Interpolate
from factory.subjects.latents_section import DrawnLatents, check_latents
from factory.subjects.section import Subjects
from factory.subjects.ultrasound import check_plane


def _percent(value: float | str) -> float:
    """30, "30 %" or "30%" as 30.0."""
    number = float(value.removesuffix("%")) if isinstance(value, str) else float(value)
    if not 0 <= number <= 100:
        raise ValueError("not a share")
    return number


Share = Annotated[
    float | Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,9})? ?%$")],
    AfterValidator(_percent),
    allowed("a share such as 30 %, from 0 to 100 %"),
]
GroupName = Annotated[
    str,
    Field(pattern="^[A-Za-z][A-Za-z0-9_-]{0,39}$"),
    allowed("a name of letters, digits, - and _"),
]


class Group(Section):
    """A share of the subjects, and what is done to them after the edits of the recipe itself."""

    share: Share
    anatomy: tuple[Edit, ...] = ()


class RenderRecipe(Section):
    """Subjects × sweeps × replicates, rendered into one dataset; or, instead of subjects, what a
    trained StyleGAN2 draws from its latents, with its own image unless `appearance` paints it."""

    include: Text | tuple[Text, ...] | None = None
    seed: Seed
    subjects: Subjects = Subjects.model_construct()  # none; DrawnLatents stand in for them
    latents: DrawnLatents | None = None
    interpolate: Interpolate | None = None
    anatomy: tuple[Edit, ...] = ()
    groups: dict[GroupName, Group] | None = None
    appearance: Appearance | None = None
    gate: Gate | None = None
    acquisition: Acquisition | None = None
    replicates: Count = 1
    output: Output

    @classmethod
    def prepared(cls, document: Document, folder: Path) -> Document:
        return with_scanner(document, folder)

    @model_validator(mode="before")
    @classmethod
    def _no_training(cls, data: Any) -> Any:
        if isinstance(data, dict) and "family" in data:
            raise problem("a train recipe; allowed: a render recipe", at=("family",))
        return data

    @property
    def model(self) -> str:
        """The model that makes images, by its name or folder."""
        if self.appearance is not None:
            return self.appearance.model
        assert self.latents is not None
        return self.latents.model

    @property
    def fusion(self) -> str | None:
        """The trained fusion it names, if any."""
        return self.appearance.fusion if self.appearance else None

    @model_validator(mode="after")
    def _whose(self) -> "RenderRecipe":
        check_latents(self)
        return self

    @model_validator(mode="after")
    def _shares(self) -> "RenderRecipe":
        if self.groups is None:
            return self
        if not self.groups:
            raise problem("value {value}; allowed: at least one group", {}, at=("groups",))
        total = sum(float(group.share) for group in self.groups.values())
        if not 99 <= total <= 101:  # thirds may be written as 33 %
            raise problem(f"the shares add to {total:g} %; allowed: 100 %", at=("groups",))
        return self

    @model_validator(mode="after")
    def _conditions_and_zips(self) -> "RenderRecipe":
        spec = self.model_dump(exclude_none=True)
        for group in self.groups or ("",):
            check_zips(spec, group)
            known = {"gestational_age_weeks", "replicate"}
            _check_conditions(self.anatomy, ("anatomy",), known)
            if self.groups:
                own = self.groups[group].anatomy
                _check_conditions(own, ("groups", group, "anatomy"), known)
        return self

    @model_validator(mode="after")
    def _labels(self) -> "RenderRecipe":
        check_labels(self)
        return self

    @model_validator(mode="after")
    def _originals(self) -> "RenderRecipe":
        nifti = self.subjects.nifti
        if self.output.original and (self.subjects.phantom or (nifti and nifti.images is None)):
            source = "phantom" if self.subjects.phantom else "nifti without images"
            text = f"value true; subjects.{source} has no image to carry along; allowed: false"
            raise problem(text, at=("output", "original"))
        return self

    @model_validator(mode="after")
    def _ultrasound(self) -> "RenderRecipe":
        if self.subjects.ultrasound:
            check_plane(self)
        return self

    @model_validator(mode="after")
    def _hearts(self) -> "RenderRecipe":
        if self.interpolate and not self.subjects.short_axis:
            raise problem("allowed: with subjects.short_axis", at=("interpolate",))
        if self.interpolate and self.output.original:
            text = "value true; an interpolated subject has no image; allowed: false"
            raise problem(text, at=("output", "original"))
        if self.subjects.short_axis and self.output.uncertainty:
            text = "value true; hearts are painted in one direction alone; allowed: false"
            raise problem(text, at=("output", "uncertainty"))
        return self


def _check_conditions(edits: tuple[Edit, ...], at: tuple[str, ...], known: set[str]) -> None:
    """Each condition speaks of what is known before its edit; adds what the edits make known."""
    for index, edit in enumerate(edits):
        if edit.when is not None:
            check(edit.when, known, (*at, index, "when"))
        known |= number_names(edit)


Recipe = Loaded[RenderRecipe]


def load_recipe(file: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A render recipe with its --set overrides. Raises RecipeError, one line."""
    return load(file, RenderRecipe, overrides)
