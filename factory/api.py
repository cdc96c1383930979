"""What each verb of the command line does: recipe, plan, dataset, execution, and a report.

This is also the way in for a program: `from factory.api import render_recipe`. Torch and Ray
are imported where they are needed, so that a mistake in a recipe is told at once.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.config.loading import load
from factory.datasets.start import begin, cut_as, growing, standing
from factory.errors import FactoryError, RecipeError
from factory.execution.render_run import planned, run
from factory.lookup import find_model, find_recipe
from factory.planning.append import earlier_recipes
from factory.rendering.model_set import Networks
from factory.results import EvaluateReport, PlanReport, RenderReport, TrainReport, rejected_samples
from factory.schema.render_recipe import Recipe, RenderRecipe
from factory.storage.dataset.lease import Lease
from factory.storage.dataset.object_store import Folder

if TYPE_CHECKING:
    pass


def plan_recipe(
    name: str,
    overrides: Sequence[str] = (),
    *,
    output: str | None = None,
    actors: int | None = None,
    append: bool = False,
) -> PlanReport:
    """What `render_recipe` would make. Writes nothing. Raises FactoryError, StorageError."""
    from factory.rendering.preflight import label_warnings

    recipe = _loaded(name, overrides, output)
    networks = Networks.of(recipe)
    made = planned(recipe, networks, actors)
    outside = label_warnings(recipe, networks.card)
    made = replace(made, warnings=(*made.warnings, *outside))
    dataset = standing(recipe.spec.output.path)
    if dataset is None:  # nothing there yet
        return PlanReport(made)
    made = cut_as(made, dataset)
    if dataset.record["recipe_digest"] == recipe.digest:
        made = replace(made, earlier=earlier_recipes(dataset.record, dataset.path))
        made = replace(made, done=dataset.done(made.shards()))
        complete = dataset.is_complete()
        return PlanReport(made, complete, dataset.digest() if complete else None)
    if append:
        made = growing(made, dataset)
        return PlanReport(replace(made, done=dataset.done(made.shards(), failed_too=True)))
    other = (
        f"{dataset.path} was made by another recipe; rendering there needs --overwrite, or "
        "--append where this one only adds to it"
    )
    return PlanReport(replace(made, warnings=(*made.warnings, other)))


def render_recipe(
    name: str,
    overrides: Sequence[str] = (),
    *,
    output: str | None = None,
    overwrite: bool = False,
    append: bool = False,
    beside: bool = False,
    serial: bool = False,
    address: str | None = None,
    actors: int | None = None,
    device: str | None = None,
    allow_mixed: bool = False,
    keep_going: bool = False,
    overlap: bool | None = None,
    progress: bool = True,
) -> RenderReport:
    """Make a recipe's dataset, or go on with it where a run left off, and seal it.

    overwrite: replace another recipe's dataset. append: let the dataset of the recipe before it
    grew keep its samples, and add the rest. beside: go on where another driver is at work.
    serial: in this process, without Ray. address: a Ray cluster to join. device: what renders, by
    default as this machine has; "cuda" for a cluster whose head has no GPU. progress: show it on
    stderr, warnings too. keep_going: seal it though cases cannot be rendered; each of them keeps a
    vacant place, not accepted, and the same command tries them again. overlap: whether renderers
    begin cases ahead, else as Plan.on has it. Raises FactoryError, StorageError, WeightsError in
    one line; ShardsFailed where some shards could not be rendered and the others stand.
    """
    recipe = _loaded(name, overrides, output)
    networks = Networks.of(recipe)
    made = planned(recipe, networks, 1 if serial else actors, address)
    if progress:
        for warning in made.warnings:
            print(f"factory: warning: {warning}", file=sys.stderr)
    from factory.datasets.montage.montage import montage
    from factory.rendering.device import device_for

    device = device_for(device, address)
    made = made.on(device, overlap)
    lease = Lease(Folder(recipe.spec.output.path), beside)
    lease.refuse()  # before anything is replaced
    dataset, made = begin(
        made, networks, device, overwrite=overwrite, append=append, allow_mixed=allow_mixed
    )
    with lease:
        report = run(
            made,
            dataset,
            networks,
            device,
            serial=serial,
            address=address,
            actors=actors,
            keep_going=keep_going,
            progress=progress,
        )
        dataset.seal()
    preview = None
    if dataset.folder.is_local:
        preview = f"{dataset.path}.png"
        if report.rendered or not Path(preview).exists():
            montage(dataset.path, preview)
    return RenderReport(
        dataset,
        report.rendered,
        report.seconds,
        preview,
        failures=dataset.failures(),
        rejected=rejected_samples(dataset) if recipe.spec.gate else {},
    )


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
    from factory.families.registry import FAMILIES, load_training

    changes = _with(_with(overrides, "output", output), "workers", workers)
    loaded = load_training(find_recipe(name), changes)
    from factory.execution.training_job import train  # and torch with it, once the recipe is sound

    uses = FAMILIES[loaded.spec.family].uses
    layout = getattr(getattr(loaded.spec, "subjects", None), "layout", "")
    return TrainReport(train(loaded, address, serial), uses.get(layout, uses.get("")))


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
    from factory.families.registry import FAMILIES, load_training

    loaded = load_training(find_recipe(name), overrides)
    own = Path(loaded.spec.output) / "model"
    folder = own if model is None else find_model(model)
    job = FAMILIES[loaded.spec.family].job
    written = Path(output or loaded.spec.output)
    table = job.score(folder, loaded.spec, written)
    if table is None:
        raise RecipeError(f"{loaded.source}: subjects.hold_out is empty; nothing to score")
    return EvaluateReport(table, written, job.text(table))


def evaluate_dataset(
    dataset: str,
    real: str,
    overrides: Sequence[str] = (),
    *,
    output: str | None = None,
    how: str = "distribution",
    extractor: str | None = None,
    slices: int | None = None,
    workers: int = 1,
    address: str | None = None,
    progress: bool = False,
) -> EvaluateReport:
    """A dataset against real images; tables and pictures to output.

    real: "original", each sample against its own real image; or a folder or recipe, whose images
    the set is held against. overrides: of that recipe. how: by its "distribution", by an "audit",
    whether samples are copies of training images, or by the "deformation" that makes head planes
    real. slices: of a volume and direction. workers: processes of Ray's, of the cluster at address
    if one is given. Raises FactoryError, StorageError, WeightsError.
    """
    from factory.evaluation.dataset import evaluate
    from factory.evaluation.parallel import Crew

    where, crew = Path(output or "."), Crew(workers, address, progress)
    try:  # before the work, not after it
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FactoryError(f"--output {where}: {error.strerror}; allowed: a folder") from error
    with crew.gathered():
        return evaluate(dataset, real, overrides, where, how, extractor, slices, crew)


def evaluate_downstream(
    dataset: str,
    recipe: str,
    overrides: Sequence[str] = (),
    *,
    seeds: int = 3,
    output: str | None = None,
) -> EvaluateReport:
    """What a dataset teaches a segmenter: the training recipe of one, carried out on its real
    volumes, on the dataset, and on both, and tested on what it holds out.

    Trains 3 × seeds segmenters in output, by default the recipe's own, and resumes there. Raises
    FactoryError, StorageError.
    """
    from factory.families.registry import load_training

    loaded = load_training(find_recipe(recipe), overrides)
    if loaded.spec.family != "segmenter":
        raise RecipeError(
            f"{loaded.source}: family {loaded.spec.family}; --downstream takes one of segmenter"
        )
    from factory.evaluation.downstream import compare, summary
    from factory.evaluation.summary_file import write_about
    from factory.storage.dataset.open import open_dataset
    from factory.training.data import held_out_subjects

    written = Path(output or f"{loaded.spec.output}-downstream")
    opened = open_dataset(dataset)
    found, remarks = compare(opened, loaded.spec, seeds, written)
    part = loaded.spec.subjects
    table = summary(found, held_out_subjects(part, part.spacing_mm[0]))
    found.to_csv(written / "downstream-scores.csv", index=False)
    table.to_csv(written / "downstream.csv", index=False)
    write_about(written, "downstream", opened, recipe, remarks)
    text = str(table.round(3).to_string(index=False)).splitlines()
    return EvaluateReport(table, written, [*text, *remarks])


def _loaded(name: str, overrides: Sequence[str], output: str | None) -> Recipe:
    return load(find_recipe(name), RenderRecipe, _with(overrides, "output.path", output))


def _with(overrides: Sequence[str], key: str, value: Any) -> list[str]:
    """The overrides with an option of the command line as one more."""
    return [*overrides, *([] if value is None else [f"{key}={json.dumps(value)}"])]
