"""The machine that a plan must fit."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """The resources of a machine.

    Attributes:
        cores: The number of CPU cores.
        memory_bytes: The free memory.
        disk_bytes: The free space at the output, or None if it is not known.
    """

    cores: int
    memory_bytes: int
    disk_bytes: int | None = None

    @staticmethod
    def here(output: str) -> "Machine":
        """Return the resources of this machine now.

        Args:
            output: The folder or URL of the dataset.
        """
        import psutil

        affinity = getattr(os, "sched_getaffinity", None)
        cores = len(affinity(0)) if affinity else os.cpu_count() or 1
        return Machine(cores, psutil.virtual_memory().available, _free_disk(output))


UNLIMITED = Machine(cores=1, memory_bytes=2**62)
"""A machine without limits, for clusters whose resources are not known."""


def _free_disk(output: str) -> int | None:
    """Return the free bytes at a local path that need not exist; None for a bucket."""
    if "://" in output:
        return None
    path = Path(output).absolute()
    existing = next(p for p in (path, *path.parents) if p.exists())
    return shutil.disk_usage(existing).free
