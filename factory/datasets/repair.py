"""Checking a dataset for damage, and rendering its damaged parts again."""

from dataclasses import dataclass, replace

from factory.execution.options import RenderOptions, RunOptions
from factory.execution.render_run import plan_for_machine, render_shards
from factory.planning.append import earlier_recipes, recorded_recipe
from factory.planning.plan import Plan
from factory.rendering.model_set import ModelSet
from factory.results import failure_lines, failures_json
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.lease import Lease
from factory.storage.dataset.open import open_dataset
from factory.storage.dataset.verify import Findings, verify_objects
from factory.storage.errors import DatasetError
from factory.storage.json_value import JsonObject
from factory.text import size_text

SHOWN = 20
"""The number of damaged objects that are listed."""


@dataclass(frozen=True)
class VerifyReport:
    """What is damaged or missing.

    Attributes:
        dataset: The dataset.
        findings: The result of the check.
        repaired: The number of shards that were rendered again; None if nothing was repaired.
    """

    dataset: Dataset
    findings: Findings
    repaired: int | None = None

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged now."""
        return not self.findings.damage or self.repaired is not None

    def to_json(self) -> JsonObject:
        """Return the report as JSON."""
        repaired = {} if self.repaired is None else {"repaired": self.repaired}
        return {
            "path": self.dataset.path,
            "samples": self.findings.samples,
            "objects": self.findings.objects,
            "bytes": self.findings.bytes,
            "damage": [
                {"key": damage.key, "what": damage.what, "shard": damage.shard}
                for damage in self.findings.damage
            ],
            "shards": sorted(self.findings.shards),
            "failures": failures_json(self.findings.failures),
            **repaired,
        }

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        findings, damage = self.findings, self.findings.damage
        size = size_text(findings.bytes)
        total = f"{findings.objects} objects, {size}, of {findings.samples} samples read"
        if not damage:
            return [f"{total}: all are as they were written", *failure_lines(findings.failures)]
        hidden = len(damage) - SHOWN
        repaired = (
            f"; {self.repaired} shards were rendered again" if self.repaired is not None else ""
        )
        return [
            *map(str, damage[:SHOWN]),
            *([f"and {hidden} more"] if hidden > 0 else []),
            f"{total}: {len(damage)} damaged or missing, in {len(findings.shards)} shards"
            f"{repaired}",
            *failure_lines(findings.failures),
            *([] if repaired else [f"mend     factory repair {self.dataset.path}"]),
        ]


def verify_dataset(path: str) -> VerifyReport:
    """Check all objects of a dataset. Raises DatasetError if there is none."""
    dataset = open_dataset(path)
    return VerifyReport(dataset, verify_objects(dataset.folder, dataset.record))


def repair_dataset(
    path: str, *, allow_mixed: bool = False, run: RunOptions = RunOptions()
) -> VerifyReport:
    """Render the damaged shards again, and write the damaged small objects, with the same bytes.

    Args:
        path: A folder or URL.
        allow_mixed: Whether to render even in another environment than the dataset was made in.
        run: Where to render.

    Raises:
        DatasetError: Record and seal are both damaged, or environment or weights are others.
        FactoryError, ShardsFailed: As rendering does.
    """
    dataset = open_dataset(path, sealed=True)
    record = dataset.record
    if "recipe" not in record:
        raise DatasetError(f"{path}: was not made by a recipe, so it cannot be repaired")
    recipe = recorded_recipe(record, dataset.path)
    if recipe.digest != record["recipe_digest"]:
        raise DatasetError(f"{path}: record.json and the seal are both damaged")
    dataset = replace(dataset, allow_mixed=allow_mixed)
    findings = verify_objects(dataset.folder, record)
    if findings.shards:
        from factory.rendering.device import best_device

        networks = ModelSet.of(recipe)
        networks.refuse_others(dataset, recipe)
        plan: Plan = replace(
            plan_for_machine(recipe, networks, run).for_device(best_device()),
            layout=dataset.layout,
            earlier_recipes=earlier_recipes(record, dataset.path),
            finished_shards=set(range(dataset.layout.shards)) - findings.shards,
        )
        with Lease(dataset.folder):
            dataset.remove_entries(findings.shards)
            # keep_going, since cases that failed before fail again and keep a vacant place
            options = RenderOptions(keep_going=True, run=run)
            render_shards(plan, dataset, networks, best_device(), options)
    dataset.seal()
    return VerifyReport(dataset, findings, len(findings.shards))
