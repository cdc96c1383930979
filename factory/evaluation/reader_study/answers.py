"""A study on disk: one SQLite file with its pictures, its readers and every answer.

An answer is committed, and on the disk, before `answer` returns; one that is taken back stays,
marked so. The file holds the pictures too, so that a study goes on with just what it began with.
"""

import json
import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from factory.errors import FactoryError
from factory.evaluation.reader_study.pictures import Frame
from factory.evaluation.reader_study.study import Picture, order_for

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


@dataclass(frozen=True)
class Reader:
    """group: expert, beginner or None. order: ids of the pictures as this reader sees them."""

    name: str
    group: str | None
    token: str
    order: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """said: real, synthetic or None where the reader could not tell."""

    position: int
    score: int
    said: str | None


class OutOfTurn(Exception):
    """An answer or a picture for another position than the reader's next."""


@dataclass(frozen=True)
class Study:
    """The study in a folder. Each call opens the file anew: processes and threads may share it."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / NAME

    def exists(self) -> bool:
        """Whether the file is there and not the empty one that a kill at its making leaves."""
        try:
            return self.file.is_file() and bool(self._read("SELECT name FROM sqlite_master"))
        except sqlite3.DatabaseError:
            return True  # something else: `about` says so

    def begin(self, asked: Mapping[str, Any], frame: Frame, pictures: Sequence[Picture]) -> None:
        """Write a new study: all of it, or nothing. Where another process did, that one stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # It holds the readers' tokens, and pictures of people.
        os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))
        about = {"format": FORMAT, "asked": dict(asked), "frame": asdict(frame)}
        with self._writing() as connection:
            if connection.execute("SELECT name FROM sqlite_master").fetchone():
                return
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement)
            rows = [(key, json.dumps(value)) for key, value in about.items()]
            connection.executemany("INSERT INTO study VALUES (?, ?)", rows)
            connection.executemany(
                "INSERT INTO pictures (source, volume, orientation, slice, pixels) "
                "VALUES (:source, :volume, :orientation, :slice, :pixels)",
                [asdict(picture) for picture in pictures],
            )

    def about(self) -> dict[str, Any]:
        """What was asked, and the frame. Raises FactoryError where the file is no study."""
        try:
            found = {key: json.loads(value) for key, value in self._read("SELECT * FROM study")}
        except sqlite3.DatabaseError as error:
            raise FactoryError(f"{self.file}: no reader study ({error})") from None
        if found.get("format") != FORMAT:
            raise FactoryError(f"{self.file}: format {found.get('format')}; this is {FORMAT}")
        return found

    def readers(self) -> list[Reader]:
        rows = self._read("SELECT name, reader_group, token, picture_order FROM readers")
        return [Reader(n, group, token, tuple(json.loads(o))) for n, group, token, o in rows]

    def add_readers(self, names: Sequence[str], group: str | None, seed: int) -> list[Reader]:
        """Those readers, each made where it is not there yet."""
        ids = [id for (id,) in self._read("SELECT id FROM pictures ORDER BY id")]
        with self._writing() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO readers VALUES (?, ?, ?, ?)",
                [
                    (name, group, secrets.token_urlsafe(16), json.dumps(order_for(name, seed, ids)))
                    for name in names
                ],
            )
        found = {reader.name: reader for reader in self.readers()}
        return [found[name] for name in names]

    def answered(self, reader: Reader) -> list[Answer]:
        """A reader's answers in order, without those taken back."""
        rows = self._read(
            "SELECT position, score, said FROM answers "
            "WHERE reader = ? AND withdrawn_at IS NULL ORDER BY position",
            reader.name,
        )
        return [Answer(*row) for row in rows]

    def scales(self, reader: Reader) -> set[str]:
        """The scales of a reader's answers: one, where nobody meddled."""
        return {
            scale
            for (scale,) in self._read(
                "SELECT DISTINCT scale FROM answers WHERE reader = ? AND withdrawn_at IS NULL",
                reader.name,
            )
        }

    def answer(self, reader: Reader, given: Answer, scale: str) -> None:
        """Put an answer on the disk. The same one sent again changes nothing.

        Raises OutOfTurn where the reader's next position is another.
        """
        with self._writing() as connection:
            stored = connection.execute(
                "SELECT score, said FROM answers "
                "WHERE reader = ? AND position = ? AND withdrawn_at IS NULL",
                (reader.name, given.position),
            ).fetchone()
            if stored == (given.score, given.said):
                return
            due = self._next(connection, reader)
            if stored or given.position != due or due == len(reader.order):
                raise OutOfTurn
            connection.execute(
                "INSERT INTO answers (reader, position, picture, scale, score, said) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    reader.name,
                    given.position,
                    reader.order[given.position],
                    scale,
                    given.score,
                    given.said,
                ),
            )

    def undo(self, reader: Reader, position: int) -> None:
        """Take back the answer at a position, the last one. Sent again it changes nothing.

        Raises OutOfTurn where the last answer is of another position.
        """
        with self._writing() as connection:
            due = self._next(connection, reader)
            if due == position:
                return
            if due - 1 != position:
                raise OutOfTurn
            connection.execute(
                "UPDATE answers SET withdrawn_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') "
                "WHERE reader = ? AND position = ? AND withdrawn_at IS NULL",
                (reader.name, position),
            )

    def pixels(self, reader: Reader, position: int) -> bytes:
        """The picture a reader is to see at a position. Raises OutOfTurn for one further on."""
        if not 0 <= position <= min(len(self.answered(reader)), len(reader.order) - 1):
            raise OutOfTurn
        rows = self._read("SELECT pixels FROM pictures WHERE id = ?", reader.order[position])
        return bytes(rows[0][0])

    def results(self) -> list[dict[str, Any]]:
        """Every answer that was not taken back, with what its picture is."""
        columns = [
            "reader",
            "reader_group",
            "position",
            "picture",
            "source",
            "volume",
            "orientation",
            "slice",
            "scale",
            "score",
            "said",
            "answered_at",
        ]
        rows = self._read(
            f"SELECT {', '.join(columns)} FROM answers "
            "JOIN readers ON readers.name = answers.reader "
            "JOIN pictures ON pictures.id = answers.picture "
            "WHERE withdrawn_at IS NULL ORDER BY reader, position"
        )
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def _next(self, connection: sqlite3.Connection, reader: Reader) -> int:
        (count,) = connection.execute(
            "SELECT count(*) FROM answers WHERE reader = ? AND withdrawn_at IS NULL", (reader.name,)
        ).fetchone()
        return int(count)

    def _read(self, query: str, *values: Any) -> list[tuple]:
        place = f"{self.file.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(place, timeout=30, uri=True)) as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that has the file to itself, and whose commit waits for the disk."""
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
