"""What benchmarks write: a table, figures with machine and versions, and a bar chart."""

import json
import os
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from factory.storage.dataset.environment import current_environment


def machine(device: str = "cpu", threads: int = 1) -> dict[str, Any]:
    """Return the environment of this process, and the processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return current_environment(device, threads) | {"processor": names[:1], "cores": os.cpu_count()}


def write_results(folder: Path, name: str, results: Any, table: str, device: str = "cpu") -> None:
    """Write the results with the environment to NAME.json, and the table to NAME.md."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"found": results, "environment": machine(device)}
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    (folder / f"{name}.md").write_text(table + "\n")


def bars(
    path: Path,
    values: dict[str, float],
    unit: str,
    targets: dict[str, float],
    log: bool = False,
) -> None:
    """Draw a bar for each value, with a line at its target; log: on a logarithmic scale."""
    figure = Figure(figsize=(8, 0.22 * len(values) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh(list(values), list(values.values()), color="tab:blue", log=log)
    for place, name in enumerate(values):
        if name in targets:
            axes.vlines(targets[name], place - 0.4, place + 0.4, color="black")
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel(f"{unit}; the black line is the target" if targets else unit)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
