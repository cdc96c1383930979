"""Text that people read: lists, nearest names, amounts, durations."""

import difflib
from collections.abc import Iterable
from typing import Any


def listed(names: Iterable[Any]) -> str:
    return ", ".join(str(name) for name in names)


def nearest(word: Any, names: Iterable[str]) -> str:
    """'; did you mean X?' or nothing."""
    found = difflib.get_close_matches(str(word), list(names), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""


def amount(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def duration(seconds: float) -> str:
    """Seconds as people read them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} days"


def many(count: int, noun: str) -> str:
    """A count and its noun, in the plural where it is due."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
