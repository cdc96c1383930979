"""What is on a dataset's page, gathered from the dataset, its models' cards and its scores."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pandas as pd

from factory.datasets.montage.drawing import orientation_text
from factory.datasets.structures import telling_columns
from factory.report.charts import draw_distribution, stratum_colour
from factory.report.measure_charts import (
    Chart,
    MeasureCharts,
    PairCharts,
    chart_measures,
    chart_pairs,
)
from factory.report.measures import value_words
from factory.report.pictures import SamplePlanes, draw_sample, read_sample_planes, white_level
from factory.report.provenance import (
    Model,
    describe_sources,
    list_models,
    shared_data_warning,
)
from factory.report.references import list_references
from factory.report.score_kinds import COPIES, METRICS
from factory.report.scores import Scores
from factory.report.strata import Strata, divide_samples, select_samples
from factory.report.tables import NOTHING, Table, value_text
from factory.report.verdicts import Verdicts, summarise_verdicts
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.layout import Layout
from factory.storage.json_value import JsonValue
from factory.storage.subjects.channels import describe_channels
from factory.storage.subjects.short_axis import HEART
from factory.text import size_text

DIGEST_BYTES = 2e9
"""Stored bytes up to which a dataset's digest is computed, unless the user decides."""

CAPTION_MEASURES = ("atrial_width_mm", "volume_ml_ventricles")
"""Measures whose values are written below a sample's picture, between its age and scanner.

Other organs than fetal heads have two volumes there: see `telling_columns`."""

PROGRAM = "synthetic-dataset-factory"


@dataclass(frozen=True)
class RecipeSummary:
    """The recipe on the page.

    Attributes:
        name: The recipe's name.
        digest: Its digest.
        overrides: Its changes, "KEY=VALUE".
        text: Its text, or the resolved recipe as JSON.
        seed: Its seed.
        grown_from: Numbers of samples of the datasets that this one grew from.
    """

    name: str
    digest: str
    overrides: list[str]
    text: str
    seed: int | None
    grown_from: list[int]


@dataclass(frozen=True)
class Counts:
    """Numbers of samples.

    Attributes:
        samples: All that the recipe asks for.
        finished: Those that are finished, accepted or not.
        subjects: Number of subjects or latents; None if it is not recorded.
        subject: What they are called, "subject" or "latent".
        accepted: Accepted samples.
        rejected: Samples that the gate rejected.
        vacant: Samples that could not be rendered.
    """

    samples: int
    finished: int
    subjects: int | None
    subject: str
    accepted: int
    rejected: int
    vacant: int


@dataclass(frozen=True)
class Card:
    """The picture of one sample and its caption.

    Attributes:
        index: The sample's index.
        uri: The picture as a data URI.
        subject: The subject's name.
        facts: Its age, two measures, and its scanner, in words.
        accepted: Whether it is accepted.
        why: Why it is not accepted, or "".
    """

    index: int
    uri: str
    subject: str
    facts: list[str]
    accepted: bool
    why: str


@dataclass(frozen=True)
class Stratum:
    """A stratum on the page: its name, colour, number of samples, and the samples shown."""

    name: str
    colour: str
    count: int
    samples: list[Card]


@dataclass(frozen=True)
class PageContent:
    """Everything that the template report.html.j2 uses, by the names it uses.

    Attributes:
        name: The dataset's name.
        path: Its path or URL.
        program: The program's name and version.
        written_at: The time of writing.
        complete: Whether the dataset is complete.
        growing_to: The number of samples that it is growing to, or None.
        digest: Its digest; None if it was not computed.
        recipe: The recipe.
        counts: Numbers of samples.
        arrays: A row for each stored array.
        outside: Number of samples outside what the model's training saw; None if not known.
        strata: The strata.
        strata_column: The column that divides them, in words; "" if none does.
        strata_not_shown: Number of strata that are not shown.
        labels: Names and colours of the labels.
        gate_example: The name of a label that a gate could have.
        orientation: How the pictures are oriented, a sentence without its full stop.
        measures: The distributions of measures.
        pairs: Requested parameters and what was achieved.
        metrics: The scores of the section on metrics.
        copies: The scores of the section on copies.
        verdicts: What the gate decided.
        worst: The worst rejected samples.
        gate_charts: Charts of the columns that have a limit of the gate.
        models: The models.
        shared_data_warning: A warning, or "".
        sources: Where the anatomies come from.
        environment: Names and values of the machine and versions.
        references: The papers to cite.
    """

    name: str
    path: str
    program: str
    written_at: str
    complete: bool
    growing_to: int | None
    digest: str | None
    recipe: RecipeSummary
    counts: Counts
    arrays: Table
    outside: int | None
    strata: list[Stratum]
    strata_column: str
    strata_not_shown: int
    labels: list[tuple[str, str]]
    gate_example: str
    orientation: str
    measures: MeasureCharts
    pairs: PairCharts
    metrics: list[Scores]
    copies: list[Scores]
    verdicts: Verdicts
    worst: list[Card]
    gate_charts: list[Chart]
    models: list[Model]
    shared_data_warning: str
    sources: list[str]
    environment: list[tuple[str, str]]
    references: list[str]


def gather_content(
    dataset: Dataset,
    table: pd.DataFrame,
    scores: Sequence[Scores],
    with_digest: bool | None,
) -> PageContent:
    """Gather everything that is on a dataset's page.

    It is longer than other functions since it fills one field after the other.

    Args:
        dataset: The dataset.
        table: Its table of cases.
        scores: Its scores.
        with_digest: Whether its digest is computed; None decides by its size.

    Raises:
        DatasetError: If a sample cannot be read.
    """
    record, label_table = dataset.record, dataset.layout.table
    recipe = record.get("recipe", {}).get("resolved", {})
    strata, verdicts = divide_samples(table), summarise_verdicts(table, recipe)
    selected = select_samples(table, strata)
    indices = [index for samples in selected.values() for index in samples]
    samples = read_sample_planes(dataset, indices + verdicts.worst)
    white = white_level(samples.values())
    telling = telling_columns(table, recipe, CAPTION_MEASURES, len(CAPTION_MEASURES))
    captions = ("gestational_age_weeks", *telling, "scanner")
    cards = {
        index: _make_card(planes, draw_sample(planes, label_table.colours, white), captions)
        for index, planes in samples.items()
    }
    is_complete, stored_bytes = dataset.is_complete(), dataset.stored_bytes()
    if with_digest is None:
        with_digest = sum(stored_bytes.values()) < DIGEST_BYTES
    models = list_models(record)
    return PageContent(
        name=Path(dataset.path.rstrip("/")).name,
        path=dataset.path,
        program=f"{PROGRAM} {_version()}",
        written_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        complete=is_complete,
        growing_to=dataset.growth_target(),
        digest=dataset.digest() if is_complete and with_digest else None,
        recipe=_summarise_recipe(record),
        counts=_count_samples(dataset, table, verdicts),
        arrays=_arrays_table(dataset, stored_bytes, list(samples.values())),
        outside=_count_outside_training(table, models),
        strata=_list_strata(strata, selected, cards),
        strata_column=strata.column.replace("_", " "),
        strata_not_shown=strata.not_shown,
        labels=[
            (name.replace("_", " "), "#{:02x}{:02x}{:02x}".format(*colour))
            for name, colour in zip(label_table.names[1:], label_table.colours[1:], strict=True)
        ],
        gate_example=_gate_example(label_table.names),
        orientation=_describe_orientation(dataset),
        measures=chart_measures(table, strata, recipe),
        pairs=chart_pairs(table, strata),
        metrics=[one for one in scores if one.section == METRICS],
        copies=[one for one in scores if one.section == COPIES],
        verdicts=verdicts,
        worst=[cards[index] for index in verdicts.worst],
        gate_charts=_chart_gate(table, strata, verdicts),
        models=models,
        shared_data_warning=shared_data_warning(models),
        sources=describe_sources(recipe),
        environment=_environment_rows(record),
        references=list_references(recipe, models, [p for one in scores for p in one.papers]),
    )


def _version() -> str:
    try:
        return metadata.version(PROGRAM)
    except metadata.PackageNotFoundError:
        return ""


def _summarise_recipe(record: Mapping[str, JsonValue]) -> RecipeSummary:
    recipe = record.get("recipe", {})
    resolved, source = recipe.get("resolved", {}), str(recipe.get("source") or "")
    return RecipeSummary(
        name=Path(source).stem if source else "(no name)",
        digest=record["recipe_digest"],
        overrides=list(recipe.get("overrides") or ()),
        text=record.get("recipe_text") or json.dumps(resolved, indent=2),
        seed=resolved.get("seed"),
        grown_from=[earlier["samples"] for earlier in record.get("grown_from", ())],
    )


def _count_samples(dataset: Dataset, table: pd.DataFrame, verdicts: Verdicts) -> Counts:
    recipe = dataset.record.get("recipe", {}).get("resolved", {})
    return Counts(
        samples=dataset.layout.samples,
        finished=len(table),
        subjects=int(table["subject"].nunique()) if "subject" in table else None,
        subject="latent" if recipe.get("latents") else "subject",
        accepted=len(table) - verdicts.rejected - verdicts.vacant,
        rejected=verdicts.rejected,
        vacant=verdicts.vacant,
    )


def _arrays_table(
    dataset: Dataset, stored_bytes: Mapping[str, int], samples: Sequence[SamplePlanes]
) -> Table:
    """Return a row for each stored array; spacings are those of the samples that are shown."""
    layout = dataset.layout
    spacings_mm = [sample.spacing_mm for sample in samples]
    ranges = [(min(axis), max(axis)) for axis in zip(*spacings_mm, strict=True)]
    spacing = " × ".join(
        f"{low:.3g}" if high - low < 1e-6 else f"{low:.3g} to {high:.3g}" for low, high in ranges
    )
    rows = [
        [
            name,
            ", ".join([_content_text(layout, name), str(layout.dtype_of(name))]),
            " × ".join(map(str, layout.shape_of(name))),
            "varies" if name in layout.shapes else spacing or NOTHING,
            size_text(stored_bytes[name]),
        ]
        for name in layout.arrays
    ]
    return Table(["array", "content", "voxels (z, y, x)", "spacing (mm)", "stored"], rows)


def _content_text(layout: Layout, name: str) -> str:
    """Return what an array holds: "labels", "image" or "image of the channels t1w, t2w"."""
    channels = layout.channels.get(name, ())
    kind = "labels" if layout.is_label(name) else "image"
    return f"{kind} of {describe_channels(channels)}" if channels else kind


def _count_outside_training(table: pd.DataFrame, models: Sequence[Model]) -> int | None:
    """Count the samples outside the ranges of the model's training; None if they are not known."""
    has_ranges = any("labels" in model.card.get("training", {}) for model in models)
    if "outside_training" not in table or not has_ranges:
        return None
    return int(table["outside_training"].fillna("").astype(str).str.len().gt(0).sum())


def _make_card(planes: SamplePlanes, uri: str, captions: Sequence[str]) -> Card:
    columns = planes.columns
    facts = [
        str(columns[name]) if name == "scanner" else value_words(name, value_text(columns[name]))
        for name in captions
        if columns.get(name) is not None and not pd.isna(columns[name])
    ]
    return Card(
        index=planes.index,
        uri=uri,
        subject=str(columns.get("subject", "")),
        facts=facts,
        accepted=columns.get("accepted") is not False,
        why=str(columns.get("why") or ""),
    )


def _list_strata(
    strata: Strata, selected: Mapping[str, Sequence[int]], cards: Mapping[int, Card]
) -> list[Stratum]:
    return [
        Stratum(
            name=name,
            colour=stratum_colour(number),
            count=int((strata.by_row == name).sum()),
            samples=[cards[index] for index in selected[name]],
        )
        for number, name in enumerate(strata.names)
    ]


def _gate_example(names: Sequence[str]) -> str:
    return "ventricles" if "ventricles" in names or not names[1:] else names[1]


def _describe_orientation(dataset: Dataset) -> str:
    layout = dataset.layout
    if layout.table.names == HEART.names and layout.shape[0] > 1:
        text = "slices of the stack, from the apex to the base, rotated by 180° from their files"
        return f"{text}; {layout.pictured_channel}" if layout.pictured_channel else text
    return orientation_text(layout)


def _chart_gate(table: pd.DataFrame, strata: Strata, verdicts: Verdicts) -> list[Chart]:
    """Draw the distribution of each column that has a limit."""
    return [
        (
            column.title,
            draw_distribution(column.title, table[name], strata.by_row, strata.names, column.limit),
        )
        for name, column in verdicts.columns.items()
    ]


def _environment_rows(record: Mapping[str, JsonValue]) -> list[tuple[str, str]]:
    environment = record.get("environment", {})
    versions = environment.get("versions", {})
    threads = value_text(environment.get("threads"))
    return [
        ("device", f"{environment.get('device')}, threads of each renderer: {threads}"),
        ("instruction set", str(environment.get("instruction_set"))),
        ("platform", str(environment.get("platform"))),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("report written with", f"Python {sys.version.split()[0]}, {PROGRAM} {_version()}"),
    ]
