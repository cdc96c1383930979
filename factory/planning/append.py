"""Datasets that grow: the order of their samples, and the check that a recipe only adds samples.

The samples of the first recipe come first, in its order. Then come the samples that the second
recipe added, and so on. A recipe may grow in any way that keeps every existing case unchanged.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

from factory.case import Case
from factory.errors import RecipeError
from factory.planning.cases import iterate_cases
from factory.schema.render_recipe import Recipe, parse_recipe
from factory.storage.json_value import JsonValue


def ordered_cases(recipe: Recipe, earlier: Sequence[Recipe] = ()) -> Iterator[Case]:
    """Yield every case of a dataset in order.

    Args:
        recipe: The current recipe.
        earlier: The recipes that the dataset has grown from, the first one first.
    """
    if not earlier:
        yield from iterate_cases(recipe)
        return
    ids: set[str] = set()
    for version in (*earlier, recipe):
        for case in iterate_cases(version):
            if case.id not in ids:
                ids.add(case.id)
                yield case


def recorded_recipe(record: Mapping[str, JsonValue], path: str) -> Recipe:
    """Return the recipe in the record of a dataset.

    Args:
        record: The record of the dataset.
        path: The output path that the recipe gets.
    """
    override = f"output.path={json.dumps(path)}"
    return parse_recipe(record["recipe_text"], record["recipe"]["source"], [override])


def earlier_recipes(record: Mapping[str, JsonValue], path: str) -> tuple[Recipe, ...]:
    """Return the recipes that a dataset has grown from.

    Args:
        record: The record of the dataset.
        path: The output path that the recipes get.
    """
    return tuple(recorded_recipe(version, path) for version in record.get("grown_from", ()))


def refuse_changes(recipe: Recipe, earlier: Sequence[Recipe]) -> None:
    """Check that a recipe keeps every case of the recipes before it.

    Raises:
        RecipeError: A case would change or disappear.
    """

    def before() -> Iterator[Case]:
        return ordered_cases(earlier[-1], earlier[:-1])

    missing = {case.id: _digest(case) for case in before()}
    for case in iterate_cases(recipe):
        if missing.pop(case.id, digest := _digest(case)) != digest:
            old = next(other for other in before() if other.id == case.id)
            raise RecipeError(f"{recipe.source}: {_difference(old, case)}")
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise RecipeError(
            f"{recipe.source}: sample {next(iter(missing))}{more} of the dataset would be gone; "
            "allowed with --append: a recipe that only adds"
        )


def _digest(case: Case) -> bytes:
    return hashlib.sha256(case.to_json().encode()).digest()


def _difference(old: Case, new: Case) -> str:
    """Return which part of a case has changed, and how to keep it."""
    if old.grid.shape != new.grid.shape:
        before, after = list(old.grid.shape), list(new.grid.shape)
        return (
            f"output.shape: samples would have {after} voxels, the dataset has {before}; "
            f"allowed with --append: shape: {before}"
        )
    old_data, new_data = json.loads(old.to_json()), json.loads(new.to_json())
    keys = old_data.keys() | new_data.keys()
    changed = sorted(key for key in keys if old_data.get(key) != new_data.get(key))
    return (
        f"{changed[0]} of sample {old.id} would be another than in the dataset; "
        "allowed with --append: a recipe that only adds"
    )
