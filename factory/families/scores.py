"""Held-out scores of the families, in a few words and as lines of text."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from factory.storage.json_value import JsonValue

if TYPE_CHECKING:
    import pandas as pd

BASELINE = "class means"


def best_ssim(rows: Sequence[Mapping[str, JsonValue]]) -> str | None:
    """Return the best SSIM in a few words; None if no row has one.

    Args:
        rows: Rows of a card's metrics, each with its "version" or "style". The SSIM of a version is
            its mean over the held-out subjects.
    """
    ssim: dict[str, list[float]] = {}
    for row in rows:
        name = str(row.get("version", row.get("style")))
        if name != BASELINE and row.get("ssim") is not None:
            ssim.setdefault(name, []).append(row["ssim"])
    if not ssim:
        return None
    means = {name: sum(values) / len(values) for name, values in ssim.items()}
    best = max(means, key=lambda name: means[name])
    return f"held-out SSIM {means[best]:.3f} ({best})"


def plain_text_lines(table: "pd.DataFrame") -> list[str]:
    """Return the lines of a table as plain text, without its index."""
    return [line.rstrip() for line in table.to_string(index=False).splitlines()]
