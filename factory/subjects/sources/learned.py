"""The source `learned`: individuals of an anatomy generator, which learned them from people."""

import functools
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypedDict, cast

from pydantic import Field

from factory.config.parameters import Number, extremes
from factory.config.phrases import parameter_text
from factory.config.section import Section, allowed, problem
from factory.config.types import Count, Text, Weeks
from factory.errors import RecipeError
from factory.lookup import CARD, find_model
from factory.storage.json_value import JsonObject
from factory.storage.subjects.records import Record
from factory.storage.subjects.short_axis import HEART
from factory.storage.subjects.types import FETA, Grid, LabelTable, Subject
from factory.subjects.source import Extent, Source
from factory.text import count_text, join_names
from factory.training.tables import card_table

if TYPE_CHECKING:
    from factory.families.anatomy.sampling import AnatomySampler

AGE = "gestational_age_weeks"
KEY = "subjects.learned.model"
BEYOND_WEEKS = 2.0
"""How far beyond the ages that a model has seen its individuals may be."""

Variation = Annotated[float, Field(ge=0, le=2), allowed("0 to 2; individuals differ by this")]


class Learned(Section):
    """Individuals of an anatomy generator.

    Attributes:
        model: The name or the folder of the model.
        count: How many individuals.
        gestational_age_weeks: Their ages, for a model of ages.
        variation: How much they differ at one age; 1 is what the model has learned.
        phase: Their cardiac phase, for a model of phases.
    """

    model: Text
    count: Count
    gestational_age_weeks: Number[Weeks] | None = None
    variation: Variation = 1.0
    phase: Text | None = None


class LearnedRecord(TypedDict):
    """An individual, enough to draw it again."""

    source: str
    id: str
    model: str
    variation: float
    seed: int


class LearnedSource(Source):
    """Individuals that an anatomy generator draws."""

    name: ClassVar[str] = "learned"
    Section: ClassVar[type[Section]] = Learned
    is_listed: ClassVar[bool] = False
    is_seeded: ClassVar[bool] = True
    model_keys: ClassVar[tuple[str, ...]] = ("model",)

    def count(self, section: Learned) -> int:
        """Return the section's count."""
        return section.count

    def record(self, section: Learned, index: int, group: str, seed: int) -> Record:
        """Return the record at an index, within its group."""
        prefix = f"learned-{group}" if group else "learned"
        return {
            "source": self.name,
            "id": f"{prefix}-{index:04d}",
            "model": section.model,
            "variation": section.variation,
            **({"phase": section.phase} if section.phase else {}),
        }

    def parameters(self, section: JsonObject) -> JsonObject:
        """Return the gestational age, which is drawn for each individual that has one."""
        return {AGE: section[AGE]} if section.get(AGE) is not None else {}

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        """Draw the individual of a record; without a spacing at 1 mm."""
        from factory.families.anatomy.drawing import draw_labels
        from factory.families.anatomy.sampling import mirror_label

        entry = cast(LearnedRecord, record)
        sampler, spacing = load_anatomy_sampler(entry["model"]), spacing_mm or 1.0
        age = record.get(AGE)
        phase = record.get("phase")
        individual = sampler.draw(entry["seed"], age, entry["variation"], phase)
        label = draw_labels(individual, sampler.model.lattice, spacing)
        if sampler.is_mirrored(entry["seed"]):
            label = mirror_label(label, sampler.table)
        z, y, x = label.shape
        grid = Grid.centred((z, y, x), (spacing, spacing, spacing))
        values: JsonObject = {AGE: age, "phase": phase}
        metadata = {key: value for key, value in values.items() if value is not None}
        return Subject(entry["id"], label, grid, learned_table(entry["model"]), None, metadata)

    def table(self, section: Learned) -> LabelTable:
        """Return the label table of the section's model."""
        return learned_table(section.model)

    def has_own_table(self, section: Learned) -> bool:
        """Whether its labels are those of the model, and not of a built-in kind."""
        return learned_table(section.model) not in (FETA, HEART)

    def extents_mm(
        self, section: Learned, records: Sequence[Record], to_weeks: float
    ) -> Iterable[Extent]:
        """Return sizes that hardly any individual exceeds, at the least and the greatest age."""
        sampler = load_anatomy_sampler(section.model)
        ages: list[float | None] = [*self.ages(section, records)] or [None]
        return [
            sampler.largest_extent_mm(
                None if age is None else max(age, to_weeks), section.variation, section.phase
            )
            for age in dict.fromkeys(ages)
        ]

    def ages(self, section: Learned, records: Sequence[Record]) -> list[float]:
        """Return the least and the greatest age that the section allows."""
        age = section.model_dump()[AGE]
        return [] if age is None else [min(extremes(age)), max(extremes(age))]

    def check(self, recipe: Any) -> None:
        """Raise the error of a validator where ages or a phase are not those of the model."""
        for pooled in recipe.pooled_sources:
            if pooled.source is self:
                _check_phase(pooled.section, (*pooled.path, "phase"))
                _check_ages(pooled.section, (*pooled.path, AGE))

    def lacks_images(self, section: Learned) -> str:
        """Return "learned": its individuals have no images."""
        return self.name

    def describe(self, section: JsonObject, total: int) -> str:
        """Say how many individuals which model draws, and of which age."""
        text = f"{count_text(total, 'individual')} drawn by {section['model']}"
        if section.get(AGE) is not None:
            text += f", gestational age {parameter_text(section[AGE], 'weeks')}"
        return f"{text}."

    def origin(self, section: JsonObject) -> str:
        """Name the model and its licence."""
        card = learned_card(section["model"])
        return f"drawn by {section['model']}, an anatomy generator ({card.get('licence')})"


SOURCE = LearnedSource()


def _check_phase(section: Learned, at: tuple[str, ...]) -> None:
    """Check the phase of a section; `at` is where it stands in the recipe."""
    phases = sorted(set(learned_card(section.model)["config"].get("phases", ())))
    if section.phase in (phases or [None]):
        return
    words = f"one of {join_names(phases)}" if phases else "no phase, since it knows none"
    value = f"value {section.phase}" if section.phase else "missing"
    raise problem(f"{value}; allowed: {words}", at=at)


def _check_ages(section: Learned, at: tuple[str, ...]) -> None:
    """Check the ages of a section; `at` is where they stand in the recipe."""
    seen = learned_card(section.model)["training"].get(AGE)
    ages = SOURCE.ages(section, ())
    if seen is None and ages:
        text = "given, but {model} knows no ages; allowed: without"
        raise problem(text, at=at, model=section.model)
    if seen is None:
        return
    low, high = max(20.0, seen[0] - BEYOND_WEEKS), min(38.0, seen[1] + BEYOND_WEEKS)
    if ages and low <= min(ages) and max(ages) <= high:
        return
    text = f"allowed: {low:g} to {high:g} weeks, since {section.model} learned "
    text += f"{seen[0]:g} to {seen[1]:g}"
    if not ages:
        raise problem(f"missing; {text}", at=at)
    low_age, high_age = min(ages), max(ages)
    value = f"{low_age:g}" if low_age == high_age else f"{low_age:g} to {high_age:g}"
    raise problem(f"value {value}; {text}", at=at)


def learned_card(model: str) -> JsonObject:
    """Read the card of an anatomy generator.

    Raises:
        RecipeError: There is no such model, or it is none.
    """
    file = find_model(model, KEY) / CARD
    try:
        card: JsonObject = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{KEY}: {file}: cannot be read: {error}") from None
    family = card.get("family") if isinstance(card, dict) else None
    if family != "anatomy":
        raise RecipeError(
            f"{KEY}: value {model}, a model of the family {family}; allowed: a model of the "
            "family anatomy"
        )
    return card


def learned_table(model: str) -> LabelTable:
    """Return the label table of an anatomy generator; the built-in one of the same labels."""
    table = card_table(learned_card(model))
    return next((built_in for built_in in (FETA, HEART) if built_in.names == table.names), table)


@functools.lru_cache(maxsize=2)
def load_anatomy_sampler(model: str) -> "AnatomySampler":
    """Load the anatomy generator of a recipe."""
    from factory.families.anatomy.model_files import load_anatomy
    from factory.families.anatomy.sampling import AnatomySampler

    learned_card(model)
    return AnatomySampler(load_anatomy(find_model(model, KEY)))
