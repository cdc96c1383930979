"""A dataset that has grown: the recipes that made it, and the order that its samples keep.

The samples of the first recipe come first, in its order; then those that the second added, in
its; and so on. A recipe may grow by whatever leaves every case that was there as it was.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from factory.case import Case
from factory.errors import RecipeError
from factory.planning.cases import iterate_cases
from factory.schema.render_recipe import Recipe, parse_recipe


def ordered_cases(recipe: Recipe, earlier: Sequence[Recipe] = ()) -> Iterator[Case]:
    """Every case of a dataset in order, lazily. earlier: the recipes it has grown from."""
    if not earlier:
        yield from iterate_cases(recipe)
        return
    seen: set[str] = set()
    for made in (*earlier, recipe):
        for case in iterate_cases(made):
            if case.id not in seen:
                seen.add(case.id)
                yield case


def recorded_recipe(record: Mapping[str, Any], path: str) -> Recipe:
    """The recipe that a dataset keeps in its record, to be rendered to a path."""
    override = f"output.path={json.dumps(path)}"
    return parse_recipe(record["recipe_text"], record["recipe"]["source"], [override])


def earlier_recipes(record: Mapping[str, Any], path: str) -> tuple[Recipe, ...]:
    """The recipes that a dataset has grown from, by its record."""
    return tuple(recorded_recipe(one, path) for one in record.get("grown_from", ()))


def refuse_changes(recipe: Recipe, earlier: Sequence[Recipe]) -> None:
    """Raises RecipeError where a recipe changes or drops a case that those before it made."""

    def before() -> Iterator[Case]:
        return ordered_cases(earlier[-1], earlier[:-1])

    known = {case.id: _digest(case) for case in before()}
    for case in iterate_cases(recipe):
        if known.pop(case.id, digest := _digest(case)) != digest:
            old = next(other for other in before() if other.id == case.id)
            raise RecipeError(f"{recipe.source}: {_difference(old, case)}")
    if known:
        more = f" and {len(known) - 1} more" if len(known) > 1 else ""
        raise RecipeError(
            f"{recipe.source}: sample {next(iter(known))}{more} of the dataset would be gone; "
            "allowed with --append: a recipe that only adds"
        )


def _digest(case: Case) -> bytes:
    return hashlib.sha256(case.to_json().encode()).digest()


def _difference(old: Case, new: Case) -> str:
    """What of a case has changed, and how to keep it."""
    if old.grid.shape != new.grid.shape:
        before, after = list(old.grid.shape), list(new.grid.shape)
        return (
            f"output.shape: samples would have {after} voxels, the dataset has {before}; "
            f"allowed with --append: shape: {before}"
        )
    was, now = json.loads(old.to_json()), json.loads(new.to_json())
    changed = sorted(key for key in was | now if was.get(key) != now.get(key))
    return (
        f"{changed[0]} of sample {old.id} would be another than in the dataset; "
        "allowed with --append: a recipe that only adds"
    )
