"""One sample made again from its own record; or as it would be had one number been another."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from factory.case import Case
from factory.execution.worker import RenderWorker
from factory.planning.append import recorded_recipe
from factory.planning.counterfactual import change_case
from factory.rendering.model_set import ModelSet
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.environment import current_environment, refuse_mixed
from factory.storage.dataset.open import create_dataset, open_dataset
from factory.storage.dataset.stored_sample import StoredSample
from factory.text import join_names

_SHOWN = ("grade", "atrial_width_mm", "volume_ml_ventricles", "ventricle_brain_ratio")


@dataclass(frozen=True)
class ReplayReport:
    """What was made: a dataset of one sample, and the sample that was stored."""

    dataset: Dataset
    case: str
    stored: StoredSample
    made: StoredSample

    @property
    def differing(self) -> list[str]:
        """Arrays that are not the stored ones."""
        before, after = self.stored.volumes, self.made.volumes
        return [name for name in before if not np.array_equal(before[name], after[name])]

    def measures(self) -> dict[str, list[Any]]:
        """Numbers that differ: as stored, as made."""
        before, after = self.stored.columns, self.made.columns
        names = [name for name in after if before.get(name) != after[name]]
        return {name: [before.get(name), after[name]] for name in names if name != "sample"}

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.dataset.path,
            "case": self.case,
            "equal": not self.differing,
            "differing": self.differing,
            "measures": self.measures(),
        }

    def lines(self) -> list[str]:
        changed = self.measures()
        same = (
            "equal to the stored one, voxel by voxel"
            if not self.differing
            else (f"differs from the stored one in {join_names(self.differing)}")
        )
        return [
            f"sample   {self.case}",
            f"dataset  {self.dataset.path}: {same}",
            *(
                f"{name}: {_number_text(before)} stored, {_number_text(now)} now"
                for name, (before, now) in changed.items()
                if name in _SHOWN
            ),
        ]


def replay(
    path: str,
    sample: int,
    output: str,
    changes: Sequence[str] = (),
    *,
    allow_mixed: bool = False,
) -> ReplayReport:
    """Make a sample of a dataset again, into a dataset of its own at `output`.

    changes: "grade=3": the same subject, seeds and draws, but for this parameter, by its column's
    name or its key in the recipe. Raises DatasetError where the sample is not there, or
    environment or weights are others than made it; RecipeError for a value that the recipe's
    schema does not allow; what rendering raises.
    """
    dataset = open_dataset(path)
    stored = dataset.sample(sample)
    case = Case.from_json(stored.case)
    recipe = recorded_recipe(dataset.record, dataset.path)
    networks = ModelSet.of(recipe)
    networks.refuse_others(dataset, recipe)
    if changes:
        case = change_case(recipe, case, changes)
    from factory.rendering.device import best_device

    device, threads = best_device(), dataset.record["environment"]["threads"]
    if not allow_mixed:
        refuse_mixed(path, dataset.record["environment"], current_environment(device, threads))
    layout = replace(dataset.layout, samples=1, samples_per_shard=1)
    made = create_dataset(
        output,
        layout,
        {
            "recipe_digest": hashlib.sha256(case.to_json().encode()).hexdigest(),
            "replay": {"dataset": dataset.path, "sample": sample, "set": list(changes)},
            "weights": networks.weights,
        },
        dataset.record["recipe_text"],
        device=device,
        threads=threads,
        allow_mixed=allow_mixed,
    )
    worker = RenderWorker(made, networks.loader(device), threads)
    worker.setup()
    made.write_shard(0, 0, [worker.render(case)])
    made.seal()
    return ReplayReport(made, case.id, stored, made.sample(0))


def _number_text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
