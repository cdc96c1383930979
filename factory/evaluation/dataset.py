"""A dataset compared with real images: in pairs, as a set, by deformation, or for copies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from factory.errors import FactoryError
from factory.evaluation import audit
from factory.evaluation.generated_images import GeneratedImages
from factory.evaluation.head_deformation import compare_planes
from factory.evaluation.originals import (
    compare_with_originals,
    markdown_lines,
    summarise_by_direction,
)
from factory.evaluation.parallel import Workers
from factory.evaluation.real_images import RealImages, find_real_images
from factory.evaluation.slice_distribution import compare_slices
from factory.evaluation.summary_file import write_summary
from factory.evaluation.volume_distribution import SLICES, compare_volumes
from factory.results import EvaluateReport
from factory.storage.dataset.open import open_dataset

ORIGINAL = "original"
"""What stands for a folder or recipe if each sample is compared with its own real image."""

DISTRIBUTION, AUDIT, DEFORMATION = "distribution", "audit", "deformation"
"""The ways of comparing a dataset with a set of real images."""


@dataclass(frozen=True)
class Comparison:
    """What is compared, and how.

    Attributes:
        real: ORIGINAL, or a folder or recipe of real images.
        overrides: "KEY=VALUE", changes of that recipe.
        way: DISTRIBUTION, AUDIT or DEFORMATION.
        output: The folder for tables and pictures.
        extractor: Name of the extractor of features; None is the default.
        slices: Most slices of each volume and direction; None is the default.
        workers: The processes that share the work.
    """

    real: str
    overrides: Sequence[str]
    way: str
    output: Path
    extractor: str | None
    slices: int | None
    workers: Workers


def evaluate_dataset(dataset: str, comparison: Comparison) -> EvaluateReport:
    """Compare the dataset of a folder or URL with real images; write tables and pictures.

    Raises:
        FactoryError, StorageError, WeightsError: In one line.
    """
    generated = GeneratedImages(open_dataset(dataset))
    if comparison.real == ORIGINAL:
        return _compare_pairs(generated, comparison)
    real = find_real_images(comparison.real, generated, comparison.overrides)
    if comparison.way == DEFORMATION:
        return _compare_deformation(generated, real, comparison)
    if comparison.way == AUDIT:
        return _audit(generated, real, comparison)
    return _compare_distribution(generated, real, comparison)


def _compare_pairs(generated: GeneratedImages, comparison: Comparison) -> EvaluateReport:
    if comparison.way != DISTRIBUTION or comparison.extractor or comparison.slices:
        raise FactoryError("--real original: pairs need no --extractor or --slices")
    output = comparison.output
    table, remarks = compare_with_originals(generated, output, comparison.workers)
    write_summary(output, "paired", generated.dataset, comparison.real, remarks)
    summary = summarise_by_direction(table)
    return EvaluateReport(summary, output, markdown_lines(summary), remarks)


def _compare_deformation(
    generated: GeneratedImages, real: RealImages, comparison: Comparison
) -> EvaluateReport:
    if real.resolution is not None:
        raise FactoryError(f"--deformation: {comparison.real}: slices; allowed: volumes of heads")
    output = comparison.output
    table, remarks = compare_planes(generated, real.images, output, comparison.workers)
    write_summary(output, "deformation", generated.dataset, comparison.real, remarks)
    return EvaluateReport(table, output, table_lines(table), remarks)


def _audit(generated: GeneratedImages, real: RealImages, comparison: Comparison) -> EvaluateReport:
    output = comparison.output
    report = audit.audit_dataset(
        generated,
        real.images,
        real.resolution,
        comparison.extractor,
        output,
        comparison.workers,
    )
    further = {"share": report.close_share, "membership": report.membership_json}
    write_summary(output, "audit", generated.dataset, comparison.real, report.remarks, **further)
    lines = audit.audit_lines(report)
    return EvaluateReport(report.strata, output, lines, report.remarks, further, report.close_share)


def _compare_distribution(
    generated: GeneratedImages, real: RealImages, comparison: Comparison
) -> EvaluateReport:
    extractor, output, workers = comparison.extractor, comparison.output, comparison.workers
    if real.recipe is not None:
        table, remarks = compare_slices(generated, real.recipe, extractor, workers)
        remarks = [*real.images.remarks, *remarks]
    else:
        slices = comparison.slices or SLICES
        table, remarks = compare_volumes(generated, real.images, extractor, slices, workers)
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "distribution.csv", index=False)
    write_summary(output, "distribution", generated.dataset, comparison.real, remarks)
    return EvaluateReport(table, output, table_lines(table), remarks)


def table_lines(table: pd.DataFrame) -> list[str]:
    """Return a table of scores as lines to read, with "-" where a score is missing."""

    def cell(value: object) -> object:
        if value is None:
            return "-"
        return f"{value:.4f}" if isinstance(value, float) else value

    text = str(table.map(cell).to_string(index=False))
    return [line.rstrip() for line in text.splitlines()]
