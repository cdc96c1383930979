"""The folder of an export, in which the files of a sample appear complete or not at all.

FOLDER/
  .export.json    what is exported here: format, dataset, selection
  .writing/       files that are being written; they are renamed once they are complete
  ...             the files of the format
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from factory.storage.errors import ExportError
from factory.storage.json_value import JsonObject

MARKER = ".export.json"
"""The file that tells which export a folder holds."""

WRITING = ".writing"
"""The subfolder for files that are being written."""


def claim_folder(folder: Path, identity: JsonObject) -> None:
    """Begin an export in a folder, or continue the same export there.

    Args:
        folder: The folder, which may not exist yet.
        identity: What distinguishes the export from others.

    Raises:
        ExportError: The folder holds something else, or is a file.
    """
    existing = _read_marker(folder)
    if existing == identity:
        return
    if existing is not None:
        key = next(k for k in {**identity, **existing} if existing.get(k) != identity.get(k))
        raise ExportError(
            f"{folder}: holds another export (its {key} is {existing.get(key)!r}, not "
            f"{identity.get(key)!r}); choose another folder"
        )
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ExportError(f"{folder}: exists and is not an export of ours; choose another folder")
    put_file(folder, MARKER, json.dumps(identity, indent=2, sort_keys=True).encode())


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a folder against other exports on this machine until the block or the process ends.

    Raises:
        ExportError: Another export is at work on the folder.
    """
    import fcntl

    with (folder / MARKER).open("rb") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ExportError(f"{folder}: another export is at work on it") from None
        shutil.rmtree(folder / WRITING, ignore_errors=True)  # of a killed export
        try:
            yield
        finally:
            shutil.rmtree(folder / WRITING, ignore_errors=True)


def has_all_files(folder: Path, names: Sequence[str]) -> bool:
    """Return whether all files of a sample exist."""
    return all(os.path.exists(folder / name) for name in names)


def put_file(folder: Path, name: str, data: bytes) -> None:
    """Write a small file, which appears complete or not at all."""
    place_files(folder, [name], lambda writing: (writing / name).write_bytes(data))


def place_files(folder: Path, names: Sequence[str], write: Callable[[Path], object]) -> None:
    """Write files, or folders, that appear complete or not at all.

    Args:
        folder: The folder of the export.
        names: The paths of the files, relative to the folder.
        write: Writes the files relative to the folder that it is given.
    """
    writing = folder / WRITING / f"{os.getpid()}-{names[0].replace('/', '-')}"
    shutil.rmtree(writing, ignore_errors=True)
    for name in names:
        (writing / name).parent.mkdir(parents=True, exist_ok=True)
    write(writing)
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():  # of a sample whose other files are missing
            shutil.rmtree(target)
        os.replace(writing / name, target)
    shutil.rmtree(writing)


def _read_marker(folder: Path) -> JsonObject | None:
    try:
        marker = json.loads((folder / MARKER).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return marker if isinstance(marker, dict) else None
