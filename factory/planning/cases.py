"""Recipe -> cases: sweeps, distributions and seeds. The only place that draws random parameters.

Every draw is a function of the recipe's seed and of the identity of what is drawn (group, subject,
variant, replicate), never of a position in a list: adding a grade, a group or a subject leaves all
other cases as they were.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from factory.acquisition import section as acquisition_section
from factory.acquisition.reference import brightness
from factory.anatomy.edits.registry import of, operator_class
from factory.config.conditions import holds, names_in
from factory.config.parameters import SWEEPS, extremes, word_of
from factory.errors import RecipeError
from factory.planning.draws import draw, rng, seed_of
from factory.planning.groups import Part, parts, subjects_in
from factory.planning.sweeps import Axis, Variant, axes, fill, full_name, size, variant
from factory.schema.label_table import labels_of
from factory.schema.render_recipe import Recipe
from factory.subjects.catalogue import grid_shape


@dataclass(frozen=True)
class Case:
    """One sample to be, as plain JSON: from it alone the sample can be made again.

    id: "<group>/<subject id>/<variant>/<replicate>", the case's identity; a recipe without groups
        leaves the first out.
    subject: {"source": "phantom" | "bids" | "nifti", "id": str, and what the source needs to load
        it: for a phantom gestational_age_weeks and seed, for files path, rec, mapping, ...}.
    variant: the swept values in words, e.g. "grade=2"; "" where nothing is swept.
    edits: [{"dilate_ventricles": {"radius_mm": 3.0, "into": ["white_matter"]}}, ...] in order,
        without those that `when` switches off; the recipe's second of an operator has beside it
        {"as": "dilate_ventricles_2"}, what its columns are named after.
    appearance: {"model": str, "fuse": "mean" | "closest_two" | {"reject_outliers": {"m": 0.5}},
        "style_seed": int, "uncertainty": bool, "original": bool}, and {"mixed_precision": True}
        where that is asked for.
    grid: {"shape": [z, y, x], "spacing_mm": float}, what is rendered and stored.
    requested: the drawn and swept parameters by column name, scalars (grade, radius_mm, ..., an
        axis as rotation_degrees_z); those of an edit that is switched off are left out. A column
        has one name in a whole recipe.
    group: the group's name, "" in a recipe without.
    labels: those of the dataset beside FETA's, in order of their values: {"name": "lesion",
        "looks_like": "white_matter"}, the tissue as which they are painted; where there are none,
        the JSON has no such key.
    acquisition: {"scanner": str, "labels": "volume" | "stack", "parameters": what
        factory.acquisition.acquire takes, "seed": int}; {} in a recipe without, and then not in
        the JSON.
    gate: {"model": str, "tries": int, "structures": {"ventricles": {"dice": 0.85}, ...}}; likewise.
    """

    id: str
    subject: dict[str, Any]
    variant: str
    replicate: int
    edits: list[dict[str, Any]]
    appearance: dict[str, Any]
    grid: dict[str, Any]
    requested: dict[str, Any]
    group: str = ""
    labels: list[dict[str, str]] = field(default_factory=list)
    acquisition: dict[str, Any] = field(default_factory=dict)
    gate: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces; the same case gives the same bytes."""
        plain = dict(vars(self))
        for optional in ("labels", "acquisition", "gate"):
            if not plain[optional]:
                del plain[optional]
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> "Case":
        return Case(**json.loads(text))


def cases(recipe: Recipe, start: int = 0) -> Iterator[Case]:
    """The recipe's cases from index `start` on, lazily: groups, then subjects, then variants, then
    replicates.

    Raises SubjectError where subjects cannot be listed or read, RecipeError for repeated ids and
    for a condition on what is not known of a subject.
    """
    return (make() for make in makers(recipe, start))


def makers(recipe: Recipe, start: int = 0) -> Iterator[Callable[[], Case]]:
    """What makes each of the cases. One that is passed over costs next to nothing.

    Raises as `cases`, of subjects at once.
    """
    replicates = recipe.spec.replicates
    grid = {"shape": list(grid_shape(recipe)), "spacing_mm": recipe.spec.output.spacing_mm}
    labels = labels_of(recipe.spec)
    every = parts(recipe)
    columns = recipe_columns(every)

    def make(part: Part, sweeps: list[Axis], subject: dict[str, Any], index: int) -> Case:
        chosen, replicate = variant(sweeps, index // replicates), index % replicates
        filling = Filling(recipe, part, subject, chosen, replicate, columns)
        return filling.case(grid, labels)

    for part in every:
        sweeps = axes(part.template)
        each = size(sweeps) * replicates
        skipped = min(start // each, part.count)
        start -= skipped * each
        for subject in subjects_in(recipe, part, skipped):
            for index in range(start, each):
                yield partial(make, part, sweeps, subject, index)
            start = 0


def count_cases(recipe: Recipe) -> int:
    """How many cases there are, without making them. Raises as `cases` does."""
    return sum(part.count * cases_each(recipe, part) for part in parts(recipe))


def cases_each(recipe: Recipe, part: Part) -> int:
    """How many cases a subject of a part gives."""
    return size(axes(part.template)) * recipe.spec.replicates


@dataclass(frozen=True)
class Filling:
    """One case in the making: an identity, and the template it fills."""

    recipe: Recipe
    part: Part
    subject: dict[str, Any]
    variant: Variant
    replicate: int
    columns: dict[str, str]

    @property
    def who(self) -> str:
        """The subject as draws know it."""
        group, id = self.part.group, str(self.subject["id"])
        return f"{group}/{id}" if group else id

    def case(self, grid: dict[str, Any], labels: list[dict[str, str]]) -> Case:
        seed, who = self.recipe.spec.seed, self.who
        filled = fill(self.part.template, self.value)
        subject = self.subject
        if subject["source"] == "phantom":
            subject = subject | filled["subject"] | {"seed": seed_of(seed, who, "phantom")}
        age = subject.get("gestational_age_weeks")
        known = {} if age is None else {"gestational_age_weeks": age}
        edits, numbers = self.edits(filled["anatomy"], known)
        words = ",".join(f"{k}={_text(v)}" for k, v in sorted(_columns(self.variant).items()))
        style = {"style_seed": seed_of(seed, who, self.replicate, "style")}
        scan = filled.get("acquisition")
        numbers |= acquisition_section.numbers(scan or {})
        return Case(
            id=f"{who}/{words}/{self.replicate}",
            subject=subject,
            variant=words,
            replicate=self.replicate,
            edits=edits,
            appearance=filled["appearance"] | style,
            grid=grid,
            requested=known | {self.columns[name]: value for name, value in numbers.items()},
            group=self.part.group,
            labels=labels,
            acquisition=self.acquisition(scan) if scan else {},
            gate=gate.of_case() if (gate := self.recipe.spec.gate) else {},
        )

    def acquisition(self, section: dict[str, Any]) -> dict[str, Any]:
        """The scan of this case: a section of which every parameter has its value."""
        parameters = {key: section[key] for key in acquisition_section.DEFECTS if key in section}
        if "histogram" in parameters:
            parameters["histogram"] = {"values": brightness(**parameters["histogram"])}
        identity = (self.who, sorted(self.variant.items()), self.replicate, "acquisition")
        return {
            **({"scanner": section["scanner"]["name"]} if "scanner" in section else {}),
            "labels": section["labels"],
            "parameters": parameters,
            "seed": seed_of(self.recipe.spec.seed, *identity),
        }

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
        return draw(word, node[word], rng(self.recipe.spec.seed, *identity))

    def edits(
        self, anatomy: list[dict[str, Any]], known: dict[str, float]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The edits that are carried out, and every number of them as asked and as carried out."""
        values = known | {"replicate": self.replicate}
        done: list[dict[str, Any]] = []
        numbers: dict[str, Any] = {}
        for index, edit in enumerate(anatomy):
            operator, given = of(edit)
            kind = operator_class(operator)
            if "when" not in edit or self.holds(edit["when"], values):
                run = kind.carried_out(given)
                numbers |= edit_numbers(index, anatomy, self.part.template["anatomy"])
                if kind.random:
                    place = full_name(("anatomy", index, operator, "seed"), anatomy)
                    identity = (self.who, sorted(self.variant.items()), self.replicate, place)
                    run = run | {"seed": seed_of(self.recipe.spec.seed, *identity)}
                own = full_name(("anatomy", index, operator), anatomy)
                named = {} if own == operator else {"as": own}
                done.append({operator: {k: _listed(v) for k, v in run.items()}, **named})
                if age := kind.reaches_weeks(given):
                    values["gestational_age_weeks"] = age
            values |= {key: value for key, value in given.items() if _is_number(value)}
        return done, numbers

    def holds(self, condition: str, values: dict[str, float]) -> bool:
        if missing := sorted(names_in(condition) - values.keys()):
            raise RecipeError(
                f"{self.recipe.source}: when: {condition}: "
                f"{', '.join(missing)} of subject {self.subject['id']} is not known"
            )
        return holds(condition, values)


def edit_numbers(
    index: int, anatomy: list[dict[str, Any]], template: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Every number of a filled edit, as asked and as carried out, by its full name; of words and
    of lists what was swept or drawn, as the edit's template says."""
    operator, given = of(anatomy[index])
    _, asked = of(template[index])
    found: dict[tuple[str | int, ...], Any] = {}
    for key, value in {**given, **operator_class(operator).carried_out(given)}.items():
        node = asked.get(key)
        if _is_number(value) or word_of(node) is not None:
            found[(key,)] = value
        elif isinstance(node, tuple | list):
            found |= {(key, i): value[i] for i, v in enumerate(node) if word_of(v) is not None}
    return {full_name(("anatomy", index, operator, *at), anatomy): v for at, v in found.items()}


def recipe_columns(every: list[Part]) -> dict[str, str]:
    """Columns by full parameter name: of every group, and of edits that `when` may switch off,
    so that one number never has two columns in a dataset."""
    names: dict[str, Any] = {}
    for part in every:
        filled = fill(part.template, lambda _, __, node: extremes(node)[0])
        for index in range(len(filled["anatomy"])):
            names |= edit_numbers(index, filled["anatomy"], part.template["anatomy"])
        names |= acquisition_section.numbers(filled.get("acquisition", {}))
    return {name: column for column, name in _columns({name: name for name in names}).items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    """Full parameter names to short ones: the last word where no other parameter has it."""
    last = [
        acquisition_section.column(name)
        if name.startswith("acquisition.")
        else name.rpartition(".")[2]
        for name in values
    ]
    return {
        word if last.count(word) == 1 else name.replace(".", "_"): value
        for word, (name, value) in zip(last, values.items(), strict=True)
    }


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value)
