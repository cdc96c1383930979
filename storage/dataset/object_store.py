"""A folder of objects, on a disk or in a bucket: whole objects put atomically, read, listed.

Every object is written once and whole: on a disk into a temporary file that is then renamed, in
a bucket by one put. A reader sees the old bytes or the new ones, never half of them.
"""

import contextlib
import itertools
import os
import posixpath
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from factory.storage.dataset import s3 as bucket
from factory.storage.errors import DatasetError

_counter = itertools.count()


class ObjectStore:
    """Objects by key ("image/c/0/0/0/0") under one URL or path.

    scratch: the subfolder that temporary files use on a disk, so that renaming them stays within
    one file system and none is mistaken for content.

    Every method raises DatasetError, one line naming the path and the reason, where the file
    system refuses (disk full, no permission, no such bucket).
    """

    def __init__(self, url: str | os.PathLike[str], scratch: str = "ledger") -> None:
        self.url = os.fspath(url)
        self.scratch = scratch
        self.options: dict[str, Any] = bucket.PATIENCE if bucket.is_s3(self.url) else {}
        try:
            self.fs, self.root = fsspec.core.url_to_fs(self.url, **self.options)
        except (ImportError, ValueError, OSError) as error:
            raise DatasetError(f"{self.url}: {error}") from error
        if self.options:
            self.fs.retries = bucket.TRIES

    @property
    def is_local(self) -> bool:
        return isinstance(self.fs, LocalFileSystem)

    def path(self, key: str) -> str:
        return posixpath.join(self.root, key) if key else str(self.root)

    def get(self, key: str) -> bytes | None:
        """The object's bytes, or None where there is none."""
        with self._named("read", key):
            try:
                return bytes(self.fs.cat_file(self.path(key)))
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def get_all(self, keys: Sequence[str]) -> list[bytes | None]:
        """Several objects' bytes, in order; from a bucket many at a time."""
        if self.is_local or len(keys) < 2:
            return [self.get(key) for key in keys]
        with self._named("read", keys[0]):
            found = self.fs.cat([self.path(key) for key in keys], on_error="return")
        return [self._one(key, found[self.path(key)]) for key in keys]

    def _one(self, key: str, found: Any) -> bytes | None:
        if isinstance(found, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            return None
        if isinstance(found, Exception):
            with self._named("read", key):
                raise found
        return bytes(found)

    def size(self, key: str) -> int | None:
        """The object's length in bytes, or None where there is none."""
        with self._named("read", key):
            try:
                return int(self.fs.size(self.path(key)))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def list_names(self, key: str = "") -> set[str]:
        """Names directly in a subfolder, temporary files left out; empty where there is none."""
        with self._named("list", key):
            try:
                found = self.fs.ls(self.path(key), detail=False, refresh=True)
            except (FileNotFoundError, NotADirectoryError):
                return set()
        names = {posixpath.basename(str(path).rstrip("/")) for path in found}
        return {name for name in names if not name.startswith(".tmp-")}

    def check_access(self) -> None:
        """Raises DatasetError where there is no such bucket, or no way in."""
        if self.options:
            name, _, _ = self.fs.split_path(self.root)
            with self._named("open", ""):
                self.fs.call_s3("list_objects_v2", Bucket=name, MaxKeys=1)

    def is_file(self) -> bool:
        """Whether the folder's own path is taken by a file."""
        with self._named("read", ""):
            return self.is_local and os.path.isfile(self.root)

    def put(self, key: str, data: bytes) -> None:
        """Write an object whole: it appears with all its bytes, or not at all."""
        with self._named("write", key):
            if self.is_local:
                self._put_local(self.path(key), data)
            else:
                self.fs.pipe_file(self.path(key), data)

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object where there is none yet; whether this call did. Of many, one does."""
        with self._named("write", key):
            try:
                if self.is_local:
                    self._put_local(self.path(key), data, os.link)
                else:
                    self.fs.pipe_file(self.path(key), data, mode="create")
            except FileExistsError:
                return False
            except bucket.request_errors() as error:
                if bucket.is_conflict(error):
                    return False
                raise
        return True

    def swap(self, key: str, old: bytes | None, new: bytes) -> bool:
        """Replace an object that still is what was read, None for none; whether this call did.

        On a disk another writer may slip in between: good enough for advice, not for a lock.
        """
        if old is None:
            return self.put_new(key, new)
        with self._named("write", key):
            if self.options:
                try:
                    return bucket.swap(self.fs, self.path(key), old, new)
                except FileNotFoundError:
                    return False
        if self.get(key) != old:
            return False
        self.put(key, new)
        return True

    def delete(self, key: str) -> None:
        """Remove an object, or a subfolder with all it holds; nothing where there is none."""
        with self._named("delete", key), contextlib.suppress(FileNotFoundError):
            self.fs.rm(self.path(key), recursive=True)

    def remove_temporary_files(self) -> None:
        """Remove temporary files that killed processes of this host left behind."""
        if not self.is_local:
            return
        for file in Path(self.path(self.scratch)).glob(f".tmp-{socket.gethostname()}-*"):
            if not _is_running(int(file.name.rsplit("-", 2)[1])):
                with self._named("delete", file.name):
                    file.unlink(missing_ok=True)

    def _put_local(
        self, path: str, data: bytes, place: Callable[[str, str], None] = os.replace
    ) -> None:
        scratch = self.path(self.scratch)
        os.makedirs(scratch, exist_ok=True)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        name = f".tmp-{socket.gethostname()}-{os.getpid()}-{next(_counter)}"
        temporary = os.path.join(scratch, name)
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            place(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)

    @contextlib.contextmanager
    def _named(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except bucket.request_errors() as error:
            where = f" {key}" if key else ""
            reason = bucket.error_text(error)
            raise DatasetError(f"{self.url}: cannot {verb}{where}: {reason}") from error


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
