"""The lease, which tells a second driver that another one is working on a dataset.

It is advice only: no dataset becomes wrong without it. Its holder renews it every 10 s by a
conditional write. A lease that has not been renewed for 60 s does not count, and neither does one
of a process of this host that has ended.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from types import TracebackType
from typing import TypedDict

from factory.storage.dataset.object_store import ObjectStore
from factory.storage.errors import DatasetError

KEY = "lease.json"
"""The key of the lease in the dataset."""

RENEW_SECONDS = 10.0
"""The time between two renewals."""

STALE_SECONDS = 60.0
"""The time without a renewal after which a lease does not count."""


class LeaseDocument(TypedDict):
    """The content of a lease.

    Attributes:
        host: The name of the holder's host.
        process: The id of the holder's process.
        started: When that process started, in seconds since 1970; None if not known.
        renewed: When the lease was last renewed, in seconds since 1970.
    """

    host: str
    process: int
    started: float | None
    renewed: float


class Lease:
    """A context manager that takes the lease, renews it while the block runs, and removes it.

    Args:
        folder: The objects of the dataset.
        beside: Whether to take no lease and to work beside its holder.

    Raises:
        DatasetError: Another driver is working on the dataset; the message names it.
    """

    def __init__(self, folder: ObjectStore, beside: bool = False) -> None:
        self.folder, self.beside = folder, beside
        process = os.getpid()
        self.holder = {
            "host": socket.gethostname(),
            "process": process,
            "started": _start_time(process),
            "token": uuid.uuid4().hex,
        }
        self.own_bytes = b""  # empty while no lease is held
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._renew, daemon=True)

    def refuse_if_busy(self) -> bytes | None:
        """Return the bytes of a lease that does not count, or None if there is no lease.

        Raises:
            DatasetError: Another driver holds the lease.
        """
        self.folder.check_access()
        data = self.folder.get(KEY)
        holder = _parse_lease(data)
        if not self.beside and holder and is_alive(holder):
            age_seconds = max(0, round(time.time() - holder["renewed"]))
            raise DatasetError(
                f"{self.folder.url}: process {holder['process']} on {holder['host']} is at work on "
                f"it and renewed its lease {age_seconds} s ago; --beside continues anyway and "
                "harms nothing"
            )
        return data

    def __enter__(self) -> "Lease":
        old = self.refuse_if_busy()
        if not self.beside:
            self.own_bytes = self._new_bytes()
            if not self.folder.swap(KEY, old, self.own_bytes):
                self.refuse_if_busy()  # another driver was faster; if it has ended, go on
                self.own_bytes = b""
            self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop.set()
        if self.thread.ident:
            self.thread.join()
        with contextlib.suppress(DatasetError):
            if self.own_bytes and self.folder.get(KEY) == self.own_bytes:
                self.folder.delete(KEY)

    def _renew(self) -> None:
        while self.own_bytes and not self.stop.wait(RENEW_SECONDS):
            with contextlib.suppress(DatasetError):  # the work itself will report the error
                new = self._new_bytes()
                self.own_bytes = new if self.folder.swap(KEY, self.own_bytes, new) else b""

    def _new_bytes(self) -> bytes:
        return json.dumps({**self.holder, "renewed": time.time()}).encode()


def is_alive(holder: LeaseDocument) -> bool:
    """Return whether the holder of a lease may still be working."""
    if time.time() - holder["renewed"] > STALE_SECONDS:
        return False
    is_here = holder["host"] == socket.gethostname()
    return not is_here or _start_time(holder["process"]) == holder["started"]


def _parse_lease(data: bytes | None) -> LeaseDocument | None:
    try:
        document = json.loads(data or b"")
        types = {"host": str, "process": int, "renewed": float}
        if not all(isinstance(document[key], kind) for key, kind in types.items()):
            return None
        return LeaseDocument(
            host=document["host"],
            process=document["process"],
            started=document.get("started"),
            renewed=document["renewed"],
        )
    except (ValueError, KeyError, TypeError):
        return None


def _start_time(process: int) -> float | None:
    """Return when a process of this host started, or None if it does not run."""
    import psutil

    try:
        running = psutil.Process(process)
        return None if running.status() == psutil.STATUS_ZOMBIE else running.create_time()
    except psutil.Error:
        return None
