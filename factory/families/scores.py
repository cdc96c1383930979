"""Held-out scores of families in a few words."""

from collections.abc import Mapping, Sequence
from typing import Any

BASELINE = "class means"


def best_ssim(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The best SSIM of what was scored, its mean over the held-out subjects; None without one.

    rows: of a card's metrics, each with the "version" or "style" that it is of.
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
