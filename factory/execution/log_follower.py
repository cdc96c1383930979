"""Show a log that a worker elsewhere writes, as plain lines, while this process waits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PERIOD_S = 1.0


@contextmanager
def following(path: Path) -> Iterator[None]:
    """Print what is appended to `path` from now on, until the block ends."""
    done = threading.Event()
    start = path.stat().st_size if path.exists() else 0
    thread = threading.Thread(target=_follow, args=(path, start, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _follow(path: Path, position: int, done: threading.Event) -> None:
    last = False
    while not last:
        last = done.wait(PERIOD_S)  # one more look after the end
        if not path.exists():
            continue
        with path.open("rb") as file:
            file.seek(position)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        position += len(whole)
        if whole:
            print(whole.decode("utf-8", "replace"), end="", flush=True)
