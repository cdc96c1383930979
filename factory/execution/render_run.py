"""The plan of a recipe on a machine, and its execution."""

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from factory.execution.options import RunOptions
from factory.planning.machine import UNLIMITED, Machine
from factory.planning.plan import Plan, make_plan
from factory.rendering.lookahead import AHEAD
from factory.rendering.model_set import ModelSet
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.dataset import Dataset

if TYPE_CHECKING:
    from factory.execution.outcome import Report


def render_shards(
    made: Plan,
    dataset: Dataset,
    networks: ModelSet,
    device: str,
    options: RunOptions,
    *,
    keep_going: bool = False,
) -> "Report":
    """Render what a plan says is not done. Raises as `factory.execution.run.execute`.

    device: "cpu" or "cuda", that renders.
    """
    from factory.execution.run import ActorNeeds, execute
    from factory.execution.worker import RenderWorker

    return execute(
        made.remaining(),
        functools.partial(RenderWorker, dataset, networks.loader(device), made.threads),
        samples=made.layout.samples,
        standing=made.finished_samples,
        ahead=AHEAD if made.overlap else 0,
        keep_going=keep_going,
        actor=ActorNeeds(
            threads=made.threads,
            gpus=1 if device == "cuda" else 0,
            memory=made.memory_per_actor if options.address else 0,
        ),
        run=options if options.address else replace(options, actors=made.actors),
    )


def plan_for_machine(recipe: Recipe, networks: ModelSet, options: RunOptions) -> Plan:
    """The plan of a recipe on this machine, or on a cluster, whose memory is Ray's to know."""
    machine = UNLIMITED if options.address else Machine.here(recipe.spec.output.path)
    actors = 1 if options.serial else options.actors
    cards = (networks.fusion_card, networks.gate_card)
    return make_plan(recipe, networks.card, networks.bytes, machine, actors, *cards)
