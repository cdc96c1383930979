"""The dataset that a recipe renders into: begun, taken up again, or grown; and its plan."""

from dataclasses import replace
from typing import Any

from factory.planning.append import earlier_recipes, recorded_recipe, refuse_changes
from factory.planning.plan import Plan
from factory.rendering.model_set import ModelSet
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.open import create_dataset, grow_dataset, open_dataset
from factory.storage.errors import DatasetError


def start_dataset(
    made: Plan,
    networks: ModelSet,
    device: str,
    *,
    overwrite: bool = False,
    append: bool = False,
    allow_mixed: bool = False,
) -> tuple[Dataset, Plan]:
    """The dataset to write to, and the plan with what stands in it already.

    append: let a dataset of the recipe before it grew keep its samples. Raises DatasetError as
    factory.storage.dataset.open's `create` and `grow` do, and for other weights; RecipeError where
    the recipe does more than add to the one before.
    """
    recipe = made.recipe
    record: dict[str, Any] = {
        "recipe_digest": recipe.digest,
        "recipe": recipe.record(),
        "weights": networks.weights,
    }
    before = open_existing(recipe.spec.output.path)
    made = adopt_shard_size(made, before)
    if append and before is not None and before.record["recipe_digest"] != recipe.digest:
        made = plan_append(made, before)
        networks.refuse_others(before, recipe)
        record["grown_from"] = earlier_records(before)
        dataset = grow_dataset(
            recipe.spec.output.path,
            made.layout,
            record,
            recipe.text(),
            device=device,
            threads=made.threads,
            allow_mixed=allow_mixed,
        )
    else:
        dataset = create_dataset(
            recipe.spec.output.path,
            made.layout,
            record,
            recipe.text(),
            device=device,
            threads=made.threads,
            overwrite=overwrite,
            allow_mixed=allow_mixed,
        )
        networks.refuse_others(dataset, recipe)
        made = replace(made, earlier_recipes=earlier_recipes(dataset.record, dataset.path))
    # what stands from before a growth is not touched: its readers go on with it
    done = dataset.finished_shards(made.shards(), failed_too=bool(made.kept_samples))
    return dataset, replace(made, finished_shards=done)


def open_existing(path: str) -> Dataset | None:
    """The dataset at a path as its seal has it, if there is one."""
    try:
        return open_dataset(path, sealed=True)
    except DatasetError:
        return None


def adopt_shard_size(made: Plan, before: Dataset | None) -> Plan:
    """The plan in the shards that stand, where the recipe leaves their size to us."""
    if before is None or made.recipe.spec.output.samples_per_shard != "auto":
        return made
    size = before.layout.samples_per_shard
    return replace(made, layout=replace(made.layout, samples_per_shard=size))


def plan_append(made: Plan, before: Dataset) -> Plan:
    """The plan of a grown recipe: what stands comes first, and stays. Raises RecipeError."""
    path = before.path
    earlier = (*earlier_recipes(before.record, path), recorded_recipe(before.record, path))
    refuse_changes(made.recipe, earlier)
    return replace(made, earlier_recipes=earlier, kept_samples=before.layout.samples)


def earlier_records(before: Dataset) -> list[dict[str, Any]]:
    """What a grown dataset keeps of the recipes before, oldest first."""
    record = before.record
    kept = {key: record[key] for key in ("recipe_digest", "recipe", "recipe_text")}
    return [*record.get("grown_from", ()), {**kept, "samples": before.layout.samples}]
