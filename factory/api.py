"""What each verb of the command line does, for programs as for the command line.

Torch and Ray are imported where they are needed, so that a mistake in a recipe is told at once.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from factory.datasets.start import existing_dataset, plan_append, start_dataset, with_shard_size_of
from factory.errors import FactoryError, RecipeError
from factory.execution.options import RenderOptions, RunOptions
from factory.execution.render_run import plan_for_machine, render_shards
from factory.lookup import find_model, find_recipe
from factory.planning.append import earlier_recipes
from factory.planning.plan import Plan
from factory.rendering.model_set import ModelSet
from factory.results import EvaluateReport, PlanReport, RenderReport, TrainReport, rejected_samples
from factory.schema.render_recipe import Recipe
from factory.schema.render_recipe import load_recipe as load_file
from factory.storage.dataset.lease import Lease
from factory.storage.dataset.object_store import ObjectStore

if TYPE_CHECKING:
    from factory.datasets.export import ExportReport
    from factory.datasets.open import OpenedDataset
    from factory.datasets.repair import VerifyReport
    from factory.datasets.replay import ReplayReport

Changes = Mapping[str, Any] | Sequence[str]
"""Keys of a recipe and their values, {"subjects.phantom.count": 8}; or "KEY=VALUE" as --set."""

How = Literal["model", "dataset", "audit", "deformation", "downstream"]


def load_recipe(name: str, changes: Changes = ()) -> Recipe:
    """Read a render recipe.

    Arguments:
        name: A file, or the name of a recipe here or installed, e.g. "hydrocephalus".
        changes: Keys that are changed.

    Raises:
        RecipeError: One line: file, line, key, value, what is allowed.
    """
    return load_file(find_recipe(name), _overrides(changes))


def plan(
    recipe: Recipe | str, *, output: str | None = None, options: RunOptions = RunOptions()
) -> Plan:
    """Say what `render` would make; write nothing.

    Arguments:
        recipe: What `load_recipe` gives, or its argument.
        output: A folder or URL, instead of the recipe's.
        options: Where it would be made.

    Returns:
        The plan: samples, shards, bytes, memory and time projected; its `warnings` are lines.

    Raises:
        FactoryError: Where the recipe, a model or the subjects cannot be used.
        StorageError: Where subjects or the output cannot be read.
    """
    return plan_report(recipe, output=output, options=options).plan


def plan_report(
    recipe: Recipe | str,
    *,
    output: str | None = None,
    append: bool = False,
    options: RunOptions = RunOptions(),
) -> PlanReport:
    """As `plan`, with what stands at the output already.

    append: as the dataset of the recipe before it grew would go on.
    """
    from factory.rendering.preflight import label_warnings

    recipe = _written_to(recipe, output)
    networks = ModelSet.of(recipe)
    made = plan_for_machine(recipe, networks, options)
    outside = label_warnings(recipe, networks.card)
    made = replace(made, warnings=(*made.warnings, *outside))
    dataset = existing_dataset(recipe.spec.output.path)
    if dataset is None:  # nothing there yet
        return PlanReport(made)
    made = with_shard_size_of(made, dataset)
    if dataset.record["recipe_digest"] == recipe.digest:
        made = replace(made, earlier_recipes=earlier_recipes(dataset.record, dataset.path))
        made = replace(made, finished_shards=dataset.done(made.shards()))
        complete = dataset.is_complete()
        return PlanReport(made, complete, dataset.digest() if complete else None)
    if append:
        made = plan_append(made, dataset)
        return PlanReport(
            replace(made, finished_shards=dataset.done(made.shards(), failed_too=True))
        )
    other = (
        f"{dataset.path} was made by another recipe; rendering there needs --overwrite, or "
        "--append where this one only adds to it"
    )
    return PlanReport(replace(made, warnings=(*made.warnings, other)))


def render(
    recipe: Recipe | str, *, output: str | None = None, options: RenderOptions = RenderOptions()
) -> RenderReport:
    """Make a recipe's dataset, or go on with it where a run left off, and seal it.

    Arguments:
        recipe: What `load_recipe` gives, or its argument.
        output: A folder or URL, instead of the recipe's.
        options: What may be done, and where.

    Raises:
        FactoryError, StorageError, WeightsError: In one line, before anything is made.
        ShardsFailed: Where some shards could not be rendered; the others stand.
    """
    from factory.datasets.montage.montage import montage
    from factory.rendering.device import device_for

    recipe, run = _written_to(recipe, output), options.run
    networks = ModelSet.of(recipe)
    made = plan_for_machine(recipe, networks, run)
    if run.progress:
        for warning in made.warnings:
            print(f"factory: warning: {warning}", file=sys.stderr)
    device = device_for(run.device, run.address)
    made = made.for_device(device, options.overlap)
    lease = Lease(ObjectStore(recipe.spec.output.path), options.beside)
    lease.refuse()  # before anything is replaced
    dataset, made = start_dataset(
        made,
        networks,
        device,
        overwrite=options.overwrite,
        append=options.append,
        allow_mixed=options.allow_mixed,
    )
    with lease:
        report = render_shards(made, dataset, networks, device, run, keep_going=options.keep_going)
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


def open(
    path: str, *, cache: str | None = None, unsealed: bool = False, unaccepted: bool = False
) -> "OpenedDataset":
    """Open a finished dataset, to look into it, filter it and train from it.

    Arguments:
        path: A folder or URL.
        cache: For a bucket, a folder of this machine where what was read is kept.
        unsealed: Open one that is not finished, too, as far as it stands.
        unaccepted: With the samples whose column `accepted` is False.

    Raises:
        DatasetError: One line, where there is none or it is damaged.
    """
    from factory.datasets.open import opened

    return opened(path, cache=cache, unsealed=unsealed, unaccepted=unaccepted)


def train(
    recipe: str,
    changes: Changes = (),
    *,
    output: str | None = None,
    workers: int | None = None,
    options: RunOptions = RunOptions(),
) -> TrainReport:
    """Train a recipe's model, or go on with it from its last checkpoint.

    Arguments:
        recipe: A training recipe's file or name.
        changes: Keys of it that are changed.
        output: A folder, instead of the recipe's.
        workers: Training processes, instead of the recipe's.
        options: Where it is done.

    Raises:
        FactoryError, StorageError, WeightsError: In one line.
    """
    from factory.families.registry import FAMILIES, load_training

    overrides = _overrides(changes)
    overrides = [*overrides, *_changed("output", output), *_changed("workers", workers)]
    loaded = load_training(find_recipe(recipe), overrides)
    from factory.execution import training_job  # and torch with it, once the recipe is sound

    uses = FAMILIES[loaded.spec.family].uses
    layout = getattr(getattr(loaded.spec, "subjects", None), "layout", "")
    model = training_job.train(loaded, options.address, options.serial)
    return TrainReport(model, uses.get(layout, uses.get("")))


def evaluate(
    how: How,
    what: str,
    against: str | None = None,
    *,
    changes: Changes = (),
    output: str | None = None,
    **options: Any,
) -> EvaluateReport:
    """Score a model or a dataset.

    Arguments:
        how: "model": the model of the training recipe `what`, on the subjects that it held out.
            The others score the dataset `what`. "dataset": against real images, by what
            `against` says: "original", each sample beside its own real image, or the images of a
            folder or recipe, by FID, KID, precision and recall. "audit": whether samples are
            copies of the images of `against`. "deformation": how far head planes must be deformed
            to become those of `against`. "downstream": what it teaches the segmenter of the
            training recipe `against`.
        what: A training recipe or a dataset.
        against: See above; for "model" a model's name or folder, by default the recipe's own.
        changes: Keys of the recipe that are changed.
        output: A folder for tables and pictures.
        options: Further arguments of factory.evaluation.scores.

    Raises:
        FactoryError, StorageError, WeightsError: In one line.
    """
    from factory.evaluation import scores

    overrides = _overrides(changes)
    if how == "model":
        return score_model(what, overrides, model=against, output=output)
    if against is None:
        raise FactoryError(f"evaluate: {how} needs what to hold {what} against")
    if how == "downstream":
        return scores.score_downstream(what, against, overrides, output=output, **options)
    return scores.score_dataset(what, against, overrides, how=how, output=output, **options)


def score_model(
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


def verify(dataset: str) -> "VerifyReport":
    """Read all of a dataset, and name whatever is damaged or missing.

    Arguments:
        dataset: A folder or URL.

    Raises:
        DatasetError: Where there is none, or it cannot be read.
    """
    from factory.datasets.repair import verify_dataset

    return verify_dataset(dataset)


def repair(
    dataset: str, *, allow_mixed: bool = False, options: RunOptions = RunOptions()
) -> "VerifyReport":
    """Make again what is damaged or missing of a dataset, and nothing else: the same bytes.

    Arguments:
        dataset: A folder or URL.
        allow_mixed: Also in another environment than it was made in.
        options: Where it is done.

    Raises:
        DatasetError: Where record and seal are both damaged, or environment and weights are not
            those that made it.
        FactoryError, ShardsFailed: As `render`.
    """
    from factory.datasets.repair import repair_dataset

    return repair_dataset(dataset, allow_mixed=allow_mixed, run=options)


def replay(
    dataset: str, sample: int, output: str, changes: Changes = (), *, allow_mixed: bool = False
) -> "ReplayReport":
    """Make one sample again from its own record; with changes, as it would be otherwise.

    Arguments:
        dataset: A folder or URL.
        sample: Its index.
        output: Where it is written, as a dataset of one sample.
        changes: Parameters that are changed, {"grade": 3}.
        allow_mixed: Also in another environment than it was made in.

    Raises:
        FactoryError, StorageError, WeightsError: In one line.
    """
    from factory.datasets.replay import replay as make_again

    return make_again(dataset, sample, output, _overrides(changes), allow_mixed=allow_mixed)


def export(dataset: str, to: str, output: str | None = None, **options: Any) -> "ExportReport":
    """Write a complete dataset in another format, or go on with that.

    Arguments:
        dataset: A folder or URL.
        to: "nnunet", "bids", "ome-zarr", "croissant", or another that `factory export --help`
            lists.
        output: A folder of this machine; a description lies in the dataset's own by default.
        options: Further arguments of factory.datasets.export.export: which samples, what licence.

    Raises:
        FactoryError: For a format that is none, or a worker that died.
        StorageError: Where the dataset is not complete or damaged, or the folder holds something
            else.
    """
    from factory.datasets.export import export as write

    return write(dataset, to, output, **options)


def submit(
    recipe: str,
    changes: Changes = (),
    arguments: Sequence[str] = (),
    *,
    address: str = "http://127.0.0.1:8265",
) -> int:
    """Render a recipe as a job on a Ray cluster, and follow its log until it ends.

    Arguments:
        recipe: A recipe's file or name.
        changes: Keys of it that are changed.
        arguments: More of those of `factory render`, e.g. "--keep-going".
        address: The cluster's job server.

    Returns:
        The exit code of `factory render` there.

    Raises:
        FactoryError: Where the recipe cannot be sent, or no job server answers.
    """
    from factory.execution.submit import submit as send

    return send(recipe, _overrides(changes), arguments, address=address)


def _written_to(recipe: Recipe | str, output: str | None) -> Recipe:
    """The recipe, with another output."""
    if isinstance(recipe, str):
        return load_recipe(recipe, _changed("output.path", output))
    if output is None:
        return recipe
    path = recipe.spec.output.model_copy(update={"path": output})
    overrides = (*recipe.overrides, *_changed("output.path", output))
    return Recipe(recipe.spec.model_copy(update={"output": path}), recipe.source, overrides)


def _overrides(changes: Changes) -> list[str]:
    """Changes as "KEY=VALUE"."""
    if isinstance(changes, Mapping):
        return [change for key, value in changes.items() for change in _changed(key, value)]
    return list(changes)


def _changed(key: str, value: Any) -> list[str]:
    """A changed key as "KEY=VALUE", or nothing where it is None."""
    return [] if value is None else [f"{key}={json.dumps(value)}"]
