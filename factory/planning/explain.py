"""Describe what a recipe makes, without a model: as a table of cases, or in sentences."""

import itertools
import json
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from factory.acquisition.section import acquisition_columns
from factory.anatomy.edits.registry import split_edit
from factory.case import Case
from factory.config.phrases import parameter_text, value_in_words
from factory.config.units import unit_of
from factory.lookup import find_recipe
from factory.planning.cases import cases_per_subject, count_cases, iterate_cases
from factory.planning.conditions import check_condition_values
from factory.planning.explain_scanner import explain_scan
from factory.planning.grid import grid_shape, voxel_text
from factory.planning.groups import CaseGroup, case_groups
from factory.planning.sweeps import count_variants, sweep_axes
from factory.schema.gate import gate_text
from factory.schema.measures import chosen_measures
from factory.schema.render_recipe import Recipe, load_recipe_file
from factory.storage.json_value import JsonObject, JsonValue
from factory.subjects.registry import SOURCES
from factory.text import count_text, join_names

FIRST = 20
"""The number of cases that a table lists."""

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
    """The description of a recipe.

    Attributes:
        samples: The number of samples.
        sentences: The recipe in words.
        first: The first cases.
    """

    samples: int
    sentences: tuple[str, ...] | None = None
    first: tuple[Case, ...] | None = None

    def to_json(self) -> JsonObject:
        """Return the description as JSON."""
        sentences = {} if self.sentences is None else {"explanation": list(self.sentences)}
        rows = {} if self.first is None else {"cases": [_table_row(case) for case in self.first]}
        return {"samples": self.samples, **sentences, **rows}

    def lines(self) -> list[str]:
        """Return the sentences, and the cases as a table."""
        lines = list(self.sentences or ())
        if self.first is not None:
            hidden = _constant_numbers(self.first)
            rows = [_table_row(case, hidden) for case in self.first]
            names = [name for name in COLUMNS if any(_cell_text(row[name]) for row in rows)]
            table = [names, *([_cell_text(row[name]) for name in names] for row in rows)]
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
    """Describe what a recipe makes. It needs no model and writes nothing.

    Args:
        name: The file or name of a recipe.
        overrides: "KEY=VALUE" lines.
        output: A folder or URL that replaces the recipe's.
        cases: Whether to list the first cases.
        explain: Whether to describe the recipe in sentences.

    Raises:
        FactoryError: The recipe or the subjects cannot be used.
        StorageError: The subjects cannot be read.
    """
    changes = [*overrides, *([] if output is None else [f"output.path={json.dumps(output)}"])]
    recipe = load_recipe_file(find_recipe(name), changes)
    check_condition_values(recipe)
    return Description(
        count_cases(recipe),
        explain_recipe(recipe) if explain else None,
        tuple(itertools.islice(iterate_cases(recipe), FIRST)) if cases else None,
    )


def explain_recipe(recipe: Recipe) -> tuple[str, ...]:
    """Return what a recipe makes, in sentences.

    Raises:
        SubjectError: Subjects cannot be listed.
    """
    spec = recipe.spec.model_dump(exclude_none=True)
    groups, output = case_groups(recipe), spec["output"]
    z, y, x = grid_shape(recipe)
    return (
        f"Makes {count_text(count_cases(recipe), 'sample')} of {z} × {y} × {x} voxels (z, y, x), "
        f"{voxel_text(recipe)}, in {output['path']}.",
        *_subject_sentences(spec, groups),
        *_edit_sentences("Every subject", spec["anatomy"]),
        *itertools.chain(
            *(_group_sentences(recipe, spec, name, groups) for name in _group_names(groups))
        ),
        *_variant_sentences(recipe, groups),
        *_appearance_sentences(spec),
        *_gate_sentence(recipe),
        *_measure_sentences(spec),
        *explain_scan(spec.get("acquisition")),
    )


def _appearance_sentences(spec: JsonObject) -> Iterable[str]:
    groups = spec.get("groups") or {}
    for name, group in groups.items():
        if "appearance" in group:
            yield f"Group {name}: {_look_text(spec, group['appearance'])}."
    if "appearance" in spec:
        look = _look_text(spec, spec["appearance"])
        yield f"{look[0].upper()}{look[1:]}; every draw follows from seed {spec['seed']}."
    elif groups:
        yield f"Every draw follows from seed {spec['seed']}."
    else:
        yield f"The image is the model's own; every draw follows from seed {spec['seed']}."


def _look_text(spec: JsonObject, look: JsonValue) -> str:
    """Return how the images of an appearance are made, in words without a capital or a stop."""
    if isinstance(look, str):
        return "the image is each subject's own, moved by the edits"
    if "contrast" in look:
        return _contrast_text(look["contrast"])
    how = f"its orientations fused by {value_in_words(look['fuse'])}"
    origins = [SOURCES[name].painted_from for name in spec["subjects"]]
    if origin := next(filter(None, origins), None):
        how = f"from {origin}"
    if look.get("mixed_precision"):
        how += ", in bfloat16"
    return f"painted by {look['model']}, {how}"


def _contrast_text(section: JsonObject) -> str:
    """Return how a contrast paints, in words."""
    channels = section.get("channels") or {"": section}
    texts = []
    for name, channel in channels.items():
        fitted = channel.get("fitted")
        text = f"fitted to {fitted['source']}" if fitted else ""
        preset = channel.get("preset") or ("" if fitted else "random")
        text = " and ".join(filter(None, (text, f"the preset {preset}" if preset else "")))
        texts.append(f"{name} {text}".strip())
    return f"painted without a network, each label at a brightness of its own: {', '.join(texts)}"


def _gate_sentence(recipe: Recipe) -> Iterable[str]:
    if gate := recipe.spec.gate:
        yield (
            f"Every image is segmented by {gate.model}: {gate_text(gate)}; one that misses it is "
            f"painted up to {count_text(gate.tries, 'time')} in all, in other styles."
        )


def _measure_sentences(spec: JsonObject) -> Iterable[str]:
    """Say what the recipe's regions are, and what it measures of what."""
    for name, labels in spec.get("regions", {}).items():
        yield f"Region {name}: {join_names(labels)}."
    if choice := spec.get("measures"):
        structures = chosen_measures(choice)
        of_all = [name for name, names in structures.items() if names is None]
        texts = [f"{name} of {join_names(names)}" for name, names in structures.items() if names]
        yield f"Measured: {'; '.join([join_names(of_all)] * bool(of_all) + texts)}."


def _subject_sentences(spec: JsonObject, groups: list[CaseGroup]) -> Iterable[str]:
    totals = {group.source: group.total for group in groups if not group.pool}
    for name, total in totals.items():
        source = SOURCES[name]
        section = spec[source.key] if source.key else spec["subjects"][name]
        way = spec.get("interpolate") if source.can_interpolate else None
        yield _describe_ways(way, section, total) if way else source.describe(section, total)


def _describe_ways(interpolate: JsonObject, section: JsonObject, total: int) -> str:
    """Describe the subjects on ways between others, without a model."""
    steps = interpolate["steps"]
    if "between" in interpolate:
        ways = f"on each way {' to '.join(interpolate['between'])}"
    else:
        ways = f"between the two of each of {interpolate['pairs']['random']} random pairs"
    return (
        f"{count_text(total, 'new subject')} by registration of those in {section['path']}: "
        f"{steps} {ways}."
    )


def _group_names(groups: list[CaseGroup]) -> list[str]:
    return [name for name in dict.fromkeys(group.group for group in groups) if name]


def _group_sentences(
    recipe: Recipe, spec: JsonObject, name: str, groups: list[CaseGroup]
) -> Iterable[str]:
    subgroups = [group for group in groups if group.group == name]
    section = spec["groups"][name]
    subjects = sum(group.count for group in subgroups)
    samples = sum(group.count * cases_per_subject(recipe, group) for group in subgroups)
    share = f"{section['share']:g} % of the subjects, " if "share" in section else ""
    yield (
        f"Group {name}: {share}{count_text(subjects, 'subject')}, {count_text(samples, 'sample')}."
    )
    for group in subgroups:
        if group.pool:
            text = SOURCES[group.source].describe(section["subjects"][group.source], group.total)
            yield f"Group {name} has subjects of its own: {text}"
    yield from _edit_sentences(f"Group {name}", section["anatomy"])


def _edit_sentences(who: str, edits: Iterable[JsonObject]) -> Iterable[str]:
    for edit in edits:
        operator, values = split_edit(edit)
        parameters = "; ".join(
            f"{_key_text(key)} {parameter_text(v, _unit_beyond_key(key))}"
            for key, v in values.items()
            if v not in ((), [])
        )
        when = f", only when {edit['when']} (the case stays)" if "when" in edit else ""
        yield f"{who}: {operator.replace('_', ' ')}, {parameters}{when}."


def _unit_beyond_key(key: str) -> str | None:
    """Return the unit that follows a value; None where it is the key itself, as `degrees` is."""
    unit = unit_of(key)
    return None if unit == key else unit


def _key_text(key: str) -> str:
    """Return a key in words, without its unit."""
    return key.removesuffix(f"_{unit_of(key)}").replace("_", " ")


def _variant_sentences(recipe: Recipe, groups: list[CaseGroup]) -> Iterable[str]:
    counts = {group.group: count_variants(sweep_axes(group.template)) for group in groups}
    replicates = recipe.spec.replicates
    for group, count in counts.items():
        if count * replicates > 1:
            which = f"Each subject of {group}" if group else "Each subject"
            times = f", each drawn {replicates} times" if replicates > 1 else ""
            yield f"{which} comes in {count_text(count, 'variant')}{times}."


def _constant_numbers(cases: tuple[Case, ...]) -> set[str]:
    """Return the scanner's numbers that are equal in all cases: too many for the table."""
    scans = {name for case in cases for name in acquisition_columns(case.acquisition)}
    return {name for name in scans if len({case.requested.get(name) for case in cases}) == 1}


def _table_row(case: Case, hidden: Set[str] = frozenset()) -> JsonObject:
    hidden = hidden | {"gestational_age_weeks"}
    requested = {k: v for k, v in case.requested.items() if k not in hidden}
    return {
        "group": case.group,
        "subject": case.subject["id"],
        "gestational_age_weeks": case.subject.get("gestational_age_weeks"),
        "variant": case.variant,
        "replicate": case.replicate,
        "edits": ", ".join(edit.operator for edit in case.edits),
        "requested": ", ".join(f"{name} {_cell_text(value)}" for name, value in requested.items()),
    }


def _cell_text(value: JsonValue) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
