"""A folder of objects, on a disk or in a bucket, that are written atomically, read and listed.

On a disk an object is written to a temporary file that is then renamed; in a bucket it is written
by one put. A reader therefore sees the old bytes or the new ones, never a mixture.
"""

import contextlib
import itertools
import os
import posixpath
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from factory.storage.dataset import s3 as bucket
from factory.storage.errors import DatasetError
from factory.storage.json_value import JsonObject

_counter = itertools.count()


class ObjectStore:
    """The objects under one URL or path, by key, e.g. "image/c/0/0/0/0".

    Every method raises DatasetError, in one line with the path and the reason, if the file system
    reports an error, e.g. that the disk is full or the bucket does not exist.

    Args:
        url: A URL or path.
        scratch: On a disk, the subfolder for temporary files: renaming stays within one file
            system, and no temporary file is mistaken for content.
    """

    def __init__(self, url: str | os.PathLike[str], scratch: str = "ledger") -> None:
        self.url = os.fspath(url)
        self.scratch = scratch
        self.options: JsonObject = bucket.PATIENCE if bucket.is_s3(self.url) else {}
        try:
            self.fs, self.root = fsspec.core.url_to_fs(self.url, **self.options)
        except (ImportError, ValueError, OSError) as error:
            raise DatasetError(f"{self.url}: {error}") from error
        if self.options:
            self.fs.retries = bucket.TRIES

    @property
    def is_local(self) -> bool:
        """Whether the objects are files on a disk."""
        return isinstance(self.fs, LocalFileSystem)

    def path(self, key: str) -> str:
        """Return the path of an object in its file system."""
        return posixpath.join(self.root, key) if key else str(self.root)

    def get(self, key: str) -> bytes | None:
        """Return the bytes of an object, or None if it does not exist."""
        with self._translate_errors("read", key):
            try:
                return bytes(self.fs.cat_file(self.path(key)))
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def get_all(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the bytes of several objects, in order; a bucket is asked for many at once."""
        if self.is_local or len(keys) < 2:
            return [self.get(key) for key in keys]
        with self._translate_errors("read", keys[0]):
            results = self.fs.cat([self.path(key) for key in keys], on_error="return")
        return [self._bytes_or_error(key, results[self.path(key)]) for key in keys]

    def _bytes_or_error(self, key: str, result: bytes | Exception) -> bytes | None:
        """Return the bytes of a request that fsspec answered, or raise its error."""
        if isinstance(result, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            return None
        if isinstance(result, Exception):
            with self._translate_errors("read", key):
                raise result
        return bytes(result)

    def size(self, key: str) -> int | None:
        """Return the length of an object in bytes, or None if it does not exist."""
        with self._translate_errors("read", key):
            try:
                return int(self.fs.size(self.path(key)))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def list_names(self, key: str = "") -> set[str]:
        """List the names directly in a subfolder, without temporary files."""
        with self._translate_errors("list", key):
            try:
                paths = self.fs.ls(self.path(key), detail=False, refresh=True)
            except (FileNotFoundError, NotADirectoryError):
                return set()
        names = {posixpath.basename(str(path).rstrip("/")) for path in paths}
        return {name for name in names if not name.startswith(".tmp-")}

    def check_access(self) -> None:
        """Raise DatasetError if the bucket does not exist or access is denied."""
        if self.options:
            name, _, _ = self.fs.split_path(self.root)
            with self._translate_errors("open", ""):
                self.fs.call_s3("list_objects_v2", Bucket=name, MaxKeys=1)

    def is_file(self) -> bool:
        """Return whether there is a file in place of the folder."""
        with self._translate_errors("read", ""):
            return self.is_local and os.path.isfile(self.root)

    def put(self, key: str, data: bytes) -> None:
        """Write an object, which appears with all its bytes or not at all."""
        with self._translate_errors("write", key):
            if self.is_local:
                self._write_file(self.path(key), data)
            else:
                self.fs.pipe_file(self.path(key), data)

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object if it does not exist yet; of several writers only one succeeds.

        Returns:
            Whether this call wrote it.
        """
        with self._translate_errors("write", key):
            try:
                if self.is_local:
                    self._write_file(self.path(key), data, os.link)
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
        """Replace an object if it has not changed since it was read.

        On a disk another writer may come in between, so this is not safe enough for a lock.

        Args:
            key: The key of the object.
            old: The bytes that were read, or None if the object did not exist.
            new: The bytes to write.

        Returns:
            Whether the object was replaced.
        """
        if old is None:
            return self.put_new(key, new)
        with self._translate_errors("write", key):
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
        """Remove an object, or a subfolder with all its objects, if it exists."""
        with self._translate_errors("delete", key), contextlib.suppress(FileNotFoundError):
            self.fs.rm(self.path(key), recursive=True)

    def remove_temporary_files(self) -> None:
        """Remove the temporary files that killed processes of this host have left."""
        if not self.is_local:
            return
        for file in Path(self.path(self.scratch)).glob(f".tmp-{socket.gethostname()}-*"):
            if not _is_running(int(file.name.rsplit("-", 2)[1])):
                with self._translate_errors("delete", file.name):
                    file.unlink(missing_ok=True)

    def _write_file(
        self, path: str, data: bytes, move: Callable[[str, str], None] = os.replace
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
            move(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)

    @contextlib.contextmanager
    def _translate_errors(self, verb: str, key: str) -> Iterator[None]:
        """Raise the errors of the file system as DatasetError: "cannot <verb> <key>"."""
        try:
            yield
        except bucket.request_errors() as error:
            where = f" {key}" if key else ""
            reason = bucket.failure_reason(error)
            raise DatasetError(f"{self.url}: cannot {verb}{where}: {reason}") from error


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
