"""The plan of a recipe on a machine, and its execution."""

import functools
from typing import TYPE_CHECKING

from factory.planning.machine import ANY, Machine
from factory.planning.plan import Plan, plan
from factory.rendering.lookahead import AHEAD
from factory.rendering.model_set import Networks
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.dataset import Dataset

if TYPE_CHECKING:
    from factory.execution.outcome import Report


def run(
    made: Plan,
    dataset: Dataset,
    networks: Networks,
    device: str,
    *,
    serial: bool,
    address: str | None,
    actors: int | None,
    keep_going: bool = False,
    progress: bool,
) -> "Report":
    """Render what a plan says is not done. Raises as `factory.execution.run.execute`."""
    from factory.execution.run import execute
    from factory.execution.worker import RenderWorker

    return execute(
        made.remaining(),
        functools.partial(RenderWorker, dataset, networks.loader(device), made.threads),
        samples=made.layout.samples,
        standing=made.standing,
        serial=serial,
        address=address,
        actors=actors if address else made.actors,
        threads=made.threads,
        gpus=1 if device == "cuda" else 0,
        memory=made.memory_per_actor if address else 0,
        ahead=AHEAD if made.overlap else 0,
        keep_going=keep_going,
        show_progress=progress,
    )


def planned(
    recipe: Recipe, networks: Networks, actors: int | None, address: str | None = None
) -> Plan:
    """The plan of a recipe on this machine, or on a cluster, whose memory is Ray's to know."""
    machine = ANY if address else Machine.here(recipe.spec.output.path)
    cards = (networks.fusion_card, networks.gate_card)
    return plan(recipe, networks.card, networks.bytes, machine, actors, *cards)
