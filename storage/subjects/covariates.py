"""What is known of subjects beside their images: ages, sex and other covariates.

They come from a table in the manner of BIDS, with the column participant_id and any others
(tab-separated, or with commas in a .csv), or from parts of the files' names. Ages are
gestational_age_weeks before birth, and age_years or any other name after it. A column is of numbers
where all its values are; names that end with a unit must be.
"""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar, cast

from factory.storage.errors import SubjectError
from factory.storage.json_value import JsonObject
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.records import Record

Covariates = dict[str, float | str]
"""The covariates of a subject by name, without those that are not known."""

KEY = "participant_id"
TOP_LEVEL = ("gestational_age_weeks", "pathology")
"""The covariates that are keys of a record, as BIDS subjects have them."""

UNITS = ("_weeks", "_years", "_months", "_days", "_mm", "_kg", "_ml", "_degrees")
MISSING = ("", "n/a", "na", "nan")
DATASET_COLUMNS = (
    *("sample", "case", "group", "subject", "variant", "replicate", "source", "accepted"),
    *("failure", "image_file", "label_file", "scanner", "grade", "rec", "clipped_fraction"),
)
"""Columns that a dataset writes itself, and that a table of participants cannot give."""

R = TypeVar("R", bound=Record)


def covariate_columns(path: str | Path) -> tuple[str, ...]:
    """Return the names of the covariates of a table.

    Raises:
        SubjectError: If it cannot be read, or has no column of ids.
    """
    return tuple(name for name, _ in _read_header(Path(path)))


def read_covariates(path: str | Path) -> dict[str, Covariates]:
    """Read a table of covariates, by the participants' ids.

    Raises:
        SubjectError: If it cannot be read, has no column of ids, two rows of one participant, or a
            value that is no number in a column of numbers.
    """
    path = Path(path)
    columns = _read_header(path)
    texts: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    rows = _open_rows(path)
    key = _key_column(path, rows)
    for row in rows:
        id = (row[key] or "").strip()
        if id in texts:
            raise SubjectError(
                f"{path}, line {rows.line_num}: {id} has an earlier row, line {lines[id]}; "
                "allowed: one row each"
            )
        texts[id] = {name: (row[column] or "").strip() for name, column in columns}
        lines[id] = rows.line_num
    return parse_covariates(texts, {id: f"{path}, line {line}" for id, line in lines.items()})


def parse_covariates(
    texts: Mapping[str, Mapping[str, str]], places: Mapping[str, str]
) -> dict[str, Covariates]:
    """Return covariates as numbers or text, without those that are missing.

    Args:
        texts: The text of each covariate by name, by subject.
        places: Where each subject's text stands, for errors.

    Raises:
        SubjectError: If a value is no number, but its name ends with a unit.
    """
    parsed: dict[str, Covariates] = {id: {} for id in texts}
    for name in dict.fromkeys(name for row in texts.values() for name in row):
        column = {id: row[name] for id, row in texts.items() if row.get(name, "") != ""}
        column = {id: text for id, text in column.items() if text.lower() not in MISSING}
        numbers = {
            id: number for id, text in column.items() if (number := _number(text)) is not None
        }
        if name.endswith(UNITS):
            for id, text in column.items():
                if id not in numbers:
                    raise SubjectError(f"{places[id]}: {name} {text!r}; allowed: a number, or n/a")
        values: Mapping[str, float | str] = numbers if len(numbers) == len(column) else column
        for id, value in values.items():
            parsed[id][name] = value
    return parsed


def add_covariates(
    records: Sequence[R], covariates: Mapping[str, Covariates], path: str | Path
) -> list[R]:
    """Return records with the covariates of a table.

    Args:
        records: The records of subjects; the table names them by their `person`, or their `id`,
            with or without "sub-".
        covariates: The covariates by participant.
        path: The table, for errors.

    Raises:
        SubjectError: If the table has no row for a subject.
    """
    return [with_covariates(record, _row_of(record, covariates, path)) for record in records]


def with_covariates(record: R, covariates: Covariates) -> R:
    """Return a record with covariates, of which ages and pathology are keys of its own."""
    changed = cast(JsonObject, dict(record))
    changed |= {name: covariates[name] for name in TOP_LEVEL if name in covariates}
    others = {name: value for name, value in covariates.items() if name not in TOP_LEVEL}
    if others:
        changed["covariates"] = {**changed.get("covariates", {}), **others}
    return cast(R, changed)


def _row_of(record: Record, covariates: Mapping[str, Covariates], path: str | Path) -> Covariates:
    """Return the row of a record's subject."""
    id = str(record.get("person", record["id"]))
    for name in (id, f"sub-{id}", id.removeprefix("sub-"), str(record["id"])):
        if name in covariates:
            return covariates[name]
    raise SubjectError(f"{path}: no row for {id}{nearest_name_hint(id, list(covariates))}")


def _open_rows(path: Path) -> "csv.DictReader[str]":
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SubjectError(f"{path}: no such file, a table of participants") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SubjectError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    return csv.DictReader(text.splitlines(), delimiter="," if path.suffix == ".csv" else "\t")


def _read_header(path: Path) -> list[tuple[str, str]]:
    """Return the covariates of a table, each with the name of its column."""
    rows = _open_rows(path)
    key = _key_column(path, rows)
    names = ((_normalise(column), column) for column in rows.fieldnames or () if column != key)
    covariates = [pair for pair in names if pair[0] and pair[0] not in DATASET_COLUMNS]
    by_name = dict(covariates)
    for name, column in covariates:
        if by_name[name] != column:
            raise SubjectError(
                f"{path}: the columns {column} and {by_name[name]} are both {name}; allowed: one"
            )
    return covariates


def _key_column(path: Path, rows: "csv.DictReader[str]") -> str:
    """Return the column of the participants' ids."""
    for column in rows.fieldnames or ():
        if _normalise(column) == KEY:
            return column
    raise SubjectError(f"{path}: needs the column {KEY}, has {', '.join(rows.fieldnames or ())}")


def _normalise(column: str) -> str:
    name = re.sub(r"\W+", "_", column.strip().lower()).strip("_")
    return "gestational_age_weeks" if name == "gestational_age" else name


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
