"""What each verb of the command line does: recipe, plan, dataset, execution, and a report.

This is also the way in for a program: `from factory.pipeline import render_recipe`. Torch and Ray
are imported where they are needed, so that a mistake in a recipe is told at once.
"""

import functools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.errors import RecipeError
from factory.loading import load
from factory.plan import ANY, Machine, Plan, plan
from factory.recipe import RenderRecipe
from factory.resolve import find_model, find_recipe
from storage.dataset import Dataset
from storage.dataset_open import create, open_dataset
from storage.errors import DatasetError

if TYPE_CHECKING:
    from factory.cases import Case
    from factory.render import Sample


@dataclass(frozen=True)
class PlanReport:
    """A plan, and what to say of it. complete, digest: of what stands at the output already."""

    plan: Plan
    complete: bool = False
    digest: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {**self.plan.to_json(), "complete": self.complete, "digest": self.digest}

    def lines(self) -> list[str]:
        p, layout = self.plan, self.plan.layout
        size = " × ".join(map(str, layout.shape))
        return [
            f"recipe   {p.recipe.source} (digest {p.recipe.digest[:12]})",
            f"output   {p.recipe.spec.output.path}: {', '.join(layout.arrays)}",
            f"samples  {layout.samples} of {size} voxels, "
            f"{p.recipe.spec.output.spacing_mm:g} mm (z, y, x)",
            f"shards   {layout.shards}, of which {len(p.done)} are done",
            f"size     {amount(p.raw_bytes)}, compressed about {amount(p.stored_bytes)}",
            f"memory   {amount(p.peak_memory_bytes)} at the peak: {p.actors} renderers "
            f"of {amount(p.memory_per_actor)}, {p.threads} thread each",
            f"time     about {duration(p.seconds)}",
            *(f"warning  {warning}" for warning in p.warnings),
        ]


def plan_recipe(
    name: str,
    overrides: Sequence[str] = (),
    *,
    output: str | None = None,
    actors: int | None = None,
) -> PlanReport:
    """What `render_recipe` would make. Writes nothing. Raises FactoryError, StorageError."""
    from factory.preflight import label_warnings
    from models.checkpoint import read_card

    made, model = _planned(name, overrides, output, actors)
    outside = label_warnings(made.recipe, read_card(model))
    made = replace(made, warnings=(*made.warnings, *outside))
    try:
        dataset = open_dataset(made.recipe.spec.output.path)
    except DatasetError:  # nothing there yet
        return PlanReport(made)
    if dataset.record["recipe_digest"] != made.recipe.digest:
        other = f"{dataset.path} was made by another recipe; rendering there needs --overwrite"
        return PlanReport(replace(made, warnings=(*made.warnings, other)))
    made = replace(made, done=dataset.done(made.shards()))
    complete = dataset.is_complete()
    return PlanReport(made, complete, dataset.digest() if complete else None)


@dataclass(frozen=True)
class RenderReport:
    """A finished dataset. preview: the picture written beside it."""

    dataset: Dataset
    rendered: int
    seconds: float
    preview: str | None

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.dataset.path,
            "complete": self.dataset.is_complete(),
            "samples": self.dataset.layout.samples,
            "rendered": self.rendered,
            "seconds": round(self.seconds, 1),
            "digest": self.dataset.digest(),
            "preview": self.preview,
        }

    def lines(self) -> list[str]:
        path, layout = self.dataset.path, self.dataset.layout
        opened = f"import zarr; g = zarr.open('{path}'); print(g['image'][0], g['label'][0])"
        return [
            f"{layout.samples} samples, {self.rendered} of them made now "
            f"in {duration(self.seconds)}",
            f"dataset  {path}",
            *([f"preview  {self.preview}  (any picture viewer)"] if self.preview else []),
            f'open     python -c "{opened}"',
            f"look     factory inspect {path}",
        ]


def render_recipe(
    name: str,
    overrides: Sequence[str] = (),
    *,
    output: str | None = None,
    overwrite: bool = False,
    serial: bool = False,
    address: str | None = None,
    actors: int | None = None,
    allow_mixed: bool = False,
    progress: bool = True,
) -> RenderReport:
    """Make a recipe's dataset, or go on with it where a run left off, and seal it.

    serial: in this process, without Ray. address: a Ray cluster to join. progress: show it on
    stderr, warnings too. Raises FactoryError, StorageError, WeightsError in one line; ShardsFailed
    where some shards could not be rendered and the others stand.
    """
    made, model = _planned(name, overrides, output, actors, address)
    from factory.execute import execute
    from factory.montage import montage
    from factory.render import best_device
    from factory.worker import RenderWorker
    from models.checkpoint import read_card

    if progress:
        for warning in made.warnings:
            print(f"factory: warning: {warning}", file=sys.stderr)
    recipe, card = made.recipe, read_card(model)
    device = best_device()
    weights = card["sha256"]
    dataset = create(
        recipe.spec.output.path,
        made.layout,
        {"recipe_digest": recipe.digest, "recipe": recipe.record(), "weights": weights},
        recipe.text(),
        device=device,
        threads=made.threads,
        overwrite=overwrite,
        allow_mixed=allow_mixed,
    )
    if dataset.record["weights"] != weights:
        raise DatasetError(
            f"{dataset.path}: made by this recipe with other weights of "
            f"{recipe.spec.appearance.model}; choose another output or pass --overwrite"
        )
    done = dataset.done(made.shards())
    load = functools.partial(load_renderer, model.resolve(), device)
    report = execute(
        replace(made, done=done).remaining(),
        functools.partial(RenderWorker, dataset, load, made.threads),
        samples=made.layout.samples,
        standing=made.samples_in(done),
        serial=serial,
        address=address,
        actors=actors if address else made.actors,
        threads=made.threads,
        gpus=1 if device == "cuda" else 0,
        show_progress=progress,
    )
    dataset.seal()
    preview = None
    if dataset.folder.is_local:
        preview = f"{dataset.path}.png"
        if report.rendered or not Path(preview).exists():
            montage(dataset.path, preview)
    return RenderReport(dataset, report.rendered, report.seconds, preview)


def load_renderer(model: Path, device: str, threads: int) -> "Callable[[Case], Sample]":
    """What a renderer's process loads, once."""
    from factory.render import Renderer

    return Renderer(model, threads, device).render


@dataclass(frozen=True)
class TrainReport:
    """A finished training. model: the folder of its weights and card."""

    model: Path

    def to_json(self) -> dict[str, Any]:
        return {"model": str(self.model), "complete": True}

    def lines(self) -> list[str]:
        return [
            f"model    {self.model}",
            f"use      factory render hydrocephalus --set appearance.model={self.model}",
        ]


def train_recipe(
    name: str,
    overrides: Sequence[str] = (),
    *,
    output: str | None = None,
    workers: int | None = None,
    address: str | None = None,
    serial: bool = False,
) -> TrainReport:
    """Train a recipe's model, or go on with it from its last checkpoint.

    serial: in this process, without Ray. Raises FactoryError, StorageError, WeightsError.
    """
    from factory.train.families import load_training

    changes = _with(_with(overrides, "output", output), "workers", workers)
    loaded = load_training(find_recipe(name), changes)
    from factory.train.launch import train  # and torch with it, once the recipe is sound

    return TrainReport(train(loaded, address, serial))


@dataclass(frozen=True)
class EvaluateReport:
    """Scores on held-out subjects. table: of the family's own making. folder: what was written."""

    table: Any
    folder: Path
    text: list[str]

    def to_json(self) -> dict[str, Any]:
        return {"rows": self.table.to_dict("records"), "folder": str(self.folder)}

    def lines(self) -> list[str]:
        return [*self.text, f"written  {self.folder}"]


def evaluate_recipe(
    name: str,
    overrides: Sequence[str] = (),
    *,
    model: str | None = None,
    output: str | None = None,
) -> EvaluateReport:
    """Score a training recipe's model on the subjects that it held out, as they are stored.

    model: a name or folder, by default the recipe's own output. Raises FactoryError, StorageError,
    WeightsError.
    """
    from factory.train.families import family_of, load_training

    loaded = load_training(find_recipe(name), overrides)
    own = Path(loaded.spec.output) / "model"
    folder = own if model is None else find_model(model)
    family = family_of(loaded.spec)
    written = Path(output or loaded.spec.output)
    table = family.score(folder, loaded.spec, written)
    if table is None:
        raise RecipeError(f"{loaded.source}: subjects.hold_out is empty; nothing to score")
    return EvaluateReport(table, written, family.text(table))


def _planned(
    name: str,
    overrides: Sequence[str],
    output: str | None,
    actors: int | None,
    address: str | None = None,
) -> tuple[Plan, Path]:
    """The plan, and the folder of its model."""
    recipe = load(find_recipe(name), RenderRecipe, _with(overrides, "output.path", output))
    model = find_model(recipe.spec.appearance.model)
    from models.checkpoint import read_card

    weights = sum(path.stat().st_size for path in model.glob("*.safetensors"))
    # a cluster's memory is Ray's to know
    machine = ANY if address else Machine.here(recipe.spec.output.path)
    return plan(recipe, read_card(model), weights, machine, actors), model


def _with(overrides: Sequence[str], key: str, value: Any) -> list[str]:
    """The overrides with an option of the command line as one more."""
    return [*overrides, *([] if value is None else [f"{key}={json.dumps(value)}"])]


def amount(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def duration(seconds: float) -> str:
    """Seconds as people read them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} days"
