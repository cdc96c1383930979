"""What stands on a dataset's page: gathered from the dataset, its cards and its evaluations."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from factory.datasets.montage.drawing import orientation_text
from factory.report import charts, measures, pictures, provenance, scores
from factory.report.references import references
from factory.report.strata import Strata, chosen, strata
from factory.report.tables import Table, text
from factory.report.verdicts import Verdicts, verdicts
from factory.storage.dataset.dataset import Dataset
from factory.storage.subjects.short_axis import HEART
from factory.text import size_text

DIGESTED = 2e9
"""Stored bytes up to which a dataset is read through for its digest, where nothing else is said."""

SHOWN_COLUMNS = ("gestational_age_weeks", "atrial_width_mm", "volume_ml_ventricles", "scanner")
"""Of a sample, beneath its picture."""

PROGRAM = "synthetic-dataset-factory"


def content(
    dataset: Dataset,
    table: pd.DataFrame,
    judged: Sequence[scores.Scores],
    with_digest: bool | None,
) -> dict[str, Any]:
    """Everything that report.html.j2 asks for. judged: what evaluations found. with_digest: see
    factory.report.page.write_page; None is by the dataset's size. Raises DatasetError."""
    record, layout = dataset.record, dataset.layout
    resolved = record.get("recipe", {}).get("resolved", {})
    found, verdict = strata(table), verdicts(table, resolved)
    picked = chosen(table, found)
    seen = pictures.shown(dataset, [i for part in picked.values() for i in part] + verdict.worst)
    brightest, colours = pictures.white(seen.values()), layout.table.colours
    cards = {i: _card(one, pictures.drawn(one, colours, brightest)) for i, one in seen.items()}
    complete, stored = dataset.is_complete(), dataset.stored_bytes()
    if with_digest is None:
        with_digest = sum(stored.values()) < DIGESTED
    digest = dataset.digest() if complete and with_digest else None
    models = provenance.models(record)
    return {
        "name": Path(dataset.path.rstrip("/")).name,
        "path": dataset.path,
        "program": f"{PROGRAM} {_version()}",
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "complete": complete,
        "growing_to": dataset.growth_target(),
        "digest": digest,
        "recipe": _recipe(record),
        "counts": _counts(dataset, table, verdict),
        "arrays": _arrays(dataset, stored, list(seen.values())),
        "outside": _outside(table, models),
        "strata": _strata(table, found, picked, cards),
        "strata_by": found.by.replace("_", " "),
        "strata_left_out": found.left_out,
        "labels": [(n.replace("_", " "), "#{:02x}{:02x}{:02x}".format(*c))
                   for n, c in zip(layout.table.names[1:], colours[1:], strict=True)],
        "sides": _sides(dataset),
        "measures": _measures(table, found, resolved),
        "pairs": _pairs(table, found),
        "metrics": [one for one in judged if one.section == scores.METRICS],
        "copies": [one for one in judged if one.section == scores.COPIES],
        "verdict": verdict,
        "worst": [cards[i] for i in verdict.worst],
        "gate_charts": [
            (title, charts.distribution(title, table[column], found.of, found.names, limit))
            for column, (title, limit) in verdict.columns.items()
        ],
        "models": models,
        "circle": provenance.circle(models),
        "sources": provenance.sources(resolved),
        "environment": _environment(record),
        "references": references(resolved, models, [one.title for one in judged]),
    }  # fmt: skip


def _version() -> str:
    try:
        return metadata.version(PROGRAM)
    except metadata.PackageNotFoundError:
        return ""


def _recipe(record: Mapping[str, Any]) -> dict[str, Any]:
    recipe = record.get("recipe", {})
    source = str(recipe.get("source") or "")
    return {
        "name": Path(source).stem if source else "a recipe of no name",
        "digest": record["recipe_digest"],
        "overrides": list(recipe.get("overrides") or ()),
        "text": record.get("recipe_text") or json.dumps(recipe.get("resolved", {}), indent=2),
        "seed": recipe.get("resolved", {}).get("seed"),
        "grown_from": [before["samples"] for before in record.get("grown_from", ())],
    }


def _counts(dataset: Dataset, table: pd.DataFrame, verdict: Verdicts) -> dict[str, Any]:
    latents = bool(dataset.record.get("recipe", {}).get("resolved", {}).get("latents"))
    subjects = int(table["subject"].nunique()) if "subject" in table else None
    return {
        "samples": dataset.layout.samples,
        "standing": len(table),
        "subjects": subjects,
        "subject": "latent" if latents else "subject",
        "accepted": len(table) - verdict.rejected - verdict.vacant,
        "rejected": verdict.rejected,
        "vacant": verdict.vacant,
    }


def _arrays(dataset: Dataset, stored: Mapping[str, int], seen: Sequence[pictures.Shown]) -> Table:
    layout = dataset.layout
    spacings = [one.spacing_mm for one in seen]
    axes = [(min(a), max(a)) for a in zip(*spacings, strict=True)]
    plain = " × ".join(f"{a:.3g}" if b - a < 1e-6 else f"{a:.3g} to {b:.3g}" for a, b in axes)
    rows = [
        [
            name,
            "labels, uint8" if layout.is_label(name) else "image, uint16",
            " × ".join(map(str, layout.shape_of(name))),
            "its own" if name in layout.shapes else plain or "–",
            size_text(stored[name]),
        ]
        for name in layout.arrays
    ]
    return Table(["array", "holds", "voxels (z, y, x)", "spacing (mm)", "stored"], rows)


def _outside(table: pd.DataFrame, models: Sequence[provenance.Model]) -> int | None:
    """Samples that leave what the model's training saw; None where that is not known."""
    ranges = any("labels" in model.card.get("training", {}) for model in models)
    if "outside_training" not in table or not ranges:
        return None
    return int(table["outside_training"].fillna("").astype(str).str.len().gt(0).sum())


def _card(one: pictures.Shown, uri: str) -> dict[str, Any]:
    """A sample's picture, and what is said beneath it."""
    row = one.columns
    facts = [
        measures.fact(name, text(row[name])) if name != "scanner" else str(row[name])
        for name in SHOWN_COLUMNS
        if row.get(name) is not None and not pd.isna(row[name])
    ]
    return {
        "index": one.index,
        "uri": uri,
        "subject": str(row.get("subject", "")),
        "facts": facts,
        "accepted": row.get("accepted") is not False,
        "why": str(row.get("why") or ""),
    }


def _strata(
    table: pd.DataFrame,
    found: Strata,
    picked: Mapping[str, Sequence[int]],
    cards: Mapping[int, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "colour": charts.colour_of(place),
            "count": int((found.of == name).sum()),
            "samples": [cards[i] for i in picked[name]],
        }
        for place, name in enumerate(found.names)
    ]


def _sides(dataset: Dataset) -> str:
    if dataset.layout.table.names == HEART.names and dataset.layout.shape[0] > 1:
        return "slices of the stack, from the apex to the base, turned by 180° from their files"
    return orientation_text(dataset.layout.table.names, dataset.layout.shape[0] == 1)


def _measures(table: pd.DataFrame, found: Strata, resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Charts by group of columns; what does not vary; shares of yes; and words, counted."""
    names = [c for c in measures.numeric(table) if not c.startswith("gate_")]
    varying = measures.varying(table, names)
    groups = [
        (
            group,
            [(measures.words(c), charts.distribution(measures.words(c), table[c], found.of,
                                                     found.names)) for c in columns],
        )
        for group, columns in measures.grouped(varying, measures.edits_of(resolved)).items()
    ]  # fmt: skip
    constant = [[measures.words(c), text(table[c].dropna().iloc[0]), text(table[c].notna().sum())]
                for c in names if c not in varying]  # fmt: skip
    checks = [[str(c).removeprefix("check: "), f"{100 * table[c].mean():.1f} %"]
              for c in table.select_dtypes("bool") if c != "accepted"]  # fmt: skip
    return {
        "groups": groups,
        "constant": Table(["measure", "value", "samples"], constant),
        "checks": Table(["check", "samples that pass"], checks),
    }


def _pairs(table: pd.DataFrame, found: Strata) -> dict[str, Any]:
    """Charts of what came out over what was asked for; their errors; what is exactly as asked."""
    every = measures.pairs(table)
    off = [pair for pair in every if not pair.exact]
    rows = [
        [measures.words(p.name), text(len(p.error)), f"{p.error.mean():+.3g}",
         f"{p.error.std():.3g}" if len(p.error) > 1 else "–", f"{p.error.abs().max():.3g}"]
        for p in off
    ]  # fmt: skip
    return {
        "charts": [
            (measures.words(p.name), charts.against(measures.words(p.name), p.asked, p.got,
                                                    found.of[p.asked.index], found.names))
            for p in off
        ],
        "errors": Table(["measure", "samples", "mean error", "sd", "largest"], rows),
        "exact": [measures.words(p.name) for p in every if p.exact],
    }  # fmt: skip


def _environment(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    known = record.get("environment", {})
    versions = known.get("versions", {})
    return [
        ("device", f"{known.get('device')}, {text(known.get('threads'))} thread a renderer"),
        ("instruction set", str(known.get("instruction_set"))),
        ("platform", str(known.get("platform"))),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("reported with", f"Python {sys.version.split()[0]}, {PROGRAM} {_version()}"),
    ]
