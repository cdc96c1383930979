"""Send a recipe as a job to the job server of a Ray cluster, and print its log until it ends.

The job is `factory render` on the cluster, with the cluster's environment and credentials. Nothing
of this machine's environment is sent.
"""

import asyncio
import logging
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from factory.errors import FactoryError
from factory.execution.submit_bundle import pack
from factory.lookup import find_recipe
from factory.schema.render_recipe import load_recipe_file

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

_OTHER_ADDRESSES = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")  # Ray prefers them to --address


def submit(
    name: str, overrides: Sequence[str] = (), options: Sequence[str] = (), *, address: str
) -> int:
    """Render a recipe on a cluster; return the exit code of `factory render` there.

    Args:
        name: A recipe's file or name.
        overrides: Changed keys, "KEY=VALUE".
        options: Further options of `factory render`.
        address: URL of the job server; http://127.0.0.1:8265 if its port is forwarded.

    Raises:
        FactoryError: If the recipe cannot be sent, or no job server answers.
        KeyboardInterrupt: With a message that says how to follow the job again and how to stop it.
    """
    recipe = load_recipe_file(find_recipe(name), overrides)
    client = _connect(address)
    with tempfile.TemporaryDirectory(prefix="factory-submit-") as folder:
        file = pack(recipe, Path(folder))
        arguments = [file, "--address", "auto", "--output", recipe.spec.output.path, *options]
        try:
            job = client.submit_job(
                entrypoint=shlex.join(["python", "-m", "factory.cli", "render", *arguments]),
                runtime_env={"working_dir": folder},
                metadata={"recipe": Path(recipe.source).name, "digest": recipe.digest},
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise FactoryError(f"--address {address}: {_first_line(error)}") from error
    follow_command = f"ray job logs --follow --address {address} {job}"
    try:
        print(f"factory: job {job}", file=sys.stderr)
        return follow_job(client, job)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"the job goes on; to follow it: {follow_command}; "
            f"to stop it: ray job stop --address {address} {job}"
        ) from None
    except (RuntimeError, OSError) as error:
        raise FactoryError(
            f"--address {address}: does not answer any more ({_first_line(error)}); the job may "
            f"go on; to follow it: {follow_command}"
        ) from error


def follow_job(client: "JobSubmissionClient", job: str) -> int:
    """Print a job's log as it is written, until the job ends; return its exit code.

    If the connection breaks, it is made again.

    Raises:
        RuntimeError, OSError: If no connection can be made.
    """
    printed = 0
    while not client.get_job_status(job).is_terminal():
        try:
            printed = asyncio.run(_print_log(client, job, printed))
        except (RuntimeError, OSError):
            client.get_job_status(job)  # raises an error if nobody answers
    sys.stdout.write(client.get_job_logs(job)[printed:])
    sys.stdout.flush()
    info = client.get_job_info(job)
    code = info.driver_exit_code
    if code is None and str(info.status) != "SUCCEEDED":  # it never began, or was stopped
        print(f"factory: job {job} {str(info.status).lower()}: {info.message}", file=sys.stderr)
        return 1
    return int(code or 0) % 256


async def _print_log(client: "JobSubmissionClient", job: str, printed: int) -> int:
    """Print a log from a position on; return the position after the last printed character."""
    received = 0
    async for text in client.tail_job_logs(job):
        new_text = text[max(0, printed - received) :]
        received += len(text)
        sys.stdout.write(new_text)
        sys.stdout.flush()
    return max(received, printed)


def _connect(address: str) -> "JobSubmissionClient":
    """Connect to a job server."""
    if not address.startswith(("http://", "https://")):
        raise FactoryError(
            f"--address {address}: allowed: the job server's URL, e.g. http://127.0.0.1:8265"
        )
    for variable in _OTHER_ADDRESSES:
        os.environ.pop(variable, None)
    if _has_token():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # read when Ray is imported
    from ray.exceptions import RayError
    from ray.job_submission import JobSubmissionClient

    for handler in logging.getLogger("ray").handlers:
        handler.setLevel(logging.ERROR)
    try:
        return JobSubmissionClient(address)
    except (RayError, ConnectionError, RuntimeError, ValueError) as error:
        raise FactoryError(
            f"--address {address}: no job server to be reached ({_first_line(error)})"
        ) from error


def _has_token() -> bool:
    """Return whether Ray will find a token, which the job server may require."""
    is_set = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return is_set or (Path.home() / ".ray" / "auth_token").is_file()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
