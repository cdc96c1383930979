"""A dataset's upkeep: reading all of it for damage, and making again what is damaged."""

from dataclasses import dataclass, replace
from typing import Any

from factory.execution.options import RenderOptions, RunOptions
from factory.execution.render_run import plan_for_machine, render_shards
from factory.planning.append import earlier_recipes, recorded_recipe
from factory.planning.plan import Plan
from factory.rendering.model_set import ModelSet
from factory.results import failure_lines, failures_json
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.lease import Lease
from factory.storage.dataset.open import open_dataset
from factory.storage.dataset.verify import Findings, verify
from factory.storage.errors import DatasetError
from factory.text import size_text

SHOWN = 20
"""How many damaged objects are listed, one a line."""


@dataclass(frozen=True)
class VerifyReport:
    """What is damaged or missing. repaired: shards that were rendered again, if any were to be."""

    dataset: Dataset
    found: Findings
    repaired: int | None = None

    @property
    def is_sound(self) -> bool:
        return not self.found.damage or self.repaired is not None

    def to_json(self) -> dict[str, Any]:
        done = {} if self.repaired is None else {"repaired": self.repaired}
        return {
            "path": self.dataset.path,
            "samples": self.found.samples,
            "objects": self.found.objects,
            "bytes": self.found.bytes,
            "damage": [
                {"key": one.key, "what": one.what, "shard": one.shard} for one in self.found.damage
            ],
            "shards": sorted(self.found.shards),
            "failures": failures_json(self.found.failures),
            **done,
        }

    def lines(self) -> list[str]:
        found, damage = self.found, self.found.damage
        read = f"{found.objects} objects, {size_text(found.bytes)}, of {found.samples} samples read"
        if not damage:
            return [f"{read}: all as written", *failure_lines(found.failures)]
        hidden = len(damage) - SHOWN
        mended = (
            f"; {self.repaired} shards were rendered again" if self.repaired is not None else ""
        )
        return [
            *(str(one) for one in damage[:SHOWN]),
            *([f"and {hidden} more"] if hidden > 0 else []),
            f"{read}: {len(damage)} damaged or missing, in {len(found.shards)} shards{mended}",
            *failure_lines(found.failures),
            *([] if mended else [f"mend     factory repair {self.dataset.path}"]),
        ]


def verify_dataset(path: str) -> VerifyReport:
    """Read all of a dataset. Raises DatasetError where there is none, or it cannot be read."""
    dataset = open_dataset(path)
    return VerifyReport(dataset, verify(dataset.folder, dataset.record))


def repair_dataset(
    path: str, *, allow_mixed: bool = False, run: RunOptions = RunOptions()
) -> VerifyReport:
    """Render the damaged shards again, and write the damaged small objects: the same bytes.

    Raises DatasetError where record and seal are both damaged or environment and weights are not
    those that made it; FactoryError, ShardsFailed as rendering does.
    """
    dataset = open_dataset(path, sealed=True)
    record = dataset.record
    if "recipe" not in record:
        raise DatasetError(f"{path}: was not made by a recipe; make it again as it was made")
    recipe = recorded_recipe(record, dataset.path)
    if recipe.digest != record["recipe_digest"]:
        raise DatasetError(f"{path}: record.json and the seal are both damaged")
    dataset = replace(dataset, allow_mixed=allow_mixed)
    found = verify(dataset.folder, record)
    if found.shards:
        from factory.rendering.device import best_device

        networks = ModelSet.of(recipe)
        networks.refuse_others(dataset, recipe)
        made: Plan = replace(
            plan_for_machine(recipe, networks, run).for_device(best_device()),
            layout=dataset.layout,
            earlier_recipes=earlier_recipes(record, dataset.path),
            finished_shards=set(range(dataset.layout.shards)) - found.shards,
        )
        with Lease(dataset.folder):
            dataset.remove_entries(found.shards)
            # keep_going: what could not be rendered then has its vacant place again
            options = RenderOptions(keep_going=True, run=run)
            render_shards(made, dataset, networks, best_device(), options)
    dataset.seal()
    return VerifyReport(dataset, found, len(found.shards))
