"""What each verb of the command line does: recipe, plan, dataset, execution, and a report.

This is also the way in for a program: `from factory.pipeline import render_recipe`. Torch and Ray
are imported where they are needed, so that a mistake in a recipe is told at once.
"""

import functools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.errors import RecipeError
from factory.loading import load
from factory.plan import ANY, Machine, Plan, plan
from factory.recipe import RenderRecipe
from factory.reports import EvaluateReport, PlanReport, RenderReport, TrainReport
from factory.resolve import find_model, find_recipe
from storage.dataset_open import create, open_dataset
from storage.errors import DatasetError

if TYPE_CHECKING:
    from factory.cases import Case
    from factory.render import Sample


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

    made, model, _ = _planned(name, overrides, output, actors)
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
    made, model, fusion = _planned(name, overrides, output, actors, address)
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
    if part := recipe.spec.interpolate:
        anatomy = read_card(find_model(part.model, "interpolate.model"))["sha256"]
        weights = weights | {f"interpolate/{name}": digest for name, digest in anatomy.items()}
    if (latents := recipe.spec.latents) and recipe.spec.appearance:
        drawn = read_card(find_model(latents.model, "latents.model"))["sha256"]
        weights = weights | {f"latents/{name}": digest for name, digest in drawn.items()}
    if fusion:
        weights = weights | {f"fusion/{k}": v for k, v in read_card(fusion)["sha256"].items()}
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
            f"{recipe.spec.model}; choose another output or pass --overwrite"
        )
    done = dataset.done(made.shards())
    fuser = fusion.resolve() if fusion else None
    load = functools.partial(load_renderer, model.resolve(), device, fusion=fuser)
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


def load_renderer(
    model: Path, device: str, threads: int, fusion: Path | None = None
) -> "Callable[[Case], Sample]":
    """What a renderer's process loads, once."""
    from factory.render import Renderer

    return Renderer(model, threads, device, fusion).render


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

    layout = getattr(getattr(loaded.spec, "subjects", None), "layout", "")
    kind = f"{loaded.spec.family} {layout}".strip()
    return TrainReport(train(loaded, address, serial), kind)


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


def evaluate_dataset(
    dataset: str, against: str, overrides: Sequence[str] = (), *, output: str | None = None
) -> EvaluateReport:
    """FID, KID, precision and recall of a dataset's slices against the real ones of a stylegan2
    training recipe, those learnt and those held out; real against real beside, as the floor.

    overrides: of the training recipe. Raises FactoryError, StorageError, WeightsError.
    """
    from factory.train.families import load_training

    loaded = load_training(find_recipe(against), overrides)
    if loaded.spec.family != "stylegan2":
        raise RecipeError(
            f"{loaded.source}: family {loaded.spec.family}; --against takes one of stylegan2"
        )
    from factory.evaluate.slices import compare

    written = Path(output or ".")
    table = compare(dataset, loaded.spec)
    written.mkdir(parents=True, exist_ok=True)
    table.to_csv(written / "distribution.csv", index=False)
    return EvaluateReport(table, written, str(table.to_string(index=False)).splitlines())


def _planned(
    name: str,
    overrides: Sequence[str],
    output: str | None,
    actors: int | None,
    address: str | None = None,
) -> tuple[Plan, Path, Path | None]:
    """The plan, the folder of its model, and that of a trained fusion if it names one."""
    recipe = load(find_recipe(name), RenderRecipe, _with(overrides, "output.path", output))
    spec = recipe.spec
    model = find_model(spec.model, "appearance.model" if spec.appearance else "latents.model")
    fusion = find_model(spec.fusion, "appearance.fuse.cnn") if spec.fusion else None
    from models.checkpoint import read_card

    folders = (model, fusion) if fusion else (model,)
    weights = sum(path.stat().st_size for f in folders for path in f.glob("*.safetensors"))
    # a cluster's memory is Ray's to know
    machine = ANY if address else Machine.here(recipe.spec.output.path)
    fuser = read_card(fusion) if fusion else None
    made = plan(recipe, read_card(model), weights, machine, actors, fuser)
    return made, model, fusion


def _with(overrides: Sequence[str], key: str, value: Any) -> list[str]:
    """The overrides with an option of the command line as one more."""
    return [*overrides, *([] if value is None else [f"{key}={json.dumps(value)}"])]
