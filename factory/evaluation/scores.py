"""Scores of a dataset: against real images, and by what it teaches a segmenter."""

from collections.abc import Sequence
from pathlib import Path

from factory.errors import FactoryError, RecipeError
from factory.lookup import find_recipe
from factory.results import EvaluateReport


def score_dataset(
    dataset: str,
    real: str,
    overrides: Sequence[str] = (),
    *,
    how: str = "dataset",
    output: str | None = None,
    extractor: str | None = None,
    slices: int | None = None,
    workers: int = 1,
    address: str | None = None,
    progress: bool = False,
) -> EvaluateReport:
    """Score a dataset against real images; write tables and pictures to output.

    Arguments:
        dataset: A folder or URL.
        real: "original", each sample against its own real image; or a folder or recipe, whose
            images the set is held against.
        overrides: "KEY=VALUE", of that recipe.
        how: By its distribution ("dataset"); by an "audit", whether samples are copies of training
            images; or by the "deformation" that makes head planes real.
        output: A folder, by default the working folder.
        extractor: Of features, see factory.families.feature_extractors.
        slices: How many slices of a volume are compared in each direction.
        workers: Processes of Ray's; 1 does without Ray.
        address: Of a Ray cluster to join.
        progress: Show progress on stderr.

    Raises:
        FactoryError, StorageError, WeightsError: In one line.
    """
    from factory.evaluation.dataset import evaluate
    from factory.evaluation.parallel import Workers

    where, crew = Path(output or "."), Workers(workers, address, progress)
    try:  # before the work, not after it
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FactoryError(f"--output {where}: {error.strerror}; allowed: a folder") from error
    way = "distribution" if how == "dataset" else how
    with crew.gathered():
        return evaluate(dataset, real, overrides, where, way, extractor, slices, crew)


def score_downstream(
    dataset: str,
    recipe: str,
    overrides: Sequence[str] = (),
    *,
    seeds: int = 3,
    output: str | None = None,
) -> EvaluateReport:
    """Score a dataset by what it teaches a segmenter.

    The training recipe of one is carried out on its real volumes, on the dataset, and on both, and
    tested on what it holds out.

    Arguments:
        dataset: A folder or URL.
        recipe: A segmenter's training recipe, a file or name.
        overrides: "KEY=VALUE", of that recipe.
        seeds: Trainings of each of the three kinds.
        output: A folder, by default the recipe's own with "-downstream"; trainings resume there.

    Raises:
        FactoryError, StorageError: In one line.
    """
    from factory.families.registry import FAMILIES, load_training

    loaded = load_training(find_recipe(recipe), overrides)
    if not FAMILIES[loaded.spec.family].segments:
        raise RecipeError(
            f"{loaded.source}: family {loaded.spec.family}; downstream takes one of segmenter"
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
