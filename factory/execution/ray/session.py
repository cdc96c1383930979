"""One Ray for one run: joined, or our own and gone with the run."""

import contextlib
import os
import shutil
import socket
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from factory.errors import FactoryError

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_OBJECT_STORE_BYTES = 200 * 2**20  # only cases and names travel
_STARTS = 4  # tries at starting a Ray of our own
_TEMP_PREFIX = "factory-ray-"
_CONNECT_SECONDS = 2.0
_LEAVE_SECONDS = 10.0
_SILENCE_SECONDS = 20.0  # of a head, before it counts as lost


class HeadLost(FactoryError):
    """The head of the Ray cluster is gone."""


@contextlib.contextmanager
def ray_session(address: str | None, cpus: int | None) -> Iterator[None]:
    """A Ray to run on while the block lasts: the one at `address`, or one of our own with `cpus`.

    Our own is always a fresh one: in its own folder, whatever RAY_ADDRESS says and whatever a
    killed run left behind. One that this process has already is used as it is.
    Raises FactoryError where none can be joined or started.
    """
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # nor tracebacks of jobs that nobody waits for any more, since their actor was let go
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    quiet: dict[str, Any] = {"logging_level": "error", "log_to_driver": False}
    with _without_prints():
        if ray.is_initialized():
            yield
        elif address is not None:
            try:
                ray.init(address=address, **quiet)
            except (ConnectionError, ValueError, RuntimeError) as error:
                reason = str(error).splitlines()[0]
                raise FactoryError(f"--address {address}: no Ray there ({reason})") from error
            try:
                yield
            finally:
                _leave()
        else:
            _sweep()
            # In /tmp, for the paths of sockets are at most 107 characters.
            folder = tempfile.mkdtemp(prefix=f"{_TEMP_PREFIX}{os.getpid()}-", dir="/tmp")
            try:
                _start(folder, cpus, quiet)
                yield
            finally:
                ray.shutdown()
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _without_prints() -> Iterator[None]:
    """Ray prints what it has to say of dead actors on stdout, amid our reports; the pool says it.

    It has no public way to be quiet, so its private function is replaced while the block lasts.
    """
    from ray._private import worker

    printing = worker.print_to_stdstream
    worker.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        worker.print_to_stdstream = printing


def _leave() -> None:
    """Leave a cluster; without a head that may take for ever."""
    import ray

    patience = None if Head().answers() else _LEAVE_SECONDS
    leaving = threading.Thread(target=ray.shutdown, daemon=True)
    leaving.start()
    leaving.join(patience)


def answers(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


class Head:
    """The head of the cluster that this process has joined, and whether it still answers.

    Ray ends a process whose head was silent for 60 s, without a word of ours; so we look.
    """

    def __init__(self) -> None:
        import ray

        self.address = str(ray.get_runtime_context().gcs_address)
        self.heard = time.monotonic()

    def answers(self) -> bool:
        host, _, port = self.address.rpartition(":")
        return answers(host.strip("[]"), int(port))

    def check(self) -> bool:
        """Whether it answers now. Raises HeadLost where it has not for 20 s."""
        if self.answers():
            self.heard = time.monotonic()
            return True
        if time.monotonic() - self.heard > _SILENCE_SECONDS:
            raise HeadLost(
                f"the head of the Ray cluster, {self.address}, does not answer; once there is one "
                "again, the same command goes on"
            )
        return False


def room(needs: Mapping[str, float]) -> int:
    """For how many actors the nodes have room, other work aside; at least one is asked for, which
    is what makes a cluster without a node grow one.
    """
    import ray

    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return max(
        1,
        sum(min(int(have.get(name, 0) // n) for name, n in needs.items()) for have in found),
    )


def process_environment(threads: int) -> dict[str, str]:
    """Variables of a process of Ray's: its threads, and where it finds modules."""
    variables = dict.fromkeys(_THREAD_VARIABLES, str(threads))
    return {**variables, "PYTHONPATH": os.pathsep.join(_own_paths())}


def _own_paths() -> list[str]:
    """Where this process finds modules besides Python's own: actors are to find the same ones."""
    pythons = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))
    return [path for path in sys.path if path and not path.startswith(pythons)]


def amounts(resources: Mapping[str, float]) -> str:
    return ", ".join(
        f"{count / 1e9:.2g} GB of memory" if name == "memory" else f"{count:g} {name}"
        for name, count in resources.items()
    )


def _start(folder: str, cpus: int | None, quiet: dict[str, Any]) -> None:
    """Start a Ray of our own. On a busy machine its 30 s may not suffice: then again."""
    import psutil
    import ray

    for left in reversed(range(_STARTS)):
        try:
            ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                _temp_dir=folder,
                **quiet,
            )
            return
        except Exception as error:  # Ray raises no narrower one
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if folder in " ".join(child.cmdline()):
                        child.kill()
            if not left:
                raise FactoryError(
                    f"Ray did not start here ({str(error)[:80]}); --serial renders without it"
                ) from error


def _sweep() -> None:
    """Remove the folders of runs that were killed."""
    for folder in Path("/tmp").glob(f"{_TEMP_PREFIX}*"):
        process = folder.name.removeprefix(_TEMP_PREFIX).split("-")[0]
        if process.isdigit() and not Path(f"/proc/{process}").exists():
            shutil.rmtree(folder, ignore_errors=True)
