"""Cases -> shards; bytes, peak memory and time projected; what is already done. Pure."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

from factory.case import Case
from factory.errors import PlanError
from factory.families.base import Cost
from factory.families.registry import family_of
from factory.planning.append import ordered_cases
from factory.planning.cases import case_factories, count_cases
from factory.planning.compatibility import (
    check_gate,
    check_labels,
    check_precision,
    check_shape,
    gate_warnings,
    has_styles,
    subject_warnings,
    training_range_warnings,
)
from factory.planning.cost import edit_seconds, memory_ahead, memory_per_actor
from factory.planning.grid import grid_shape, label_table
from factory.planning.machine import Machine
from factory.planning.stack_shapes import megavoxels, scanned_images, stack_shapes
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.layout import Layout

THREADS = 1
"""Threads a renderer. One each is fastest where there are as many renderers as cores."""

FREE = Cost(0.0, 0)

SHARD_VOXELS = 16e6  # of a shard in a bucket, where the recipe does not say
MOST_A_SHARD = 32  # samples
FEWEST_SHARDS = 16  # of a dataset that has as many samples

SCAN_SECONDS_PER_MEGAVOXEL = 3.0  # of stacks, or of a volume scanned without them
STORED = {"label": 0.03, "image": 0.3}  # bytes a voxel once compressed, most of it background
NOISY = 1.8  # bytes a voxel of an image with noise, which does not compress


@dataclass(frozen=True)
class Shard:
    """A run of cases that one task renders and one set of storage objects holds.

    index: position in the plan; start: index of the first sample. cases: in sample order.
    """

    index: int
    start: int
    cases: tuple[Case, ...]

    def after(self, sample: int) -> "Shard":
        """Without the samples before one."""
        skipped = max(0, sample - self.start)
        return Shard(self.index, self.start + skipped, self.cases[skipped:]) if skipped else self


@dataclass(frozen=True)
class Plan:
    """Everything that a recipe will make, before any of it is made.

    Attributes:
        recipe: The recipe.
        layout: Arrays and shards of the dataset.
        threads: Threads of one renderer.
        actors: Renderers that run at the same time.
        memory_per_actor: Projected memory of one renderer in bytes.
        seconds_per_sample: Projected time of one sample on one renderer, its edits included.
        warnings: One line each.
        finished_shards: Indices of the shards that are stored already.
        earlier_recipes: The recipes that the dataset has grown from; their samples come first.
        kept_samples: How many samples a dataset that grows had before; the last of them may lie
            within a shard.
        retry_seconds: What the further tries of a gate add to a sample at most.
        overlap: Whether a renderer prepares, paints and finishes cases at the same time, because
            there are more cores than renderers need (see factory.rendering.lookahead).
    """

    recipe: Recipe
    layout: Layout
    threads: int
    actors: int
    memory_per_actor: int
    seconds_per_sample: float
    warnings: tuple[str, ...] = ()
    finished_shards: Set[int] = field(default_factory=frozenset)
    earlier_recipes: tuple[Recipe, ...] = ()
    kept_samples: int = 0
    retry_seconds: float = 0.0
    overlap: bool = False

    def for_device(self, device: str, overlap: bool | None = None) -> "Plan":
        """The same on "cpu" or "cuda", beside which cores have nothing else to do. overlap: as
        asked for."""
        overlap = self.overlap or device == "cuda" if overlap is None else overlap
        return self.overlapping() if overlap else replace(self, overlap=False)

    def overlapping(self) -> "Plan":
        """The same with stages that overlap, which takes more memory."""
        if self.overlap:
            return self
        more = self.memory_per_actor + memory_ahead(self.layout)
        return replace(self, overlap=True, memory_per_actor=more)

    def shards(self) -> Iterator[Shard]:
        """Every shard, lazily, in order."""
        return self._shards(without=frozenset())

    def remaining(self) -> Iterator[Shard]:
        """The shards that do not stand yet, without the samples in them that do."""
        shards = self._shards(without=self.finished_shards)
        return (shard.after(self.kept_samples) for shard in shards)

    def _shards(self, without: Set[int]) -> Iterator[Shard]:
        """Cases are made of the shards alone that are not left out."""
        size = self.layout.samples_per_shard
        grown = ordered_cases(self.recipe, self.earlier_recipes) if self.earlier_recipes else ()
        every = (
            (lambda case=case: case for case in grown)
            if self.earlier_recipes
            else case_factories(self.recipe)
        )
        for index in range(self.layout.shards):
            run = tuple(itertools.islice(every, size))
            if index not in without:
                yield Shard(index, index * size, tuple(make() for make in run))

    def samples_in(self, shards: Iterable[int]) -> int:
        """How many samples some shards, by index, hold; the last shard may be shorter."""
        size = self.layout.samples_per_shard
        return sum(min(size, self.layout.samples - index * size) for index in shards)

    @property
    def finished_samples(self) -> int:
        """How many samples stand already: those of a shard that is to grow, too."""
        shard, within = divmod(self.kept_samples, self.layout.samples_per_shard)
        partial = 0 if shard in self.finished_shards else within
        return self.samples_in(self.finished_shards) + partial

    @property
    def raw_bytes(self) -> int:
        return self.layout.samples * self.layout.raw_bytes_per_sample

    @property
    def stored_bytes(self) -> int:
        """An estimate of what compression leaves."""
        layout, scan = self.layout, self.recipe.spec.acquisition
        noisy = scanned_images(self.recipe, layout) if scan and scan.noise else ()
        rates = {
            name: NOISY if name in noisy else STORED["label" if layout.is_label(name) else "image"]
            for name in layout.arrays
        }
        each = sum(math.prod(layout.shape_of(name)) * rate for name, rate in rates.items())
        return round(layout.samples * each)

    @property
    def peak_memory_bytes(self) -> int:
        return self.actors * self.memory_per_actor

    @property
    def seconds(self) -> float:
        """Time projected for what remains, all actors busy; without start-up."""
        return self._rounds * self.seconds_per_sample

    @property
    def seconds_at_most(self) -> float:
        """Likewise, if every sample took all the tries of its gate."""
        return self._rounds * (self.seconds_per_sample + self.retry_seconds)

    @property
    def _rounds(self) -> int:
        """Samples one after another on the busiest actor."""
        shards = self.layout.shards - len(self.finished_shards)
        return math.ceil(shards / self.actors) * self.layout.samples_per_shard

    def to_json(self) -> dict[str, Any]:
        """What `factory plan --json` prints."""
        return {
            "recipe": self.recipe.source,
            "recipe_digest": self.recipe.digest,
            "output": self.recipe.spec.output.path,
            "samples": self.layout.samples,
            "shape": list(self.layout.shape),
            "arrays": list(self.layout.arrays),
            "stacks": {name: list(self.layout.shape_of(name)) for name in self.layout.stacks},
            "shards": self.layout.shards,
            "samples_per_shard": self.layout.samples_per_shard,
            "brick": list(self.layout.brick_of("image")),
            "done": len(self.finished_shards),
            "bytes": self.raw_bytes,
            "stored_bytes_estimate": self.stored_bytes,
            "actors": self.actors,
            "threads": self.threads,
            "overlap": self.overlap,
            "memory_per_actor_bytes": self.memory_per_actor,
            "peak_memory_bytes": self.peak_memory_bytes,
            "seconds": round(self.seconds, 1),
            "seconds_at_most": round(self.seconds_at_most, 1),
            "warnings": list(self.warnings),
        }


def make_plan(
    recipe: Recipe,
    card: Mapping[str, Any],
    weights_bytes: int,
    machine: Machine,
    actors: int | None = None,
    fusion: Mapping[str, Any] | None = None,
    gate: Mapping[str, Any] | None = None,
) -> Plan:
    """What a recipe will make with a model, on a machine.

    card, weights_bytes: the model's JSON card and the size of its weight files. actors: how many
    renderers; by default as many as cores and memory allow. fusion: the card of a trained fusion,
    whose weights count among the bytes; gate: likewise, of a segmenter.

    Raises PlanError, with the number, where memory cannot hold it, a subject does not fit
    output.shape, or a label is unknown to the model; SubjectError where subjects cannot be read.
    """
    check_labels(recipe, card)
    check_precision(recipe, card)
    family = family_of(card)
    if fusion is not None:
        family.check_fusion(str(recipe.spec.fusion), fusion, card)
    layout = layout_of(recipe)
    check_shape(recipe, layout.shape)
    painting = family.cost(card, layout.shape)
    fusing = family_of(fusion).cost(fusion, layout.shape) if fusion else FREE
    judging = FREE
    if gate is not None:
        check_gate(recipe, gate, layout.shape)
        judging = family_of(gate).cost(gate, layout.shape)
    per_actor = memory_per_actor(layout, card, weights_bytes)
    per_actor += painting.bytes + fusing.bytes + judging.bytes
    fitting = machine.memory_bytes // per_actor
    if fitting < (actors or 1):
        raise PlanError(
            f"memory: {actors or 1} renderer(s) of {_gb(per_actor)} need "
            f"{_gb((actors or 1) * per_actor)}, {_gb(machine.memory_bytes)} are free; use fewer "
            "--actors, or set a smaller output.samples_per_shard, a larger output.spacing_mm"
        )
    actors = actors or max(1, min(machine.cores // THREADS, fitting, layout.shards))
    seconds, again = painting.seconds + fusing.seconds + judging.seconds, 0.0
    if gate is not None and has_styles(recipe, card):
        again = (recipe.spec.gate_section.tries - 1) * seconds
    seconds += SCAN_SECONDS_PER_MEGAVOXEL * megavoxels(layout, scanned_images(recipe, layout))
    seconds += edit_seconds(recipe)
    told = subject_warnings(recipe) + training_range_warnings(recipe, card)
    told += family.fusion_warnings(fusion, card) if fusion else ()
    told += gate_warnings(recipe, gate, card) if gate else ()
    made = Plan(recipe, layout, THREADS, actors, per_actor, seconds, told, retry_seconds=again)
    if machine.cores > actors * THREADS:  # else it would gain nothing
        wider = made.overlapping()
        made = wider if wider.peak_memory_bytes <= machine.memory_bytes else made
    free = machine.disk_bytes
    if free is not None and made.stored_bytes > free:  # an estimate, so no reason to refuse
        disk = f"disk: about {_gb(made.stored_bytes)} are needed in all, {_gb(free)} are free"
        return replace(made, warnings=(*made.warnings, disk))
    return made


def layout_of(recipe: Recipe) -> Layout:
    """The arrays of the dataset. Raises SubjectError where subjects cannot be read."""
    output = recipe.spec.output
    ranges = {"image": output.range}
    if output.uncertainty:  # a difference of intensities
        ranges["uncertainty"] = (0.0, output.range[1] - output.range[0])
    if output.original:
        ranges["original"] = output.range
    stacks = stack_shapes(recipe)
    ranges |= {name: output.range for name in stacks if not name.endswith("_label")}
    shape = grid_shape(recipe)
    return Layout(
        samples=count_cases(recipe),
        shape=shape,
        table=label_table(recipe),
        ranges=ranges,
        samples_per_shard=samples_per_shard(recipe, shape),
        shapes=stacks,
    )


def samples_per_shard(recipe: Recipe, shape: tuple[int, int, int]) -> int:
    """As the recipe says. Left to us: one on a disk; in a bucket, where every object costs a
    request, so many that an object holds 16 megavoxels, eight of a fetal head at 1 mm; but not so
    many that renderers would find nothing to share.
    """
    output = recipe.spec.output
    if output.samples_per_shard != "auto":
        return output.samples_per_shard
    if "://" not in output.path:
        return 1
    fair = math.ceil(count_cases(recipe) / FEWEST_SHARDS)
    return min(MOST_A_SHARD, max(1, round(SHARD_VOXELS / math.prod(shape))), max(1, fair))


def _gb(count: float) -> str:
    return f"{count / 1e9:.2g} GB" if count < 1e10 else f"{count / 1e9:.0f} GB"
