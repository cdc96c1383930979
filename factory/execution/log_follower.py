"""Print the log that another process writes, while this process waits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PERIOD_SECONDS = 1.0
"""The time between two looks at the log."""


@contextmanager
def follow_log(path: Path) -> Iterator[None]:
    """Print the lines that are appended to `path` until the block ends."""
    ended = threading.Event()
    start = path.stat().st_size if path.exists() else 0
    thread = threading.Thread(target=_print_new_lines, args=(path, start, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _print_new_lines(path: Path, position: int, ended: threading.Event) -> None:
    is_last = False
    while not is_last:
        is_last = ended.wait(PERIOD_SECONDS)  # so there is one more look after the end
        if not path.exists():
            continue
        with path.open("rb") as file:
            file.seek(position)
            text = file.read()
        lines = text[: text.rfind(b"\n") + 1]
        position += len(lines)
        if lines:
            print(lines.decode("utf-8", "replace"), end="", flush=True)
