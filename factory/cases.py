"""Recipe -> cases: sweeps, distributions and seeds. The only place that draws random parameters.

Every draw is a function of the recipe's seed and the identity of what is drawn, never of a
position in a list: adding a grade or raising a count leaves all other cases as they were.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from factory.parameters import WORDS
from factory.recipe import Recipe
from factory.subjects import grid_shape, subject_counts, subjects_of

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Case:
    """One sample to be, as plain JSON: from it alone the sample can be made again.

    id: "<subject id>/<variant>/<replicate>", the case's identity.
    subject: {"source": "phantom" | "bids" | "nifti", "id": str, and what the source needs to load
        it: for a phantom gestational_age_weeks and seed, for files path, rec, mapping, ...}.
    variant: the swept values in words, e.g. "grade=2"; "" where nothing is swept.
    edits: [{"dilate_ventricles": {"radius_mm": 3.0, "into": ["white_matter"]}}, ...] in order.
    appearance: {"model": str, "fuse": "mean" | "closest_two" | {"reject_outliers": {"m": 0.5}},
        "style_seed": int, "uncertainty": bool, "original": bool}.
    grid: {"shape": [z, y, x], "spacing_mm": float}, what is rendered and stored.
    requested: the drawn and swept parameters by column name, scalars (grade, radius_mm, ...).
    """

    id: str
    subject: dict[str, Any]
    variant: str
    replicate: int
    edits: list[dict[str, Any]]
    appearance: dict[str, Any]
    grid: dict[str, Any]
    requested: dict[str, Any]

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces; the same case gives the same bytes."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> "Case":
        return Case(**json.loads(text))


def cases(recipe: Recipe, start: int = 0) -> Iterator[Case]:
    """The recipe's cases from index `start` on, lazily: subjects, then variants, then replicates.

    Raises SubjectError where subjects cannot be listed or read, RecipeError for repeated ids.
    """
    spec = recipe.spec.model_dump(exclude_none=True)
    grid = {"shape": list(grid_shape(recipe)), "spacing_mm": spec["output"]["spacing_mm"]}
    for source, count in subject_counts(recipe):
        template = _template(spec, source)
        variants = _variants(template)
        each = len(variants) * spec["replicates"]
        skipped = min(start // each, count)
        start -= skipped * each
        for subject in subjects_of(recipe, source, skipped):
            for variant, replicate in itertools.product(variants, range(spec["replicates"])):
                if start > 0:
                    start -= 1
                    continue
                yield _case(spec["seed"], subject, template, variant, replicate, grid)


def count_cases(recipe: Recipe) -> int:
    """How many cases there are, without making them. Raises as `cases` does."""
    spec = recipe.spec.model_dump(exclude_none=True)
    return sum(
        count
        * math.prod(len(values) for _, values in _sweeps(_template(spec, source)))
        * spec["replicates"]
        for source, count in subject_counts(recipe)
    )


def _template(spec: dict[str, Any], source: str) -> dict[str, Any]:
    """What a case of this source holds parameters in."""
    phantom = spec["subjects"].get("phantom", {})
    age = {"gestational_age_weeks": phantom["gestational_age_weeks"]} if source == "phantom" else {}
    output = {key: spec["output"][key] for key in ("uncertainty", "original")}
    return {
        "subject": age,
        "anatomy": spec["anatomy"],
        "appearance": spec["appearance"] | output,
    }


def _case(
    seed: int,
    subject: dict[str, Any],
    template: dict[str, Any],
    variant: dict[str, Any],
    replicate: int,
    grid: dict[str, Any],
) -> Case:
    id = subject["id"]

    def value(name: str, word: str, body: Any) -> Any:
        if word == "each":
            return variant[name]
        # what belongs to the subject is the same in all its variants and replicates
        whole = name.startswith("subject.")
        identity = (id, name) if whole else (id, sorted(variant.items()), replicate, name)
        return _draw(word, body, _rng(seed, *identity))

    filled = _filled(template, (), template, value)
    edits = [_resolved(*item) for edit in filled["anatomy"] for item in edit.items()]
    if subject["source"] == "phantom":
        subject = subject | filled["subject"] | {"seed": _seed(seed, id, "phantom")}
    words = ",".join(f"{k}={_text(v)}" for k, v in sorted(_columns(variant).items()))
    age = subject.get("gestational_age_weeks")
    known = {} if age is None else {"gestational_age_weeks": age}
    appearance = filled["appearance"]
    return Case(
        id=f"{id}/{words}/{replicate}",
        subject=subject,
        variant=words,
        replicate=replicate,
        edits=edits,
        appearance=appearance | {"style_seed": _seed(seed, id, replicate, "style")},
        grid=grid,
        requested=known | _edit_columns(filled["anatomy"], edits),
    )


def _resolved(operator: str, values: dict[str, Any]) -> dict[str, Any]:
    """An edit as it is carried out: in millimetres, a grade translated."""
    if operator == "dilate_ventricles" and "grade" in values:
        radius = values["grades_mm"][values["grade"]]
        return {operator: {"radius_mm": radius, "into": list(values["into"])}}
    return {operator: {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}}


def _edit_columns(asked: list[dict[str, Any]], done: list[dict[str, Any]]) -> dict[str, Any]:
    """Every number of every edit, as asked and as carried out."""
    numbers = {}
    for index, (before, after) in enumerate(zip(asked, done, strict=True)):
        for operator, values in before.items():
            for key, value in {**values, **after[operator]}.items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    numbers[_name(("anatomy", index, operator, key), asked)] = value
    return _columns(numbers)


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    """Full parameter names to short ones: the last word where no other parameter has it."""
    last = [name.rpartition(".")[2] for name in values]
    return {
        word if last.count(word) == 1 else name.replace(".", "_"): value
        for word, (name, value) in zip(last, values.items(), strict=True)
    }


def _variants(template: dict[str, Any]) -> list[dict[str, Any]]:
    """The product of all sweeps: values by full parameter name."""
    sweeps = _sweeps(template)
    names = [name for name, _ in sweeps]
    values = itertools.product(*(values for _, values in sweeps))
    return [dict(zip(names, combination, strict=True)) for combination in values]


def _sweeps(template: dict[str, Any]) -> list[tuple[str, tuple[Any, ...]]]:
    found: list[tuple[str, tuple[Any, ...]]] = []

    def note(name: str, word: str, body: Any) -> None:
        if word == "each":
            found.append((name, tuple(body)))

    _filled(template, (), template, note)
    return found


def _filled(node: Any, path: Path, template: dict[str, Any], value: Any) -> Any:
    """A copy of node with every parameter replaced by value(full name, word, body)."""
    if isinstance(node, dict):
        word = next(iter(node), None)
        if len(node) == 1 and word in WORDS:
            return value(_name(path, template["anatomy"]), word, node[word])
        return {k: _filled(v, (*path, k), template, value) for k, v in node.items()}
    if isinstance(node, tuple | list):
        return [_filled(v, (*path, i), template, value) for i, v in enumerate(node)]
    return node


def _name(path: Path, anatomy: Any) -> str:
    """A parameter's full name. An edit goes by its operator, numbered from the second on, so
    that its draws do not change when another edit is put before it."""
    if path[0] == "anatomy":
        index, operator, *rest = path[1:]
        assert isinstance(index, int)
        earlier = sum(operator in edit for edit in anatomy[:index])
        numbered = f"{operator}_{earlier + 1}" if earlier else operator
        return ".".join(map(str, (numbered, *rest)))
    return ".".join(map(str, path))


def _rng(seed: int, *identity: Any) -> np.random.Generator:
    """The generator that belongs to an identity."""
    text = json.dumps([seed, *identity], separators=(",", ":"))
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def _seed(seed: int, *identity: Any) -> int:
    """A seed for others to draw with: a whole number that JSON readers keep exact."""
    return int(_rng(seed, *identity).integers(2**53))


def _draw(word: str, body: Any, rng: np.random.Generator) -> Any:
    u = float(rng.random())
    if word == "uniform":
        low, high = body
        return min(low + (high - low) * u, high)
    if word == "normal":
        curve = NormalDist(body["mean"], body["sd"])
        low, high = curve.cdf(body["min"]), curve.cdf(body["max"])
        p = min(max(low + (high - low) * u, 1e-12), 1 - 1e-12)
        return min(max(curve.inv_cdf(p), body["min"]), body["max"])
    weighted = sorted(body.items()) if isinstance(body, dict) else [(v, 1.0) for v in body]
    heights = list(itertools.accumulate(weight for _, weight in weighted))
    point = u * heights[-1]
    tops = zip(weighted, heights, strict=True)
    return next((value for (value, _), top in tops if point < top), weighted[-1][0])


def _text(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value)
