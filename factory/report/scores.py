"""The scores of a dataset, read from the folders that evaluations wrote."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from factory.errors import FactoryError
from factory.report.pictures import embed_picture
from factory.report.score_kinds import (
    HEADINGS,
    KINDS,
    MOST_ROWS,
    EvaluationKind,
    summarise_pairs,
)
from factory.report.tables import Table, table_of_frame
from factory.storage.json_value import JsonObject

MOST_PICTURES = 2
"""Most pictures whose names match one pattern."""


@dataclass(frozen=True)
class Scores:
    """One evaluation on the page.

    Attributes:
        section: METRICS or COPIES.
        title: Its title.
        explanation: What the figures mean.
        folder: The folder it was read from.
        tables: Captions and tables.
        pictures: Captions and data URIs.
        remarks: The remarks of the evaluation.
        warning: Says that the scores belong to another dataset; else "".
        papers: Keys of factory.report.references.PAPERS.
    """

    section: str
    title: str
    explanation: str
    folder: str
    tables: list[tuple[str, Table]]
    pictures: list[tuple[str, str]]
    remarks: list[str] = field(default_factory=list)
    warning: str = ""
    papers: Sequence[str] = ()


def read_scores(folder: str, digests: Sequence[str]) -> list[Scores]:
    """Read the scores in a folder.

    Args:
        folder: The folder.
        digests: Digests of the dataset's recipes; scores with another digest get a warning.

    Raises:
        FactoryError: If the folder holds no scores, or a file cannot be read.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FactoryError(f"--scores {folder}: no such folder")
    scores = [
        _read_kind(kind, root, digests) for kind in KINDS if (root / f"{kind.name}.csv").is_file()
    ]
    if not scores:
        names = ", ".join(f"{kind.name}.csv" for kind in KINDS)
        raise FactoryError(
            f"--scores {folder}: no scores; allowed: a folder that factory evaluate DATASET "
            f"--output wrote ({names})"
        )
    return scores


def _read_kind(kind: EvaluationKind, root: Path, digests: Sequence[str]) -> Scores:
    summary = _read_summary(root / f"{kind.summary_name or kind.name}.json")
    remarks = [str(line) for line in summary.get("remarks", [])]
    for name, score in (summary.get("membership") or {}).items():
        remarks.insert(0, _membership_remark(name, score))
    warning = ""
    if summary.get("recipe_digest") not in (None, *digests):
        warning = f"These scores belong to another dataset: {summary.get('dataset')}."
    pictures = [
        (caption, embed_picture(path))
        for pattern, caption in kind.pictures.items()
        for path in sorted(root.glob(pattern))[:MOST_PICTURES]
    ]
    return Scores(
        kind.section,
        kind.title,
        kind.explanation,
        str(root),
        _read_tables(kind, root),
        pictures,
        remarks,
        warning,
        kind.papers,
    )


def _read_tables(kind: EvaluationKind, root: Path) -> list[tuple[str, Table]]:
    """Return the captions and tables of an evaluation."""
    frame = _read_frame(root / f"{kind.name}.csv", kind.columns)
    caption = ""
    if kind.make_table is not summarise_pairs and len(frame) > MOST_ROWS:
        caption = f"the first {MOST_ROWS} of {len(frame)}"
    tables = [(caption, kind.make_table(frame))]
    for name, title in kind.further_tables.items():
        if not (root / f"{name}.csv").is_file():
            continue
        further = _read_frame(root / f"{name}.csv", ())
        if "distance" in further:  # the nearest first
            further = further.sort_values("distance")
        if len(further) > MOST_ROWS:
            title = f"{title} (the first {MOST_ROWS} of {len(further)})"
        tables.append((title, table_of_frame(further.head(MOST_ROWS), HEADINGS)))
    return tables


def _read_frame(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table.

    Raises:
        FactoryError: If it cannot be read or has not all of the columns.
    """
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:  # empty, no CSV, not UTF-8
        why = " ".join(str(error).split())
        raise FactoryError(f"{path}: cannot be read as a table: {why}") from error
    if missing := [name for name in columns if name not in frame]:
        raise FactoryError(
            f"{path}: not a table of factory evaluate: it has no column {', '.join(missing)}"
        )
    return frame


def _read_summary(path: Path) -> JsonObject:
    """Read the JSON file of an evaluation; return {} if an older version did not write one."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FactoryError(f"{path}: cannot be read: {error}") from error
    return content if isinstance(content, dict) else {}


def _membership_remark(name: str, score: JsonObject) -> str:
    return (
        f"membership score by {name}: {score['area']:.2f} ({score['low']:.2f} to "
        f"{score['high']:.2f}), how well {score['learnt']} training images are told from "
        f"{score['held']} held-out ones; 0.5 means not at all"
    )
