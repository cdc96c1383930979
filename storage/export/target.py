"""A folder that an export fills: a sample's files appear in it whole, or not at all.

FOLDER/
  .export.json    what is exported here: format, dataset, selection
  .writing/       files being written, renamed into place when they are whole
  ...             as the format has it
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from factory.storage.errors import ExportError

MARKER = ".export.json"
WRITING = ".writing"


def claim_folder(folder: Path, what: Mapping[str, Any]) -> None:
    """Begin an export in a folder, or take up again the one that was begun there.

    Raises ExportError where the folder holds something else, or is no folder.
    """
    known = _read_marker(folder)
    if known == what:
        return
    if known is not None:
        differs = next(key for key in {**what, **known} if known.get(key) != what.get(key))
        raise ExportError(
            f"{folder}: holds another export (its {differs} is {known.get(differs)!r}, not "
            f"{what.get(differs)!r}); choose another folder"
        )
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ExportError(f"{folder}: exists and is not an export of ours; choose another folder")
    put_file(folder, MARKER, json.dumps(what, indent=2, sort_keys=True).encode())


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keeps other exports of this machine out of a folder; it ends with the process, however that
    ends. Raises ExportError where another one is at work."""
    import fcntl

    with (folder / MARKER).open("rb") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ExportError(f"{folder}: another export is at work on it") from None
        shutil.rmtree(folder / WRITING, ignore_errors=True)  # a killed one's
        try:
            yield
        finally:
            shutil.rmtree(folder / WRITING, ignore_errors=True)


def has_all_files(folder: Path, names: Sequence[str]) -> bool:
    """Whether all files of a sample are there."""
    return all(os.path.exists(folder / name) for name in names)


def put_file(folder: Path, name: str, data: bytes) -> None:
    """Write a small file whole."""
    place_files(folder, [name], lambda writing: (writing / name).write_bytes(data))


def place_files(folder: Path, names: Sequence[str], write: Callable[[Path], Any]) -> None:
    """Let `write` make files or folders of these names, then rename each to where it belongs."""
    writing = folder / WRITING / f"{os.getpid()}-{names[0].replace('/', '-')}"
    shutil.rmtree(writing, ignore_errors=True)
    for name in names:
        (writing / name).parent.mkdir(parents=True, exist_ok=True)
    write(writing)
    for name in names:
        whole = folder / name
        whole.parent.mkdir(parents=True, exist_ok=True)
        if whole.is_dir():  # of a sample whose other files are missing
            shutil.rmtree(whole)
        os.replace(writing / name, whole)
    shutil.rmtree(writing)


def _read_marker(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / MARKER).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None
