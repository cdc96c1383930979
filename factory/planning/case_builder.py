"""One case in the making."""

import json
from dataclasses import dataclass
from typing import Any

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
)
from factory.config.conditions import condition_names, evaluate_condition
from factory.config.sweep_keywords import SWEEPS
from factory.errors import RecipeError
from factory.planning.columns import _columns, _is_number, edit_numbers
from factory.planning.draws import draw_value
from factory.planning.groups import CaseGroup
from factory.planning.sweeps import Variant, fill_template, full_name
from factory.schema.render_recipe import Recipe
from factory.seeding import derive_seed, random_generator
from factory.storage.json_value import JsonObject
from factory.subjects.registry import SOURCES


@dataclass(frozen=True)
class CaseBuilder:
    """One case in the making: an identity, and the template it fills."""

    recipe: Recipe
    part: CaseGroup
    subject: dict[str, Any]
    variant: Variant
    replicate: int
    columns: dict[str, str]

    @property
    def who(self) -> str:
        """The subject as draws know it."""
        group, id = self.part.group, str(self.subject["id"])
        return f"{group}/{id}" if group else id

    def case(self, grid: CaseGrid, labels: tuple[AddedLabel, ...]) -> Case:
        seed, who = self.recipe.spec.seed, self.who
        filled = fill_template(self.part.template, self.value)
        subject = self.subject
        if SOURCES[(source := subject["source"])].is_seeded:
            subject = subject | filled["subject"] | {"seed": derive_seed(seed, who, source)}
        age = subject.get("gestational_age_weeks")
        known = {} if age is None else {"gestational_age_weeks": age}
        edits, numbers = self.edits(filled["anatomy"], known)
        words = ",".join(f"{k}={_text(v)}" for k, v in sorted(_columns(self.variant).items()))
        style_seed = derive_seed(seed, who, self.replicate, "style")
        scan = filled.get("acquisition")
        numbers |= acquisition_section.filled_numbers(scan or {})
        gate = self.recipe.spec.gate
        return Case(
            id=f"{who}/{words}/{self.replicate}",
            subject=subject,
            variant=words,
            replicate=self.replicate,
            edits=edits,
            appearance=CaseAppearance(**filled["appearance"], style_seed=style_seed),
            grid=grid,
            requested=known
            | filled["subject"]
            | {self.columns[name]: value for name, value in numbers.items()},
            group=self.part.group,
            labels=labels,
            acquisition=self.acquisition(scan) if scan else None,
            gate=CaseGate(gate.model, gate.tries, gate.structures) if gate else None,
        )

    def acquisition(self, section: JsonObject) -> CaseAcquisition:
        """The scan of this case: a section of which every parameter has its value."""
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

    def value(self, name: str, word: str, node: Any) -> Any:
        """A parameter's value: swept, or drawn for what it belongs to."""
        if word in SWEEPS:
            return self.variant[name]
        # what belongs to the subject is the same in all its variants and replicates
        identity: tuple[Any, ...] = (self.who, name)
        if not name.startswith("subject."):
            identity = (self.who, sorted(self.variant.items()), self.replicate, name)
        elif name in self.variant:  # but for draws that were asked for by `count`
            identity = (self.who, name, self.variant[name])
        return draw_value(word, node[word], random_generator(self.recipe.spec.seed, *identity))

    def edits(
        self, anatomy: list[dict[str, Any]], known: dict[str, float]
    ) -> tuple[tuple[CaseEdit, ...], dict[str, Any]]:
        """The edits that are carried out, and every number of them as asked and as carried out."""
        values = known | {"replicate": self.replicate}
        done: list[CaseEdit] = []
        numbers: dict[str, Any] = {}
        for index, edit in enumerate(anatomy):
            operator, given = split_edit(edit)
            kind = OPERATORS[operator]
            if "when" not in edit or self.holds(edit["when"], values):
                run = kind.resolve_parameters(given)
                numbers |= edit_numbers(index, anatomy, self.part.template["anatomy"])
                if kind.random:
                    place = full_name(("anatomy", index, operator, "seed"), anatomy)
                    identity = (self.who, sorted(self.variant.items()), self.replicate, place)
                    run = run | {"seed": derive_seed(self.recipe.spec.seed, *identity)}
                own = full_name(("anatomy", index, operator), anatomy)
                done.append(CaseEdit(operator, {k: _listed(v) for k, v in run.items()}, own))
                if age := kind.max_age_weeks(given):
                    values["gestational_age_weeks"] = age
            values |= {key: value for key, value in given.items() if _is_number(value)}
        return tuple(done), numbers

    def holds(self, condition: str, values: dict[str, float]) -> bool:
        if missing := sorted(condition_names(condition) - values.keys()):
            raise RecipeError(
                f"{self.recipe.source}: when: {condition}: "
                f"{', '.join(missing)} of subject {self.subject['id']} is not known"
            )
        return evaluate_condition(condition, values)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value)
