"""Rendering one sample again from its record, with the same or with changed parameters."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
from factory.storage.json_value import JsonObject, JsonValue
from factory.text import join_names

_SHOWN = ("grade", "atrial_width_mm", "volume_ml_ventricles", "ventricle_brain_ratio")


@dataclass(frozen=True)
class ReplayReport:
    """A sample that was rendered again, beside the stored one.

    Attributes:
        dataset: The new dataset of one sample.
        case: The id of the case.
        stored: The sample of the original dataset.
        replayed: The sample that was rendered again.
    """

    dataset: Dataset
    case: str
    stored: StoredSample
    replayed: StoredSample

    @property
    def differing(self) -> list[str]:
        """The names of the arrays that differ from the stored ones."""
        before, after = self.stored.volumes, self.replayed.volumes
        return [name for name in before if not np.array_equal(before[name], after[name])]

    def changed_columns(self) -> dict[str, list[JsonValue]]:
        """Return the values that differ, by column: [stored, replayed]."""
        before, after = self.stored.columns, self.replayed.columns
        names = [name for name in after if before.get(name) != after[name]]
        return {name: [before.get(name), after[name]] for name in names if name != "sample"}

    def to_json(self) -> JsonObject:
        """Return the report as JSON."""
        return {
            "path": self.dataset.path,
            "case": self.case,
            "equal": not self.differing,
            "differing": self.differing,
            "measures": self.changed_columns(),
        }

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        changed = self.changed_columns()
        same = (
            "equal to the stored one, voxel by voxel"
            if not self.differing
            else (f"differs from the stored one in {join_names(self.differing)}")
        )
        volumes = [name for name in changed if name.startswith("volume_ml_")]
        shown_names = [name for name in _SHOWN if name in changed] or volumes[:4]
        return [
            f"sample   {self.case}",
            f"dataset  {self.dataset.path}: {same}",
            *(
                "{}: {} stored, {} now".format(name, *map(_number_text, changed[name]))
                for name in shown_names
            ),
        ]


def replay_sample(
    path: str,
    sample: int,
    output: str,
    changes: Sequence[str] = (),
    *,
    allow_mixed: bool = False,
) -> ReplayReport:
    """Render a sample of a dataset again, and write it as a dataset of one sample.

    Subject, seeds and all random values stay the same, apart from the changed parameters.

    Args:
        path: The folder or URL of the dataset.
        sample: The index of the sample.
        output: The folder or URL of the new dataset.
        changes: Changed parameters, e.g. "grade=3", by the name of their column or by their key in
            the recipe.
        allow_mixed: Whether to render even in another environment than the sample was made in.

    Raises:
        DatasetError: There is no such sample, or environment or weights are others.
        RecipeError: The schema of the recipe does not allow a changed value.
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
    replayed = create_dataset(
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
    worker = RenderWorker(replayed, networks.loader(device), threads)
    worker.setup()
    replayed.write_shard(0, 0, [worker.render(case)])
    replayed.seal()
    return ReplayReport(replayed, case.id, stored, replayed.sample(0))


def _number_text(value: JsonValue) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
