"""Sends a recipe as a job to a Ray cluster's job server, and follows its log until it ends.

The job is `factory render` on the cluster, with the cluster's own environment and credentials:
nothing of this machine's environment goes along.
"""

import asyncio
import logging
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from factory.errors import FactoryError
from factory.execution.submit_bundle import pack
from factory.lookup import find_recipe
from factory.schema.render_recipe import load_recipe_file

_ELSEWHERE = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")  # Ray would have them before --address


def submit(
    name: str, overrides: Sequence[str] = (), options: Sequence[str] = (), *, address: str
) -> int:
    """Render a recipe on a cluster; returns the exit code of `factory render` there.

    options: more of that command's. address: of the job server, http://127.0.0.1:8265 where its
    port is forwarded. KeyboardInterrupt, passed on, says how to follow the job again and how to
    stop it. Raises FactoryError where the recipe cannot be sent, or no job server answers.
    """
    recipe = load_recipe_file(find_recipe(name), overrides)
    client = _client(address)
    with tempfile.TemporaryDirectory(prefix="factory-submit-") as folder:
        file = pack(recipe, Path(folder))
        words = [file, "--address", "auto", "--output", recipe.spec.output.path, *options]
        try:
            job = client.submit_job(
                entrypoint=shlex.join(["python", "-m", "factory.cli", "render", *words]),
                runtime_env={"working_dir": folder},
                metadata={"recipe": Path(recipe.source).name, "digest": recipe.digest},
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise FactoryError(f"--address {address}: {_first_line(error)}") from error
    again = f"ray job logs --follow --address {address} {job}"
    try:
        print(f"factory: job {job}", file=sys.stderr)
        return follow(client, job)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"the job goes on; to follow it: {again}; "
            f"to stop it: ray job stop --address {address} {job}"
        ) from None
    except (RuntimeError, OSError) as error:
        raise FactoryError(
            f"--address {address}: does not answer any more ({_first_line(error)}); the job may "
            f"go on; to follow it: {again}"
        ) from error


def follow(client: Any, job: str) -> int:
    """Print a job's log as it is written, until it ends; returns its exit code.

    A connection that breaks is made again. Raises RuntimeError or OSError where it cannot be.
    """
    printed = 0
    while not client.get_job_status(job).is_terminal():
        try:
            printed = asyncio.run(_tail(client, job, printed))
        except (RuntimeError, OSError):
            client.get_job_status(job)  # raises where nobody answers
    sys.stdout.write(client.get_job_logs(job)[printed:])
    sys.stdout.flush()
    info = client.get_job_info(job)
    code = info.driver_exit_code
    if code is None and str(info.status) != "SUCCEEDED":  # it never began, or was stopped
        print(f"factory: job {job} {str(info.status).lower()}: {info.message}", file=sys.stderr)
        return 1
    return int(code or 0) % 256


async def _tail(client: Any, job: str, printed: int) -> int:
    """Print a log beyond what has been printed; returns how much of it then has been."""
    seen = 0
    async for text in client.tail_job_logs(job):
        fresh = text[max(0, printed - seen) :]
        seen += len(text)
        sys.stdout.write(fresh)
        sys.stdout.flush()
    return max(seen, printed)


def _client(address: str) -> Any:
    if not address.startswith(("http://", "https://")):
        raise FactoryError(
            f"--address {address}: allowed: the job server's URL, e.g. http://127.0.0.1:8265"
        )
    for variable in _ELSEWHERE:
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
    """Whether Ray will find a token to show to the job server, which may ask for one."""
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return named or (Path.home() / ".ray" / "auth_token").is_file()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
