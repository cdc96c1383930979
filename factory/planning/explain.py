"""What a recipe will make, before a model is looked for: its cases as a table, or in words."""

import itertools
import json
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any

from factory.acquisition.section import acquisition_columns
from factory.anatomy.edits.registry import split_edit
from factory.case import Case
from factory.config.phrases import parameter_text, value_text
from factory.config.units import unit_of
from factory.lookup import find_recipe
from factory.planning.cases import cases_per_subject, count_cases
from factory.planning.cases import iterate_cases as every_case
from factory.planning.explain_scanner import explain_scan
from factory.planning.grid import grid_shape, voxel_text
from factory.planning.groups import CaseGroup, case_groups
from factory.planning.sweeps import count_variants, sweep_axes
from factory.schema.gate import gate_text
from factory.schema.render_recipe import Recipe, load_recipe
from factory.subjects.registry import SOURCES
from factory.text import count_text

FIRST = 20
"""How many cases a table lists."""

COLUMNS = (
    "group",
    "subject",
    "gestational_age_weeks",
    "variant",
    "replicate",
    "edits",
    "requested",
)


@dataclass(frozen=True)
class Description:
    """What was asked to be said of a recipe.

    sentences: it in words. first: its first cases; samples: how many there are in all.
    """

    samples: int
    sentences: tuple[str, ...] | None = None
    first: tuple[Case, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        said = {} if self.sentences is None else {"explanation": list(self.sentences)}
        rows = {} if self.first is None else {"cases": [_row(case) for case in self.first]}
        return {"samples": self.samples, **said, **rows}

    def lines(self) -> list[str]:
        lines = list(self.sentences or ())
        if self.first is not None:
            hidden = _alike(self.first)
            rows = [_row(case, hidden) for case in self.first]
            names = [name for name in COLUMNS if any(_cell(row[name]) for row in rows)]
            table = [names, *([_cell(row[name]) for name in names] for row in rows)]
            widths = [max(len(row[i]) for row in table) for i in range(len(names))]
            lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
            lines.append(f"{len(rows)} of {self.samples} samples")
        return lines


def describe_recipe(
    name: str,
    overrides: Sequence[str] = (),
    *,
    output: str | None = None,
    cases: bool = False,
    explain: bool = False,
) -> Description:
    """What a recipe will make; needs no model and writes nothing.

    cases: list the first. explain: say it in words. Raises FactoryError, StorageError.
    """
    changes = [*overrides, *([] if output is None else [f"output.path={json.dumps(output)}"])]
    recipe = load_recipe(find_recipe(name), changes)
    return Description(
        count_cases(recipe),
        explain_recipe(recipe) if explain else None,
        tuple(itertools.islice(every_case(recipe), FIRST)) if cases else None,
    )


def explain_recipe(recipe: Recipe) -> tuple[str, ...]:
    """What a recipe will make, in sentences. Raises SubjectError as `cases` does."""
    spec = recipe.spec.model_dump(exclude_none=True)
    every, output = case_groups(recipe), spec["output"]
    z, y, x = grid_shape(recipe)
    return (
        f"Makes {count_text(count_cases(recipe), 'sample')} of {z} × {y} × {x} voxels (z, y, x), "
        f"{voxel_text(recipe)}, in {output['path']}.",
        *_subjects(spec, every),
        *_edits("Every subject", spec["anatomy"]),
        *itertools.chain(*(_group(recipe, spec, name, every) for name in _groups(every))),
        *_variants(recipe, every),
        _painted(spec),
        *_gated(recipe),
        *explain_scan(spec.get("acquisition")),
    )


def _painted(spec: dict[str, Any]) -> str:
    if "appearance" not in spec:
        return f"The image is the model's own; every draw follows from seed {spec['seed']}."
    look = spec["appearance"]
    how = f"its orientations fused by {value_text(look['fuse'])}"
    origins = [SOURCES[name].painted_from for name in spec["subjects"]]
    if origin := next(filter(None, origins), None):
        how = f"from {origin}"
    if look.get("mixed_precision"):
        how += ", in bfloat16"
    return f"Painted by {look['model']}, {how}; every draw follows from seed {spec['seed']}."


def _gated(recipe: Recipe) -> Iterable[str]:
    if gate := recipe.spec.gate:
        yield (
            f"Every image is segmented by {gate.model}: {gate_text(gate)}; one that misses it is "
            f"painted up to {count_text(gate.tries, 'time')} in all, in other styles."
        )


def _subjects(spec: dict[str, Any], every: list[CaseGroup]) -> Iterable[str]:
    totals = {part.source: part.total for part in every}
    for name, total in totals.items():
        source = SOURCES[name]
        section = spec[source.key] if source.key else spec["subjects"][name]
        yield source.describe(section, total)


def _groups(every: list[CaseGroup]) -> list[str]:
    return [name for name in dict.fromkeys(part.group for part in every) if name]


def _group(
    recipe: Recipe, spec: dict[str, Any], name: str, every: list[CaseGroup]
) -> Iterable[str]:
    mine = [part for part in every if part.group == name]
    group = spec["groups"][name]
    samples = sum(part.count * cases_per_subject(recipe, part) for part in mine)
    yield (
        f"Group {name}: {group['share']:g} % of the subjects, "
        f"{count_text(sum(part.count for part in mine), 'subject')}, "
        f"{count_text(samples, 'sample')}."
    )
    yield from _edits(f"Group {name}", group["anatomy"])


def _edits(who: str, edits: Iterable[dict[str, Any]]) -> Iterable[str]:
    for edit in edits:
        operator, values = split_edit(edit)
        given = "; ".join(
            f"{_said(key)} {parameter_text(v, unit_of(key))}" for key, v in values.items()
        )
        when = f", only when {edit['when']} (the case stays)" if "when" in edit else ""
        yield f"{who}: {operator.replace('_', ' ')}, {given}{when}."


def _said(key: str) -> str:
    """A key in words, without its unit."""
    return key.removesuffix(f"_{unit_of(key)}").replace("_", " ")


def _variants(recipe: Recipe, every: list[CaseGroup]) -> Iterable[str]:
    counts = {part.group: count_variants(sweep_axes(part.template)) for part in every}
    replicates = recipe.spec.replicates
    for group, count in counts.items():
        if count * replicates > 1:
            which = f"Each subject of {group}" if group else "Each subject"
            times = f", each drawn {replicates} times" if replicates > 1 else ""
            yield f"{which} comes in {count_text(count, 'variant')}{times}."


def _alike(some: tuple[Case, ...]) -> set[str]:
    """Numbers of the scanner that are the same in all of some cases: too many for a table."""
    scans = {name for case in some for name in acquisition_columns(case.acquisition)}
    return {name for name in scans if len({case.requested.get(name) for case in some}) == 1}


def _row(case: Case, hidden: Set[str] = frozenset()) -> dict[str, Any]:
    hidden = hidden | {"gestational_age_weeks"}
    asked = {k: v for k, v in case.requested.items() if k not in hidden}
    return {
        "group": case.group,
        "subject": case.subject["id"],
        "gestational_age_weeks": case.subject.get("gestational_age_weeks"),
        "variant": case.variant,
        "replicate": case.replicate,
        "edits": ", ".join(edit.operator for edit in case.edits),
        "requested": ", ".join(f"{name} {_cell(value)}" for name, value in asked.items()),
    }


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
