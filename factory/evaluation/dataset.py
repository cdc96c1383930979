"""A dataset against real images: in pairs, as a set, or for copies; and what is said of it."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from factory.errors import FactoryError
from factory.evaluation import audit, originals
from factory.evaluation import head_deformation as unpaired
from factory.evaluation import slice_distribution as slices
from factory.evaluation import volume_distribution as volumes
from factory.evaluation.generated_images import GeneratedImages
from factory.evaluation.parallel import Workers
from factory.evaluation.real_images import real_images
from factory.evaluation.summary_file import write_about
from factory.results import EvaluateReport
from factory.storage.dataset.open import open_dataset

ORIGINAL = "original"

DISTRIBUTION, AUDIT, DEFORMATION = "distribution", "audit", "deformation"
"""How a dataset is held against a set of real images."""


def evaluate(
    dataset: str,
    real: str,
    overrides: Sequence[str],
    output: Path,
    how: str,
    extractor: str | None,
    most: int | None,
    crew: Workers,
) -> EvaluateReport:
    """See factory.evaluation.scores.score_dataset."""
    made = GeneratedImages(open_dataset(dataset))
    if real == ORIGINAL:
        if how != DISTRIBUTION or extractor or most:
            raise FactoryError("--real original: pairs need no --extractor or --slices")
        table, said = originals.compare(made, output, crew)
        write_about(output, "paired", made.dataset, real, said)
        summary = originals.summary(table)
        return EvaluateReport(summary, output, originals.markdown(summary), said)
    images, resolution, recipe = real_images(real, made, overrides)
    if how == DEFORMATION:
        if resolution is not None:
            raise FactoryError(f"--deformation: {real}: slices; allowed: volumes of heads")
        table, said = unpaired.compare(made, images, output, crew)
        write_about(output, "deformation", made.dataset, real, said)
        return EvaluateReport(table, output, lines(table), said)
    if how == AUDIT:
        found = audit.audit(made, images, resolution, extractor, output, crew)
        further = {"share": found.share, "membership": found.membership}
        write_about(output, "audit", made.dataset, real, found.said, **further)
        text = audit.text(found)
        return EvaluateReport(found.strata, output, text, found.said, further, found.share)
    if recipe is not None:
        table, said = slices.compare(made, recipe, extractor, crew)
        said = [*images.remarks, *said]
    else:
        table, said = volumes.compare(made, images, extractor, most or volumes.SLICES, crew)
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "distribution.csv", index=False)
    write_about(output, "distribution", made.dataset, real, said)
    return EvaluateReport(table, output, lines(table), said)


def lines(table: pd.DataFrame) -> list[str]:
    """A table of scores to read: "-" where there is none."""
    shown = table.map(lambda v: "-" if v is None else f"{v:.4f}" if isinstance(v, float) else v)
    return [line.rstrip() for line in str(shown.to_string(index=False)).splitlines()]
