"""Why the pool is plain actors with a queue of their own: what Ray's other two ways do.

python tests/campaigns/ray_choices.py

1. Ray Data's actor pool, with a row that kills whatever actor takes it: how often is it tried?
2. Two actors with max_task_retries on two nodes, one node lost for good: does its call ever end,
   the other actor being idle?
Each is watched for a minute. Files are in a folder of its own, as in ground.py.
"""

import contextlib
import os
import signal
import tempfile
import threading
import time
from typing import Any

import ray
import ray.data
from support.fault_injection import Ground

WATCHED_SECONDS = 60
POISON = 5


class Renderer:
    """As Ray Data wants it. deaths: a file with a byte for each."""

    def __init__(self, deaths: str) -> None:
        self.deaths = deaths

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        if POISON in batch["item"]:
            with open(self.deaths, "a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGKILL)
        return batch


def watched(what: Any) -> str:
    """What came of it within the time, or that nothing did."""
    came = ["still going on"]

    def run() -> None:
        try:
            what()
            came[0] = "ended"
        except Exception as error:
            came[0] = f"raised {type(error).__name__}"

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(WATCHED_SECONDS)
    return came[0]


def poison(deaths: str) -> None:
    rows = ray.data.from_items(list(range(20)), override_num_blocks=20)
    rows.map_batches(
        Renderer, fn_constructor_args=(deaths,), concurrency=2, batch_size=1, num_cpus=1
    ).materialize()


@ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)
class Slow:
    def work(self, seconds: float) -> str:
        time.sleep(seconds)
        return str(ray.get_runtime_context().get_node_id())


def main() -> None:
    deaths = tempfile.mktemp()
    with Ground(2) as ground:
        ray.init(address=ground.address, log_to_driver=False, logging_level="error")
        ray.data.DataContext.get_current().enable_progress_bars = False
        came = watched(lambda: poison(deaths))
        tried = os.path.getsize(deaths) if os.path.exists(deaths) else 0
        print(f"Ray Data, a row that kills: {came}, tried {tried} times", flush=True)
        lost, spare = Slow.remote(), Slow.remote()
        nodes = ray.get([lost.work.remote(0), spare.work.remote(0)])
        call = lost.work.remote(5)
        time.sleep(1)
        node = next(node for node in ground.nodes if node.node_id == nodes[0])
        ground.power_off(node)
        print(f"max_task_retries, its node lost: {watched(lambda: ray.get(call))}", flush=True)
    with contextlib.suppress(OSError):
        os.remove(deaths)
    os._exit(0)  # the two threads still wait


if __name__ == "__main__":
    main()
