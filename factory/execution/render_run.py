"""Plan a recipe for this machine or a cluster, and render the plan."""

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from factory.execution.options import ActorNeeds, RenderOptions, RunOptions, ShardOptions
from factory.planning.machine import UNLIMITED, Machine
from factory.planning.plan import Plan, make_plan
from factory.rendering.lookahead import AHEAD
from factory.rendering.model_set import ModelSet
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.dataset import Dataset

if TYPE_CHECKING:
    from factory.execution.outcome import Report


def render_shards(
    plan: Plan, dataset: Dataset, models: ModelSet, device: str, options: RenderOptions
) -> "Report":
    """Render the shards of a plan that are not finished.

    Args:
        plan: The plan.
        dataset: Where the shards are written.
        models: The recipe's models.
        device: The device that renders, "cpu" or "cuda".
        options: `keep_going` and `run` are used.

    Raises:
        Exception: As `factory.execution.run.execute`.
    """
    from factory.execution.run import execute
    from factory.execution.worker import RenderWorker

    run = options.run
    on_cluster = bool(run.address)
    return execute(
        plan.remaining(),
        functools.partial(RenderWorker, dataset, models.loader(device), plan.threads),
        samples=plan.layout.samples,
        finished=plan.finished_samples,
        shard_options=ShardOptions(AHEAD if plan.overlap else 0, options.keep_going),
        needs=ActorNeeds(
            threads=plan.threads,
            gpus=1 if device == "cuda" else 0,
            memory_bytes=plan.memory_per_actor if on_cluster else 0,
        ),
        run=run if on_cluster else replace(run, actors=plan.actors),
    )


def plan_for_machine(recipe: Recipe, models: ModelSet, options: RunOptions) -> Plan:
    """Plan a recipe for this machine, or for a cluster, whose free memory only Ray knows."""
    machine = UNLIMITED if options.address else Machine.here(recipe.spec.output.path)
    actors = 1 if options.serial else options.actors
    cards = models.painting_cards
    common = cards.get("") or next(iter(cards.values()))
    groups = {name: (one.painter, one.fusion) for name, one in cards.items() if name}
    return make_plan(
        recipe,
        common.painter,
        models.bytes,
        machine,
        actors,
        fusion=common.fusion,
        gate=models.gate_card,
        groups=groups,
    )
