"""Who is at work on a dataset: advice for a second driver. Correctness never depends on it.

The holder renews it every 10 s by a conditional put. One that was not renewed for 60 s counts for
nothing, nor does one of this host whose process is gone.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from typing import Any

from factory.storage.dataset.object_store import ObjectStore
from factory.storage.errors import DatasetError

KEY = "lease.json"
RENEW_SECONDS = 10.0
STALE_SECONDS = 60.0


class Lease:
    """Use as a context manager: taken, renewed while the block lasts, given back.

    beside: take nothing and go on beside whoever holds it. Raises DatasetError, naming the
    holder, where somebody else is at work.
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
        self.mine = b""
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._renew, daemon=True)

    def refuse_if_busy(self) -> bytes | None:
        """The lease that lies there, worth nothing. Raises DatasetError where it is worth some."""
        self.folder.check_access()
        data = self.folder.get(KEY)
        held = _parse_lease(data)
        if not self.beside and held and is_alive(held):
            ago = max(0, round(time.time() - held["renewed"]))
            raise DatasetError(
                f"{self.folder.url}: process {held['process']} on {held['host']} is at work on it, "
                f"last heard of {ago} s ago; --beside goes on nevertheless, and harms nothing"
            )
        return data

    def __enter__(self) -> "Lease":
        old = self.refuse_if_busy()
        if not self.beside:
            self.mine = self._now()
            if not self.folder.swap(KEY, old, self.mine):
                self.refuse_if_busy()  # another driver was faster; if it has ended, go on
                self.mine = b""
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        if self.thread.ident:
            self.thread.join()
        with contextlib.suppress(DatasetError):
            if self.mine and self.folder.get(KEY) == self.mine:
                self.folder.delete(KEY)

    def _renew(self) -> None:
        while self.mine and not self.over.wait(RENEW_SECONDS):
            with contextlib.suppress(DatasetError):  # an ill server: the work itself will say so
                new = self._now()
                self.mine = new if self.folder.swap(KEY, self.mine, new) else b""

    def _now(self) -> bytes:
        return json.dumps({**self.holder, "renewed": time.time()}).encode()


def is_alive(held: dict[str, Any]) -> bool:
    """Whether the holder of a lease may still be at work."""
    if time.time() - held["renewed"] > STALE_SECONDS:
        return False
    here = held["host"] == socket.gethostname()
    return not here or _start_time(held["process"]) == held["started"]


def _parse_lease(data: bytes | None) -> dict[str, Any] | None:
    try:
        held = json.loads(data or b"")
        known = {"host": str, "process": int, "renewed": float}
        sound = all(isinstance(held[key], kind) for key, kind in known.items())
    except (ValueError, KeyError, TypeError):
        return None
    return {"started": None, **held} if sound else None


def _start_time(process: int) -> float | None:
    """When a process of this host began; None where there is none."""
    import psutil

    try:
        running = psutil.Process(process)
        return None if running.status() == psutil.STATUS_ZOMBIE else running.create_time()
    except psutil.Error:
        return None
