"""Creating, continuing or growing the dataset of a recipe, with the plan for what is missing."""

from dataclasses import replace

from factory.planning.append import earlier_recipes, recorded_recipe, refuse_changes
from factory.planning.plan import Plan
from factory.rendering.model_set import ModelSet
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.documents import EarlierRecord, Provenance
from factory.storage.dataset.open import create_dataset, grow_dataset, open_dataset
from factory.storage.errors import DatasetError


def start_dataset(
    plan: Plan,
    networks: ModelSet,
    device: str,
    *,
    overwrite: bool = False,
    append: bool = False,
    allow_mixed: bool = False,
) -> tuple[Dataset, Plan]:
    """Create the dataset of a plan, continue it, or begin to grow it.

    Args:
        plan: The plan of the recipe.
        networks: The models that the recipe uses.
        device: The device that renders.
        overwrite: As in `RenderOptions`.
        append: As in `RenderOptions`.
        allow_mixed: As in `RenderOptions`.

    Returns:
        The dataset to write, and the plan with the shards that are already finished.

    Raises:
        DatasetError: As `create_dataset` and `grow_dataset` do, or the weights are others.
        RecipeError: The recipe does more than add to its earlier version.
    """
    recipe, output = plan.recipe, plan.recipe.spec.output.path
    provenance = _provenance(recipe, networks)
    existing = open_existing(output)
    plan = adopt_shard_size(plan, existing)
    if append and existing is not None and existing.record["recipe_digest"] != recipe.digest:
        plan = plan_append(plan, existing)
        networks.refuse_others(existing, recipe)
        provenance["grown_from"] = earlier_records(existing)
        dataset = grow_dataset(
            output,
            plan.layout,
            provenance,
            recipe.text(),
            device=device,
            threads=plan.threads,
            allow_mixed=allow_mixed,
        )
    else:
        dataset = create_dataset(
            output,
            plan.layout,
            provenance,
            recipe.text(),
            device=device,
            threads=plan.threads,
            overwrite=overwrite,
            allow_mixed=allow_mixed,
        )
        networks.refuse_others(dataset, recipe)
        plan = replace(plan, earlier_recipes=earlier_recipes(dataset.record, dataset.path))
    # shards from before a growth are not rendered again, since readers are using them
    finished = dataset.finished_shards(plan.shards(), failed_too=bool(plan.kept_samples))
    return dataset, replace(plan, finished_shards=finished)


def _provenance(recipe: Recipe, networks: ModelSet) -> Provenance:
    return {
        "recipe_digest": recipe.digest,
        "recipe": recipe.record(),
        "weights": networks.weights,
    }


def open_existing(path: str) -> Dataset | None:
    """Return the dataset at a path as its seal states it, or None if there is none."""
    try:
        return open_dataset(path, sealed=True)
    except DatasetError:
        return None


def adopt_shard_size(plan: Plan, existing: Dataset | None) -> Plan:
    """Return the plan with the shard size of the existing dataset, if the recipe states none."""
    if existing is None or plan.recipe.spec.output.samples_per_shard != "auto":
        return plan
    size = existing.layout.samples_per_shard
    return replace(plan, layout=replace(plan.layout, samples_per_shard=size))


def plan_append(plan: Plan, existing: Dataset) -> Plan:
    """Return the plan of a recipe that adds to a dataset: the existing samples come first.

    Raises:
        RecipeError: The recipe does more than add to the one of the dataset.
    """
    record, path = existing.record, existing.path
    earlier = (*earlier_recipes(record, path), recorded_recipe(record, path))
    refuse_changes(plan.recipe, earlier)
    return replace(plan, earlier_recipes=earlier, kept_samples=existing.layout.samples)


def earlier_records(existing: Dataset) -> list[EarlierRecord]:
    """Return what a grown dataset keeps of the recipes before each growth, the oldest first."""
    record = existing.record
    newest: EarlierRecord = {
        "recipe_digest": record["recipe_digest"],
        "recipe": record["recipe"],
        "recipe_text": record["recipe_text"],
        "samples": existing.layout.samples,
    }
    return [*record.get("grown_from", ()), newest]
