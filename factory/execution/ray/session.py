"""The Ray of a run: a cluster that is joined, or a local Ray that ends with the run."""

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
from typing import Any  # options and node records of Ray, which have no types

from factory.errors import FactoryError

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_OBJECT_STORE_BYTES = 200 * 2**20  # only cases and names are sent
_MAX_STARTS = 4  # attempts to start a local Ray
_TEMP_PREFIX = "factory-ray-"
_CONNECT_SECONDS = 2.0
_LEAVE_SECONDS = 10.0
_SILENCE_SECONDS = 20.0  # of a head, after which it counts as lost


class HeadLost(FactoryError):
    """The head of the Ray cluster is gone."""


@contextlib.contextmanager
def ray_session(address: str | None, cpus: int | None) -> Iterator[None]:
    """Provide a Ray while the block lasts.

    A Ray that this process has already is used as it is. A local Ray is always new: it has its own
    folder, and RAY_ADDRESS and the remains of killed runs do not matter.

    Args:
        address: The cluster to join; None to start a local Ray.
        cpus: The CPUs of a local Ray; None for all.

    Raises:
        FactoryError: If no Ray can be joined or started.
    """
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # no tracebacks of calls whose actor was dismissed
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    quiet: dict[str, Any] = {"logging_level": "error", "log_to_driver": False}
    with _without_ray_prints():
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
            _remove_old_folders()
            # in /tmp, because the path of a socket has at most 107 characters
            folder = tempfile.mkdtemp(prefix=f"{_TEMP_PREFIX}{os.getpid()}-", dir="/tmp")
            try:
                _start_local(folder, cpus, quiet)
                yield
            finally:
                ray.shutdown()
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _without_ray_prints() -> Iterator[None]:
    """Silence Ray's messages about dead actors while the block lasts.

    Ray prints them on standard output, in the middle of our reports; the pool reports them itself.
    Ray has no public switch for this, so its private function is replaced.
    """
    from ray._private import worker

    ray_print = worker.print_to_stdstream
    worker.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        worker.print_to_stdstream = ray_print


def _leave() -> None:
    """Leave a cluster; stop waiting if its head is gone, since Ray would wait for ever."""
    import ray

    patience = None if Head().answers() else _LEAVE_SECONDS
    leaving = threading.Thread(target=ray.shutdown, daemon=True)
    leaving.start()
    leaving.join(patience)


def is_listening(host: str, port: int) -> bool:
    """Return whether a process listens at a port."""
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


class Head:
    """The head of the cluster that this process has joined.

    Ray ends a process whose head was silent for 60 s, without a message of ours. So we check the
    head ourselves.
    """

    def __init__(self) -> None:
        import ray

        self.address = str(ray.get_runtime_context().gcs_address)
        self.last_answer = time.monotonic()

    def answers(self) -> bool:
        """Return whether the head answers now."""
        host, _, port = self.address.rpartition(":")
        return is_listening(host.strip("[]"), int(port))

    def check(self) -> bool:
        """Return whether the head answers now.

        Raises:
            HeadLost: If it has not answered for 20 s.
        """
        if self.answers():
            self.last_answer = time.monotonic()
            return True
        if time.monotonic() - self.last_answer > _SILENCE_SECONDS:
            raise HeadLost(
                f"the head of the Ray cluster, {self.address}, does not answer; once there is one "
                "again, the same command goes on"
            )
        return False


def actors_that_fit(needs: Mapping[str, float]) -> int:
    """Return how many actors fit on the nodes, if there is no other work.

    It is at least one, because a requested actor makes an empty cluster start a node.

    Args:
        needs: The resources of an actor, by Ray's names.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fitting = (
        min(int(resources.get(name, 0) // count) for name, count in needs.items())
        for resources in nodes
    )
    return max(1, sum(fitting))


def process_environment(threads: int) -> dict[str, str]:
    """Return the variables of a Ray process: its thread counts and its module path."""
    variables = dict.fromkeys(_THREAD_VARIABLES, str(threads))
    return {**variables, "PYTHONPATH": os.pathsep.join(_module_paths())}


def _module_paths() -> list[str]:
    """Return the module path without Python's own folders, so that actors find the same modules."""
    pythons = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))
    return [path for path in sys.path if path and not path.startswith(pythons)]


def resources_text(resources: Mapping[str, float]) -> str:
    """Return resources in words, e.g. "1 CPU, 2 GB of memory"."""
    return ", ".join(
        f"{count / 1e9:.2g} GB of memory" if name == "memory" else f"{count:g} {name}"
        for name, count in resources.items()
    )


def _start_local(folder: str, cpus: int | None, quiet: dict[str, Any]) -> None:
    """Start a local Ray; try again if it needs more than its 30 s on a busy machine."""
    import psutil
    import ray

    for attempts_left in reversed(range(_MAX_STARTS)):
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
        except Exception as error:  # Ray raises no narrower class
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if folder in " ".join(child.cmdline()):
                        child.kill()
            if not attempts_left:
                raise FactoryError(
                    f"Ray did not start here ({str(error)[:80]}); --serial renders without it"
                ) from error


def _remove_old_folders() -> None:
    """Remove the folders of killed runs."""
    for folder in Path("/tmp").glob(f"{_TEMP_PREFIX}*"):
        process = folder.name.removeprefix(_TEMP_PREFIX).split("-")[0]
        if process.isdigit() and not Path(f"/proc/{process}").exists():
            shutil.rmtree(folder, ignore_errors=True)
