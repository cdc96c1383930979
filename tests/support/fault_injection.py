"""A Ray cluster on this machine to kill parts of: a head without CPUs, and nodes of one CPU each.

Its files are in a folder of its own, so that no other Ray of this machine is met or disturbed.
"""

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

if "RAY_TMPDIR" not in os.environ:  # short: the paths of sockets are at most 107 characters
    os.environ["RAY_TMPDIR"] = tempfile.mkdtemp(prefix="ground-", dir="/tmp")
    atexit.register(shutil.rmtree, os.environ["RAY_TMPDIR"], ignore_errors=True)
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import psutil
from ray.cluster_utils import Cluster

_TRIES = 5  # at starting a process of Ray's, which on a busy machine may take its 30 s
_START_SECONDS = 300
_STORE_BYTES = 80 * 2**20
_CONFIG = {
    # a lost node is known as lost after some 6 s
    "health_check_initial_delay_ms": 2000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 5000,
    "health_check_failure_threshold": 3,
    # no process is started that is not used: actors have an environment of their own
    "enable_worker_prestart": False,
    "prestart_worker_first_driver": False,
    "worker_niceness": 0,
}


class Ground:
    """Use as a context manager. nodes: of one CPU each, beside the head."""

    def __init__(self, nodes: int) -> None:
        self.cluster: Any = None
        self.wanted = nodes

    def __enter__(self) -> "Ground":
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    @property
    def nodes(self) -> list[Any]:
        return sorted(self.cluster.worker_nodes, key=lambda node: str(node.unique_id))

    def begin(self) -> None:
        self.cluster = Cluster()
        self._start(num_cpus=0, include_dashboard=False, no_monitor=True, _system_config=_CONFIG)
        for _ in range(self.wanted):
            self.add()

    def end(self) -> None:
        """Kill everything."""
        for node in self.nodes:
            self.power_off(node)
        if self.cluster.head_node:
            self.power_off(self.cluster.head_node)

    def add(self) -> None:
        """One more node."""
        self._start(num_cpus=1)

    def power_off(self, node: Any) -> None:
        """Kill -9 every process of a node, its actors too, as when the power fails."""
        for process in _descendants(node, lambda _: True):
            _kill(process)
        node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
        if node is self.cluster.head_node:
            self.cluster.head_node = None
        else:
            self.cluster.worker_nodes.discard(node)

    def lose_head(self) -> None:
        """Kill -9 every process of the head; the nodes are left alone with that."""
        self.power_off(self.cluster.head_node)

    def begin_anew(self) -> None:
        """Another cluster, after the head was lost."""
        for node in self.nodes:
            self.power_off(node)
        self.begin()

    def actors(self) -> list[psutil.Process]:
        """The processes of actors on all nodes, oldest first."""
        processes = [p for node in self.nodes for p in _descendants(node, _is_actor)]
        return sorted(processes, key=lambda process: process.pid)

    def kill_actor(self, which: int) -> bool:
        """Kill -9 one of the actors. Whether there was one."""
        actors = self.actors()
        if actors:
            _kill(actors[which % len(actors)])
        return bool(actors)

    def _start(self, **how: Any) -> None:
        for tries_left in reversed(range(_TRIES)):
            try:
                node = self.cluster.add_node(
                    wait=False,
                    include_log_monitor=False,
                    object_store_memory=_STORE_BYTES,
                    **how,
                )
                self.cluster._wait_for_node(node, timeout=_START_SECONDS)
                return
            except Exception:  # Ray raises no narrower one
                if not tries_left:
                    raise


def _descendants(node: Any, is_wanted: Callable[[str], bool]) -> list[psutil.Process]:
    processes = []
    for info in node.all_processes.get("raylet", []):
        try:
            for process in psutil.Process(info.process.pid).children(recursive=True):
                if is_wanted(" ".join(process.cmdline())):
                    processes.append(process)
        except psutil.Error:
            continue
    return processes


def _is_actor(command: str) -> bool:
    return command.startswith("ray::Actor")


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        process.kill()
