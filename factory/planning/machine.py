"""What a plan must fit."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """Cores, free memory, and free bytes where the output goes (None where that is not known)."""

    cores: int
    memory_bytes: int
    disk_bytes: int | None = None

    @staticmethod
    def here(output: str) -> "Machine":
        """This machine, now."""
        import psutil

        affinity = getattr(os, "sched_getaffinity", None)
        cores = len(affinity(0)) if affinity else os.cpu_count() or 1
        return Machine(cores, psutil.virtual_memory().available, _free_disk(output))


UNLIMITED = Machine(cores=1, memory_bytes=2**62)
"""No limits: somebody else's machines."""


def _free_disk(output: str) -> int | None:
    """Free bytes where a local path will be; None for a bucket."""
    if "://" in output:
        return None
    path = Path(output).absolute()
    existing = next(p for p in (path, *path.parents) if p.exists())
    return shutil.disk_usage(existing).free
