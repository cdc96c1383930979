"""Text that people read: lists of names, numbers of bytes, durations, counts."""

from collections.abc import Iterable, Sequence

MOST_NAMES = 12
"""A message lists no more names of labels than this, since a head has fifty."""


def join_names(names: Iterable[object]) -> str:
    """Return the names with commas between them."""
    return ", ".join(str(name) for name in names)


def join_first_names(names: Sequence[object], most: int = MOST_NAMES) -> str:
    """Return the names with commas between them; of more than `most` the first, and how many."""
    if len(names) <= most:
        return join_names(names)
    return f"{join_names(names[: most - 2])} and {len(names) - most + 2} more"


def size_text(size_bytes: float) -> str:
    """Return a number of bytes in a readable unit: "1.5 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.3g} TB"


def duration_text(seconds: float) -> str:
    """Return a duration in a readable unit: "45 s", "12 min", "3.5 h", "2.1 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} days"


def count_text(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural unless the count is 1: "3 samples"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
