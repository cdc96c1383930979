"""A study on disk: one SQLite file with its pictures, its readers and every answer.

An answer is committed, and on the disk, before `record_answer` returns. A withdrawn answer stays in
the file and is marked. The file holds the pictures too, so that a study always continues with those
it began with.
"""

import json
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from factory.errors import FactoryError
from factory.evaluation.reader_study.pictures import Frame
from factory.evaluation.reader_study.study import Picture, StudyRequest, picture_order

NAME = "study.sqlite"
FORMAT = 1

SCHEMA = """
CREATE TABLE study (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE pictures (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, volume TEXT NOT NULL,
    orientation TEXT NOT NULL, slice INTEGER NOT NULL, pixels BLOB NOT NULL);
CREATE TABLE readers (
    name TEXT PRIMARY KEY, reader_group TEXT, token TEXT NOT NULL UNIQUE,
    picture_order TEXT NOT NULL);
CREATE TABLE answers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, reader TEXT NOT NULL REFERENCES readers(name),
    position INTEGER NOT NULL, picture INTEGER NOT NULL REFERENCES pictures(id),
    scale TEXT NOT NULL, score INTEGER NOT NULL CHECK (score BETWEEN 1 AND 5),
    said TEXT CHECK (said IN ('real', 'synthetic')),
    answered_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    withdrawn_at TEXT);
CREATE UNIQUE INDEX one_answer ON answers (reader, position) WHERE withdrawn_at IS NULL;
"""
"""The column `said` holds an answer's verdict: real, synthetic, or NULL for "cannot tell"."""

RESULT_COLUMNS = (
    "reader", "reader_group", "position", "picture", "source", "volume", "orientation", "slice",
    "scale", "score", "said", "answered_at",
)  # fmt: skip
"""The columns of the table of results."""


@dataclass(frozen=True)
class Reader:
    """One reader of a study.

    Attributes:
        name: For example "expert-1".
        group: "expert", "beginner" or None.
        token: The key that the reader's browser must send.
        order: Ids of the pictures in the order in which this reader sees them.
    """

    name: str
    group: str | None
    token: str
    order: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """A reader's answer to one picture.

    Attributes:
        position: The picture's place in the reader's order, from 0.
        score: 1 to 5.
        verdict: "real", "synthetic", or None if the reader could not tell.
    """

    position: int
    score: int
    verdict: str | None


@dataclass(frozen=True)
class StudySettings:
    """What a study was made from, and the frame of its pictures."""

    request: StudyRequest
    frame: Frame


class OutOfTurn(Exception):
    """An answer or a picture for another position than the reader's next."""


@dataclass(frozen=True)
class Study:
    """The study in a folder.

    Each call opens the file anew, so that processes and threads may share it.
    """

    folder: Path

    @property
    def file(self) -> Path:
        """The SQLite file."""
        return self.folder / NAME

    def exists(self) -> bool:
        """Return whether the file exists and is not empty, as a kill at its creation leaves it."""
        try:
            return self.file.is_file() and bool(self._read("SELECT name FROM sqlite_master"))
        except sqlite3.DatabaseError:
            return True  # it is no database, which `settings` reports

    def create(self, settings: StudySettings, pictures: Sequence[Picture]) -> None:
        """Write a new study completely or not at all; a study that exists already is kept."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # It holds the readers' tokens, and pictures of people.
        os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))
        values = {
            "format": FORMAT,
            "asked": settings.request.to_json(),
            "frame": settings.frame.to_json(),
        }
        with self._transaction() as connection:
            if connection.execute("SELECT name FROM sqlite_master").fetchone():
                return
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement)
            rows = [(key, json.dumps(value)) for key, value in values.items()]
            connection.executemany("INSERT INTO study VALUES (?, ?)", rows)
            connection.executemany(
                "INSERT INTO pictures (source, volume, orientation, slice, pixels) "
                "VALUES (:source, :volume, :orientation, :slice, :pixels)",
                [asdict(picture) for picture in pictures],
            )

    def settings(self) -> StudySettings:
        """Return what the study was made from.

        Raises:
            FactoryError: If the file is no study.
        """
        try:
            values = {key: json.loads(value) for key, value in self._read("SELECT * FROM study")}
        except sqlite3.DatabaseError as error:
            raise FactoryError(f"{self.file}: no reader study ({error})") from None
        if values.get("format") != FORMAT:
            raise FactoryError(
                f"{self.file}: format {values.get('format')}; allowed: format {FORMAT}"
            )
        return StudySettings(StudyRequest(**values["asked"]), Frame.from_json(values["frame"]))

    def readers(self) -> list[Reader]:
        """List all readers."""
        rows = self._read("SELECT name, reader_group, token, picture_order FROM readers")
        return [
            Reader(name, group, token, tuple(json.loads(order)))
            for name, group, token, order in rows
        ]

    def add_readers(self, names: Sequence[str], group: str | None, seed: int) -> list[Reader]:
        """Return the readers of these names; those that do not exist yet are added.

        Args:
            names: The readers' names.
            group: The group of new readers.
            seed: The study's seed, for the order of new readers.
        """
        ids = [id for (id,) in self._read("SELECT id FROM pictures ORDER BY id")]
        rows = [
            (name, group, secrets.token_urlsafe(16), json.dumps(picture_order(name, seed, ids)))
            for name in names
        ]
        with self._transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO readers VALUES (?, ?, ?, ?)", rows)
        readers = {reader.name: reader for reader in self.readers()}
        return [readers[name] for name in names]

    def list_answers(self, reader: Reader) -> list[Answer]:
        """List a reader's answers in order, without those withdrawn."""
        rows = self._read(
            "SELECT position, score, said FROM answers "
            "WHERE reader = ? AND withdrawn_at IS NULL ORDER BY position",
            reader.name,
        )
        return [Answer(*row) for row in rows]

    def used_scales(self, reader: Reader) -> set[str]:
        """Return the scales of a reader's answers."""
        rows = self._read(
            "SELECT DISTINCT scale FROM answers WHERE reader = ? AND withdrawn_at IS NULL",
            reader.name,
        )
        return {scale for (scale,) in rows}

    def record_answer(self, reader: Reader, answer: Answer, scale: str) -> None:
        """Write an answer to the disk; the same answer sent again changes nothing.

        Raises:
            OutOfTurn: If the answer is for another position than the reader's next.
        """
        with self._transaction() as connection:
            stored = connection.execute(
                "SELECT score, said FROM answers "
                "WHERE reader = ? AND position = ? AND withdrawn_at IS NULL",
                (reader.name, answer.position),
            ).fetchone()
            if stored == (answer.score, answer.verdict):
                return
            expected = self._next_position(connection, reader)
            if stored or answer.position != expected or expected == len(reader.order):
                raise OutOfTurn
            picture = reader.order[answer.position]
            connection.execute(
                "INSERT INTO answers (reader, position, picture, scale, score, said) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (reader.name, answer.position, picture, scale, answer.score, answer.verdict),
            )

    def withdraw_answer(self, reader: Reader, position: int) -> None:
        """Withdraw a reader's last answer; sent again, it changes nothing.

        Raises:
            OutOfTurn: If the last answer is at another position.
        """
        with self._transaction() as connection:
            expected = self._next_position(connection, reader)
            if expected == position:
                return
            if expected - 1 != position:
                raise OutOfTurn
            connection.execute(
                "UPDATE answers SET withdrawn_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') "
                "WHERE reader = ? AND position = ? AND withdrawn_at IS NULL",
                (reader.name, position),
            )

    def pixels(self, reader: Reader, position: int) -> bytes:
        """Return the pixels of the picture at a position of a reader's order.

        Raises:
            OutOfTurn: If the position comes after the reader's next.
        """
        if not 0 <= position <= min(len(self.list_answers(reader)), len(reader.order) - 1):
            raise OutOfTurn
        rows = self._read("SELECT pixels FROM pictures WHERE id = ?", reader.order[position])
        return bytes(rows[0][0])

    def results(self) -> pd.DataFrame:
        """Return a row for each answer that was not withdrawn, with the picture that it is for.

        The columns are RESULT_COLUMNS: `position` is the picture's place in the reader's order,
        `picture` its id, `said` the verdict.
        """
        rows = self._read(
            f"SELECT {', '.join(RESULT_COLUMNS)} FROM answers "
            "JOIN readers ON readers.name = answers.reader "
            "JOIN pictures ON pictures.id = answers.picture "
            "WHERE withdrawn_at IS NULL ORDER BY reader, position"
        )
        return pd.DataFrame(rows, columns=list(RESULT_COLUMNS))

    def _next_position(self, connection: sqlite3.Connection, reader: Reader) -> int:
        (count,) = connection.execute(
            "SELECT count(*) FROM answers WHERE reader = ? AND withdrawn_at IS NULL", (reader.name,)
        ).fetchone()
        return int(count)

    def _read(self, query: str, *values: str | int) -> list[tuple[Any, ...]]:  # any SQLite value
        address = f"{self.file.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, timeout=30, uri=True)) as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction that has the file to itself and whose commit waits for the disk."""
        with closing(sqlite3.connect(self.file, timeout=30, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
