"""The error message and the exit code that the command line gives for an exception."""

import sys
from typing import Any

from factory.errors import FactoryError, ShardsFailed
from factory.storage.errors import StorageError


def explain_error(error: Exception) -> tuple[str, int]:
    """Return the message for an exception, and the exit code of the command."""
    if hasattr(error, "format_message"):  # from typer: the command line itself is wrong
        return f"{error.format_message()} (see factory --help)", 2
    if isinstance(error, ShardsFailed):
        return str(error), 3
    # Only a command that has imported torch can raise an error of factory.models.
    checkpoint: Any = sys.modules.get("factory.models.checkpoint")  # a module has no type here
    weights_errors: tuple[type[Exception], ...] = (checkpoint.WeightsError,) if checkpoint else ()
    if isinstance(error, (FactoryError, StorageError, *weights_errors)):
        return str(error), 2
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}", 2
    description = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"internal error: {description} (set FACTORY_DEBUG=1 for the traceback)", 1
