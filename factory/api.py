"""The verbs of the command line as functions.

Torch and Ray are imported inside the functions that need them, so that a mistake in a recipe is
reported before these slow imports.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from factory.datasets.import_recipe import ImportOptions, make_import_recipe
from factory.datasets.start import adopt_shard_size, open_existing, plan_append, start_dataset
from factory.errors import FactoryError, RecipeError
from factory.execution.options import RenderOptions, RunOptions
from factory.execution.render_run import plan_for_machine, render_shards
from factory.lookup import find_model, find_recipe
from factory.planning.append import earlier_recipes
from factory.planning.plan import Plan
from factory.rendering.model_set import ModelSet
from factory.results import EvaluateReport, PlanReport, RenderReport, TrainReport, rejected_samples
from factory.schema.render_recipe import Recipe
from factory.schema.render_recipe import load_recipe_file as load_file
from factory.storage.dataset.lease import Lease
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.json_value import JsonValue

if TYPE_CHECKING:
    from factory.datasets.export import ExportReport
    from factory.datasets.open import OpenedDataset
    from factory.datasets.repair import VerifyReport
    from factory.datasets.replay import ReplayReport

Changes = Mapping[str, JsonValue] | Sequence[str]
"""Recipe keys to change: {"subjects.learned.count": 8}, or "KEY=VALUE" lines as for --set."""

EvaluationKind = Literal["model", "dataset", "audit", "deformation", "downstream"]


def load_recipe(name: str, changes: Changes = ()) -> Recipe:
    """Read a render recipe.

    Args:
        name: A file, or the name of a recipe here or installed, e.g. "hydrocephalus".
        changes: Keys to change.

    Raises:
        RecipeError: The recipe is wrong. The message is one line: file, line, key, value and what
            is allowed.
    """
    return load_file(find_recipe(name), _overrides(changes))


def plan(
    recipe: Recipe | str, *, output: str | None = None, options: RunOptions = RunOptions()
) -> Plan:
    """Plan what `render` will make, and write nothing.

    Args:
        recipe: A recipe, or the name of one for `load_recipe`.
        output: A folder or URL that replaces the recipe's.
        options: Where the dataset would be rendered.

    Returns:
        The plan: samples, shards, projected bytes, memory and time, and warnings of one line each.

    Raises:
        FactoryError: The recipe, a model or the subjects cannot be used.
        StorageError: The subjects or the output cannot be read.
    """
    return plan_report(recipe, output=output, options=options).plan


def plan_report(
    recipe: Recipe | str,
    *,
    output: str | None = None,
    append: bool = False,
    options: RunOptions = RunOptions(),
) -> PlanReport:
    """Plan what `render` will make, and compare it with the dataset at the output.

    Args:
        recipe: A recipe, or the name of one for `load_recipe`.
        output: A folder or URL that replaces the recipe's.
        append: Whether a dataset of an earlier version of the recipe would grow.
        options: Where the dataset would be rendered.

    Raises:
        FactoryError: The recipe, a model or the subjects cannot be used.
        StorageError: The subjects or the output cannot be read.
    """
    from factory.rendering.preflight import label_warnings

    recipe = _resolve_recipe(recipe, output)
    networks = ModelSet.of(recipe)
    projection = plan_for_machine(recipe, networks, options)
    cards = {name: cards.painter for name, cards in networks.painting_cards.items()}
    warnings = (*projection.warnings, *label_warnings(recipe, networks.card, cards))
    projection = replace(projection, warnings=warnings)
    dataset = open_existing(recipe.spec.output.path)
    if dataset is None:
        return PlanReport(projection)
    projection = adopt_shard_size(projection, dataset)
    if dataset.record["recipe_digest"] == recipe.digest:
        projection = replace(
            projection, earlier_recipes=earlier_recipes(dataset.record, dataset.path)
        )
        projection = replace(
            projection, finished_shards=dataset.finished_shards(projection.shards())
        )
        complete = dataset.is_complete()
        return PlanReport(projection, complete, dataset.digest() if complete else None)
    if append:
        projection = plan_append(projection, dataset)
        return PlanReport(
            replace(
                projection,
                finished_shards=dataset.finished_shards(projection.shards(), failed_too=True),
            )
        )
    other = (
        f"{dataset.path} was made by another recipe; rendering there needs --overwrite, or "
        "--append where this one only adds to it"
    )
    return PlanReport(replace(projection, warnings=(*projection.warnings, other)))


def render(
    recipe: Recipe | str, *, output: str | None = None, options: RenderOptions = RenderOptions()
) -> RenderReport:
    """Render the dataset of a recipe, or continue an interrupted run, and seal the dataset.

    Args:
        recipe: A recipe, or the name of one for `load_recipe`.
        output: A folder or URL that replaces the recipe's.
        options: What the run may do, and where.

    Raises:
        FactoryError, StorageError, WeightsError: Something is wrong. The message is one line and
            comes before anything is rendered.
        ShardsFailed: Some shards could not be rendered. All other shards are complete.
    """
    from factory.datasets.montage.montage import draw_montage
    from factory.rendering.device import device_for

    recipe, run = _resolve_recipe(recipe, output), options.run
    networks = ModelSet.of(recipe)
    projection = plan_for_machine(recipe, networks, run)
    if run.progress:
        for warning in projection.warnings:
            print(f"factory: warning: {warning}", file=sys.stderr)
    device = device_for(run.device, run.address)
    projection = projection.for_device(device, options.overlap)
    lease = Lease(ObjectStore(recipe.spec.output.path), options.beside)
    lease.refuse_if_busy()  # before anything is replaced
    dataset, projection = start_dataset(
        projection,
        networks,
        device,
        overwrite=options.overwrite,
        append=options.append,
        allow_mixed=options.allow_mixed,
    )
    with lease:
        report = render_shards(projection, dataset, networks, device, options)
        dataset.seal()
    preview = None
    if dataset.folder.is_local:
        preview = f"{dataset.path}.png"
        if report.rendered or not Path(preview).exists():
            draw_montage(dataset.path, preview)
    return RenderReport(
        dataset,
        report.rendered,
        report.seconds,
        preview,
        failures=dataset.failures(),
        rejected=rejected_samples(dataset) if recipe.spec.gate else {},
    )


def import_dataset(
    folder: str,
    output: str,
    files: ImportOptions = ImportOptions(),
    *,
    options: RenderOptions = RenderOptions(),
) -> RenderReport:
    """Make a dataset of real images and their label maps, or continue an interrupted import.

    Real and made datasets may then be mixed in one training, since images have the same units.

    Args:
        folder: A folder in the layout of BIDS, nnU-Net or M&Ms, or of any NIfTI files.
        output: The folder or URL of the dataset.
        files: What the folder does not say: patterns, mapping, covariates, spacing.
        options: What the run may do, and where.

    Raises:
        FactoryError, StorageError: Something is wrong. The message is one line and comes before
            anything is written.
        ShardsFailed: Some pairs could not be imported. All other shards are complete.
    """
    return render(make_import_recipe(folder, output, files), options=options)


def open(
    path: str, *, cache: str | None = None, unsealed: bool = False, unaccepted: bool = False
) -> "OpenedDataset":
    """Open a dataset to inspect it, to filter it or to train from it.

    Args:
        path: A folder or URL.
        cache: For a dataset in a bucket, a local folder that keeps what has been read.
        unsealed: Whether to open an unfinished dataset as well, with its finished samples.
        unaccepted: Whether to include the samples whose column `accepted` is False.

    Raises:
        DatasetError: There is no dataset, or it is damaged.
    """
    from factory.datasets.open import open_samples

    return open_samples(path, cache=cache, unsealed=unsealed, unaccepted=unaccepted)


def train(
    recipe: str,
    changes: Changes = (),
    *,
    output: str | None = None,
    workers: int | None = None,
    options: RunOptions = RunOptions(),
) -> TrainReport:
    """Train the model of a recipe, or continue from its last checkpoint.

    Args:
        recipe: The file or name of a training recipe.
        changes: Keys to change.
        output: A folder that replaces the recipe's.
        workers: A number of training processes that replaces the recipe's.
        options: Where the training runs.

    Raises:
        FactoryError, StorageError, WeightsError: Something is wrong. The message is one line.
    """
    from factory.families.registry import FAMILIES, load_training

    overrides = _overrides(changes)
    overrides = [*overrides, *_override("output", output), *_override("workers", workers)]
    loaded = load_training(find_recipe(recipe), overrides)
    from factory.execution import training_job  # imports torch, so only after the recipe's checks

    uses = FAMILIES[loaded.spec.family].uses
    layout = getattr(getattr(loaded.spec, "subjects", None), "layout", "")
    model = training_job.train(loaded, options)
    return TrainReport(model, uses.get(layout, uses.get("")))


def evaluate(
    how: EvaluationKind,
    what: str,
    against: str | None = None,
    *,
    changes: Changes = (),
    output: str | None = None,
    **options: Any,
) -> EvaluateReport:
    """Score a model or a dataset.

    Args:
        how: The kind of evaluation. "model" scores the model of the training recipe `what` on its
            held-out subjects. All others score the dataset `what`:
            "dataset" compares it with real images. If `against` is "original", each sample is
            compared with its own real image; if it is a folder or a recipe, the two sets are
            compared by FID, KID, precision and recall.
            "audit" tests whether samples are copies of the images of `against`.
            "deformation" measures how far head planes must be deformed to match those of `against`.
            "downstream" measures how well the segmenter of the training recipe `against` performs
            when it is trained on the dataset.
        what: A training recipe or a dataset.
        against: What to compare with, see `how`. For "model" the name or folder of a model, by
            default the recipe's own.
        changes: Keys of the recipe to change.
        output: A folder for tables and images.
        options: Further arguments of the functions in factory.evaluation.scores.

    Raises:
        FactoryError, StorageError, WeightsError: Something is wrong. The message is one line.
    """
    from factory.evaluation import scores

    overrides = _overrides(changes)
    if how == "model":
        return score_model(what, overrides, model=against, output=output)
    if against is None:
        raise FactoryError(f"evaluate: {how} needs what to compare {what} with")
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
    """Score the model of a training recipe on its held-out subjects.

    Args:
        name: The file or name of the training recipe.
        overrides: "KEY=VALUE" lines.
        model: The name or folder of a model, by default the recipe's own output.
        output: A folder for tables and images, by default the recipe's.

    Raises:
        FactoryError, StorageError, WeightsError: Something is wrong. The message is one line.
    """
    from factory.families.registry import FAMILIES, load_training

    loaded = load_training(find_recipe(name), overrides)
    folder = Path(loaded.spec.output) / "model" if model is None else find_model(model)
    job = FAMILIES[loaded.spec.family].job
    output_folder = Path(output or loaded.spec.output)
    table = job.score(folder, loaded.spec, output_folder)
    if table is None:
        raise RecipeError(f"{loaded.source}: subjects.hold_out is empty; nothing to score")
    return EvaluateReport(table, output_folder, job.text(table))


def verify(dataset: str) -> "VerifyReport":
    """Read a whole dataset and list what is damaged or missing.

    Args:
        dataset: A folder or URL.

    Raises:
        DatasetError: There is no dataset, or it cannot be read.
    """
    from factory.datasets.repair import verify_dataset

    return verify_dataset(dataset)


def repair(
    dataset: str, *, allow_mixed: bool = False, options: RunOptions = RunOptions()
) -> "VerifyReport":
    """Render the damaged or missing parts of a dataset again, byte for byte, and nothing else.

    Args:
        dataset: A folder or URL.
        allow_mixed: Whether to repair it in an environment that differs from the original one.
        options: Where the repair runs.

    Raises:
        DatasetError: Record and seal are both damaged, or the environment or the weights differ
            from the original ones.
        FactoryError, ShardsFailed: As for `render`.
    """
    from factory.datasets.repair import repair_dataset

    return repair_dataset(dataset, allow_mixed=allow_mixed, run=options)


def replay(
    dataset: str, sample: int, output: str, changes: Changes = (), *, allow_mixed: bool = False
) -> "ReplayReport":
    """Render one sample again from its record, unchanged or with other parameters.

    Args:
        dataset: A folder or URL.
        sample: The index of the sample.
        output: Where to write it, as a dataset of one sample.
        changes: Parameters to change, e.g. {"grade": 3}.
        allow_mixed: Whether to render it in an environment that differs from the original one.

    Raises:
        FactoryError, StorageError, WeightsError: Something is wrong. The message is one line.
    """
    from factory.datasets.replay import replay_sample

    return replay_sample(dataset, sample, output, _overrides(changes), allow_mixed=allow_mixed)


def export(dataset: str, to: str, output: str | None = None, **options: Any) -> "ExportReport":
    """Write a complete dataset in another format, or continue an interrupted export.

    Args:
        dataset: A folder or URL.
        to: "nnunet", "bids", "ome-zarr", "croissant", or another format that `factory export
            --help` lists.
        output: A local folder. Descriptions such as "croissant" are by default written into the
            folder of the dataset.
        options: Further arguments of factory.datasets.export.export_dataset, e.g. `where`.

    Raises:
        FactoryError: The format is unknown, or a worker process died.
        StorageError: The dataset is incomplete or damaged, or the folder has other content.
    """
    from factory.datasets.export import export_dataset

    return export_dataset(dataset, to, output, **options)


def submit(
    recipe: str,
    changes: Changes = (),
    arguments: Sequence[str] = (),
    *,
    address: str = "http://127.0.0.1:8265",
) -> int:
    """Render a recipe as a job on a Ray cluster, and print its log until it ends.

    Args:
        recipe: The file or name of a recipe.
        changes: Keys to change.
        arguments: Further arguments of `factory render`, e.g. "--keep-going".
        address: The job server of the cluster.

    Returns:
        The exit code of `factory render` on the cluster.

    Raises:
        FactoryError: The recipe cannot be sent, or no job server answers.
    """
    from factory.execution.submit import submit as submit_job

    return submit_job(recipe, _overrides(changes), arguments, address=address)


def _resolve_recipe(recipe: Recipe | str, output: str | None) -> Recipe:
    """Return a recipe, loaded if only its name is given, with its output replaced."""
    if isinstance(recipe, str):
        return load_recipe(recipe, _override("output.path", output))
    if output is None:
        return recipe
    path = recipe.spec.output.model_copy(update={"path": output})
    overrides = (*recipe.overrides, *_override("output.path", output))
    spec = recipe.spec.model_copy(update={"output": path})
    return Recipe(spec, recipe.source, overrides, recipe.places)


def _overrides(changes: Changes) -> list[str]:
    """Return changes as "KEY=VALUE" lines."""
    if isinstance(changes, Mapping):
        return [line for key, value in changes.items() for line in _override(key, value)]
    return list(changes)


def _override(key: str, value: JsonValue) -> list[str]:
    """Return a change as one "KEY=VALUE" line, or no line if the value is None."""
    return [] if value is None else [f"{key}={json.dumps(value)}"]
