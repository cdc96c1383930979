"""Scores of a dataset: against real images, and by what it teaches a segmenter."""

from collections.abc import Sequence
from pathlib import Path

from factory.errors import FactoryError, RecipeError
from factory.lookup import find_recipe
from factory.results import EvaluateReport


def score_dataset(  # noqa: PLR0913
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

    It has more parameters than others since each is an option of the command line.

    Args:
        dataset: A folder or URL.
        real: "original", each sample against its own real image; or a folder or recipe, with whose
            images the set is compared.
        overrides: "KEY=VALUE", changes of that recipe.
        how: "dataset": by its distribution; "audit": whether samples are copies of training
            images; "deformation": how far head planes must be deformed to become real ones.
        output: A folder, by default the working folder.
        extractor: Name of the extractor of features, see factory.families.feature_extractors.
        slices: Most slices of a volume that are compared in each direction.
        workers: Number of Ray processes; 1 works without Ray.
        address: Address of a Ray cluster to join.
        progress: Whether progress is shown on stderr.

    Raises:
        FactoryError, StorageError, WeightsError: In one line.
    """
    from factory.evaluation.dataset import Comparison, evaluate_dataset
    from factory.evaluation.parallel import Workers

    folder, processes = Path(output or "."), Workers(workers, address, progress)
    try:  # before the work, not after it
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FactoryError(f"--output {folder}: {error.strerror}; allowed: a folder") from error
    way = "distribution" if how == "dataset" else how
    with processes.session():
        return evaluate_dataset(
            dataset, Comparison(real, overrides, way, folder, extractor, slices, processes)
        )


def score_downstream(
    dataset: str,
    recipe: str,
    overrides: Sequence[str] = (),
    *,
    seeds: int = 3,
    output: str | None = None,
) -> EvaluateReport:
    """Score a dataset by what it teaches a segmenter.

    The segmenter's training recipe is run on its real volumes, on the dataset, and on both, and
    the segmenters are tested on the subjects that the recipe holds out.

    Args:
        dataset: A folder or URL.
        recipe: The file or name of a segmenter's training recipe.
        overrides: "KEY=VALUE", changes of that recipe.
        seeds: Number of trainings of each of the three kinds.
        output: A folder, by default the recipe's own with "-downstream"; interrupted trainings
            continue there.

    Raises:
        FactoryError, StorageError: In one line.
    """
    from factory.families.registry import FAMILIES, load_training

    loaded = load_training(find_recipe(recipe), overrides)
    if not FAMILIES[loaded.spec.family].segments:
        raise RecipeError(
            f"{loaded.source}: family {loaded.spec.family}; downstream takes one of segmenter"
        )
    from factory.evaluation.downstream import score_trainings, summarise_effects
    from factory.evaluation.summary_file import write_summary
    from factory.storage.dataset.open import open_dataset
    from factory.training.data import held_out_subjects

    folder = Path(output or f"{loaded.spec.output}-downstream")
    opened = open_dataset(dataset)
    scores, remarks = score_trainings(opened, loaded.spec, seeds, folder)
    subjects = loaded.spec.subjects
    table = summarise_effects(scores, held_out_subjects(subjects, subjects.spacing_mm[0]))
    scores.to_csv(folder / "downstream-scores.csv", index=False)
    table.to_csv(folder / "downstream.csv", index=False)
    write_summary(folder, "downstream", opened, recipe, remarks)
    lines = str(table.round(3).to_string(index=False)).splitlines()
    return EvaluateReport(table, folder, [*lines, *remarks])
