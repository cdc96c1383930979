"""What the command line says of an exception, and its exit code."""

import sys
from typing import Any

from factory.errors import FactoryError, ShardsFailed
from factory.storage.errors import StorageError


def explained(error: Exception) -> tuple[str, int]:
    """What to say of an exception, and the exit code."""
    if hasattr(error, "format_message"):  # typer's: the command line itself is wrong
        return f"{error.format_message()} (factory --help says more)", 2
    if isinstance(error, ShardsFailed):
        return str(error), 3
    # only a command that has loaded torch can raise what models raises
    checkpoint: Any = sys.modules.get("factory.models.checkpoint")
    weights: tuple[type[Exception], ...] = (checkpoint.WeightsError,) if checkpoint else ()
    if isinstance(error, (FactoryError, StorageError, *weights)):
        return str(error), 2
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}", 2
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"internal error: {what} (set FACTORY_DEBUG=1 for the traceback)", 1
