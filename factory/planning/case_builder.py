"""Build one case from its identity and the template of its group."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from factory.acquisition import section as acquisition_section
from factory.acquisition.reference import brightness_quantiles
from factory.anatomy.edits.registry import OPERATORS, split_edit
from factory.case import (
    AddedLabel,
    Case,
    CaseAcquisition,
    CaseAppearance,
    CaseEdit,
    CaseGate,
    CaseGrid,
    CaseTable,
)
from factory.config.conditions import condition_names, evaluate_condition
from factory.config.document import KeyPath, dotted_key
from factory.config.sweep_keywords import SWEEPS
from factory.errors import RecipeError
from factory.families.contrast import columns as contrast_columns
from factory.planning.columns import edit_numbers, is_number, short_names
from factory.planning.draws import draw_value
from factory.planning.groups import CaseGroup
from factory.planning.sweeps import Variant, fill_template, full_name
from factory.schema.measures import measures_to_json
from factory.schema.render_recipe import Recipe
from factory.seeding import derive_seed, random_generator
from factory.storage.json_value import JsonObject, JsonValue
from factory.subjects.registry import SOURCES


@dataclass(frozen=True)
class CaseBuilder:
    """The identity of one case, and the template that it fills.

    Attributes:
        recipe: The recipe.
        group: The group and source of the subject, with the template.
        subject: The record of the subject.
        variant: The swept values by full parameter name.
        replicate: The number of the repetition, from 0.
        columns: The table columns by full parameter name.
    """

    recipe: Recipe
    group: CaseGroup
    subject: JsonObject
    variant: Variant
    replicate: int
    columns: dict[str, str]

    @property
    def who(self) -> str:
        """The identity of the subject for random draws."""
        group, id = self.group.group, str(self.subject["id"])
        return f"{group}/{id}" if group else id

    def case(self, grid: CaseGrid, labels: tuple[AddedLabel, ...], table: CaseTable | None) -> Case:
        """Build the case.

        Args:
            grid: The voxel grid of the dataset.
            labels: The labels that the recipe adds.
            table: The dataset's label table, where it is not that of a built-in kind of subjects.

        Raises:
            RecipeError: A condition uses a value that the subject does not have.
        """
        seed, who = self.recipe.spec.seed, self.who
        filled = fill_template(self.group.template, self.value)
        subject = self.subject
        if SOURCES[(source := subject["source"])].is_seeded:
            subject = subject | filled.subject | {"seed": derive_seed(seed, who, source)}
        age = subject.get("gestational_age_weeks")
        ages = {} if age is None else {"gestational_age_weeks": age}
        edits, numbers = self.edits(filled.anatomy, known_values(subject))
        swept_values = sorted(short_names(self.variant).items())
        variant = ",".join(f"{name}={_value_text(value)}" for name, value in swept_values)
        style_seed = derive_seed(seed, who, self.replicate, "style")
        numbers |= contrast_columns.contrast_numbers(filled.appearance.get("contrast"))
        numbers |= acquisition_section.filled_numbers(filled.acquisition)
        gate = self.recipe.spec.gate
        return Case(
            id=f"{who}/{variant}/{self.replicate}",
            subject=subject,
            variant=variant,
            replicate=self.replicate,
            edits=edits,
            appearance=CaseAppearance(**filled.appearance, style_seed=style_seed),
            grid=grid,
            requested=ages
            | filled.subject
            | {self.columns[name]: value for name, value in numbers.items()},
            group=self.group.group,
            labels=labels,
            acquisition=self.acquisition(filled.acquisition) if filled.acquisition else None,
            gate=CaseGate(gate.model, gate.tries, gate.structures) if gate else None,
            table=table,
            measures=measures_to_json(self.recipe.spec.measures),
            shows_source=self.recipe.spec.has_group_subjects,
        )

    def acquisition(self, section: JsonObject) -> CaseAcquisition:
        """Return the acquisition of this case from a filled section."""
        parameters = {key: section[key] for key in acquisition_section.DEFECTS if key in section}
        if "histogram" in parameters:
            parameters["histogram"] = {"values": brightness_quantiles(**parameters["histogram"])}
        identity = (self.who, sorted(self.variant.items()), self.replicate, "acquisition")
        return CaseAcquisition(
            labels=section["labels"],
            parameters=parameters,
            seed=derive_seed(self.recipe.spec.seed, *identity),
            scanner=section["scanner"]["name"] if "scanner" in section else None,
        )

    def value(self, name: str, keyword: str, node: JsonObject) -> JsonValue:
        """Return the value of a parameter: the swept one, or a draw for its identity."""
        if keyword in SWEEPS:
            return self.variant[name]
        # a draw for the subject is the same in all its variants and replicates, and one for the
        # appearance in all its variants, as the seed of the style is
        identity: tuple[JsonValue, ...] = (self.who, name)
        if name.startswith("appearance."):
            identity = (self.who, self.replicate, name, self.variant.get(name))
        elif not name.startswith("subject."):
            identity = (self.who, sorted(self.variant.items()), self.replicate, name)
        elif name in self.variant:  # except for the several draws of `count`
            identity = (self.who, name, self.variant[name])
        return draw_value(
            keyword, node[keyword], random_generator(self.recipe.spec.seed, *identity)
        )

    def edits(
        self, anatomy: Sequence[JsonObject], values: dict[str, float | str]
    ) -> tuple[tuple[CaseEdit, ...], dict[str, JsonValue]]:
        """Return the edits that take place, and their numbers by full parameter name.

        The numbers are those of the recipe and those that the edits derive from them.

        Args:
            anatomy: The filled edits of the template.
            values: What conditions may use before the first edit: numbers and covariates by name.
        """
        values = values | {"replicate": self.replicate}
        edits: list[CaseEdit] = []
        numbers: dict[str, JsonValue] = {}
        for index, edit in enumerate(anatomy):
            name, parameters = split_edit(edit)
            operator = OPERATORS[name]
            if "when" not in edit or self.holds(index, edit["when"], values):
                applied = operator.resolve_parameters(parameters)
                numbers |= edit_numbers(index, anatomy, self.group.template.anatomy)
                if operator.random:
                    place = full_name(("anatomy", index, name, "seed"), anatomy)
                    identity = (self.who, sorted(self.variant.items()), self.replicate, place)
                    applied = applied | {"seed": derive_seed(self.recipe.spec.seed, *identity)}
                plain = {key: _tuple_as_list(value) for key, value in applied.items()}
                prefix = full_name(("anatomy", index, name), anatomy)
                edits.append(CaseEdit(name, plain, prefix))
                if age := operator.max_age_weeks(parameters):
                    values["gestational_age_weeks"] = age
            values |= {key: value for key, value in parameters.items() if is_number(value)}
        return tuple(edits), numbers

    def holds(self, index: int, condition: str, values: dict[str, float | str]) -> bool:
        """Return whether the condition of an edit, by its index in the template, is true of values.

        Raises:
            RecipeError: The condition uses a value that the subject does not have.
        """
        if missing := sorted(condition_names(condition) - values.keys()):
            raise RecipeError(
                f"{self._condition_place(index)}: value {condition}; "
                f"{', '.join(missing)} of subject {self.subject['id']} is not known; allowed: a "
                "value for every subject, in the table of participants or the names of the files"
            )
        try:
            return evaluate_condition(condition, values)
        except TypeError:
            raise RecipeError(
                f"{self._condition_place(index)}: value {condition}; of subject "
                f"{self.subject['id']} it compares text with numbers; allowed: numbers with "
                "numbers, and text by == and !="
            ) from None

    def _condition_place(self, index: int) -> str:
        """Return file, line, column and key of the condition of an edit of the template."""
        common = len(self.recipe.spec.anatomy)
        path: KeyPath = ("anatomy", index, "when")
        if index >= common:
            path = ("groups", self.group.group, "anatomy", index - common, "when")
        return f"{self.recipe.places.get(path, self.recipe.source)}: {dotted_key(path)}"


def known_values(subject: JsonObject) -> dict[str, float | str]:
    """Return what conditions may use of a subject's record: its covariates and its age."""
    age = subject.get("gestational_age_weeks")
    ages = {} if age is None else {"gestational_age_weeks": age}
    return {**subject.get("covariates", {}), **ages}


def _tuple_as_list(value: JsonValue) -> JsonValue:
    return list(value) if isinstance(value, tuple) else value


def _value_text(value: JsonValue) -> str:
    """Return a value for the id of a case; 2.0 and 2 give the same text."""
    if isinstance(value, str):
        return value
    is_integer = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if is_integer else value)
