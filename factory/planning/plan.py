"""Divide cases into shards, project bytes, memory and time, and keep what is finished already."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial

from factory.case import Case
from factory.errors import PlanError
from factory.families.base import Card
from factory.families.contrast.presets import HOUNSFIELD_RANGE
from factory.families.contrast.section import ContrastAppearance
from factory.imaging.intensities import RANGE
from factory.planning.append import ordered_cases
from factory.planning.cases import case_factories, count_cases
from factory.planning.channels import image_channels, with_channels
from factory.planning.compatibility import (
    check_gate,
    check_histogram,
    check_orientations,
    check_shape,
    has_styles,
    share_warnings,
    subject_warnings,
)
from factory.planning.conditions import check_condition_values
from factory.planning.cost import edit_seconds, memory_ahead, memory_per_actor, scan_seconds
from factory.planning.grid import grid_shape, label_table
from factory.planning.machine import Machine
from factory.planning.paintings import Painting, list_paintings
from factory.planning.stack_shapes import scanned_images, stack_shapes
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.layout import Layout
from factory.storage.json_value import JsonObject
from factory.storage.subjects.channels import describe_channels

THREADS = 1
"""Threads of a renderer. One is fastest if there are as many renderers as cores."""

SHARD_VOXELS = 16e6  # in a shard in a bucket, for samples_per_shard: auto
MOST_SAMPLES_PER_SHARD = 32
FEWEST_SHARDS = 16  # of a dataset with at least as many samples

STORED = {"label": 0.03, "image": 0.3}  # bytes a voxel once compressed, most of it background
NOISY = 1.8  # bytes a voxel of an image with noise, which does not compress


@dataclass(frozen=True)
class Shard:
    """A sequence of cases that one task renders into one set of storage objects.

    Attributes:
        index: The position in the plan.
        start: The index of the first sample.
        cases: The cases in the order of their samples.
    """

    index: int
    start: int
    cases: tuple[Case, ...]

    def after(self, sample: int) -> "Shard":
        """Return the shard without the samples before an index."""
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
        """Return the plan for "cpu" or "cuda".

        Args:
            device: The device of the renderers. Beside "cuda" the cores are free for other stages.
            overlap: Whether stages overlap; by default the plan decides.
        """
        overlap = self.overlap or device == "cuda" if overlap is None else overlap
        return self.overlapping() if overlap else replace(self, overlap=False)

    def overlapping(self) -> "Plan":
        """Return the plan with overlapping stages, which need more memory."""
        if self.overlap:
            return self
        more = self.memory_per_actor + memory_ahead(self.layout)
        return replace(self, overlap=True, memory_per_actor=more)

    def shards(self) -> Iterator[Shard]:
        """Yield every shard in order."""
        return self._shards(without=frozenset())

    def remaining(self) -> Iterator[Shard]:
        """Yield the unfinished shards, without those of their samples that are finished."""
        shards = self._shards(without=self.finished_shards)
        return (shard.after(self.kept_samples) for shard in shards)

    def _shards(self, without: Set[int]) -> Iterator[Shard]:
        """Yield shards; the cases of those that are left out are not made."""
        size = self.layout.samples_per_shard
        factories: Iterator[Callable[[], Case]] = case_factories(self.recipe)
        if self.earlier_recipes:
            cases = ordered_cases(self.recipe, self.earlier_recipes)
            factories = (partial(_return_case, case) for case in cases)
        for index in range(self.layout.shards):
            shard_factories = tuple(itertools.islice(factories, size))
            if index not in without:
                yield Shard(index, index * size, tuple(make() for make in shard_factories))

    def samples_in(self, shards: Iterable[int]) -> int:
        """Return the number of samples in shards, by index; the last shard may be shorter."""
        size = self.layout.samples_per_shard
        return sum(min(size, self.layout.samples - index * size) for index in shards)

    @property
    def finished_samples(self) -> int:
        """The number of samples that are finished, also those in a shard that is to grow."""
        shard, within = divmod(self.kept_samples, self.layout.samples_per_shard)
        partial = 0 if shard in self.finished_shards else within
        return self.samples_in(self.finished_shards) + partial

    @property
    def raw_bytes(self) -> int:
        """The uncompressed size of the dataset."""
        return self.layout.samples * self.layout.raw_bytes_per_sample

    @property
    def stored_bytes(self) -> int:
        """The estimated size of the compressed dataset."""
        layout, scan = self.layout, self.recipe.spec.acquisition
        noisy = scanned_images(self.recipe, layout) if scan and scan.noise else ()
        rates = {
            name: NOISY if name in noisy else STORED["label" if layout.is_label(name) else "image"]
            for name in layout.arrays
        }
        each = sum(layout.voxels_of(name) * rate for name, rate in rates.items())
        return round(layout.samples * each)

    @property
    def peak_memory_bytes(self) -> int:
        """The projected memory of all renderers together."""
        return self.actors * self.memory_per_actor

    @property
    def seconds(self) -> float:
        """The projected time of what remains, with all renderers busy and without the start-up."""
        return self._rounds * self.seconds_per_sample

    @property
    def seconds_at_most(self) -> float:
        """The projected time if every sample uses all tries of the gate."""
        return self._rounds * (self.seconds_per_sample + self.retry_seconds)

    @property
    def _rounds(self) -> int:
        """The number of samples that the busiest renderer makes one after another."""
        shards = self.layout.shards - len(self.finished_shards)
        return math.ceil(shards / self.actors) * self.layout.samples_per_shard

    def to_json(self) -> JsonObject:
        """Return what `factory plan --json` prints."""
        return {
            "recipe": self.recipe.source,
            "recipe_digest": self.recipe.digest,
            "output": self.recipe.spec.output.path,
            "samples": self.layout.samples,
            "shape": list(self.layout.shape),
            "arrays": list(self.layout.arrays),
            "stacks": {name: list(self.layout.shape_of(name)) for name in self.layout.stacks},
            **({"channels": self.layout.to_json()["channels"]} if self.layout.channels else {}),
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
    card: Card,
    weights_bytes: int,
    machine: Machine,
    actors: int | None = None,
    fusion: Card | None = None,
    gate: Card | None = None,
    groups: Mapping[str, tuple[Card, Card | None]] | None = None,
) -> Plan:
    """Plan what a recipe makes with a model on a machine.

    Args:
        recipe: The recipe.
        card: The card of the model; of a recipe without an appearance that of its first group.
        weights_bytes: The size of all weight files.
        machine: The machine, which limits memory and cores.
        actors: The number of renderers; by default as many as cores and memory allow.
        fusion: The card of a trained fusion network.
        gate: The card of the gate's segmenter.
        groups: The cards of painter and fusion of each group with an appearance of its own.

    Raises:
        PlanError: The memory is too small, a subject does not fit output.shape, or a model does not
            know a label.
        SubjectError: Subjects cannot be read.
        RecipeError: A condition uses a value that a subject does not have.
    """
    paintings = list_paintings(recipe, (card, fusion), groups or {})
    check_condition_values(recipe)
    layout = _common_layout(recipe, paintings)
    check_shape(recipe, layout.shape)
    check_histogram(recipe, layout)
    if gate is not None:
        check_gate(recipe, gate, layout)
    costs = [painting.cost(gate, layout.shape) for painting in paintings]
    per_actor = memory_per_actor(layout, card, weights_bytes) + max(cost.bytes for cost in costs)
    actors = _count_actors(actors, per_actor, layout, machine)
    network_seconds = max(cost.seconds for cost in costs)
    retry_seconds = 0.0
    if gate is not None and any(has_styles(p.recipe, p.card) for p in paintings):
        retry_seconds = (recipe.spec.gate_section.tries - 1) * network_seconds
    seconds = network_seconds + scan_seconds(recipe, layout) + edit_seconds(recipe)
    lines = (*subject_warnings(recipe), *share_warnings(recipe))
    for painting in paintings:
        lines += painting.warnings(gate)
    lines = tuple(dict.fromkeys(lines))
    plan = Plan(
        recipe, layout, THREADS, actors, per_actor, seconds, lines, retry_seconds=retry_seconds
    )
    if machine.cores > actors * THREADS:  # only free cores make overlapping stages faster
        overlapping = plan.overlapping()
        plan = overlapping if overlapping.peak_memory_bytes <= machine.memory_bytes else plan
    free = machine.disk_bytes
    if free is not None and plan.stored_bytes > free:  # only a warning, because it is an estimate
        disk = f"disk: about {_gb(plan.stored_bytes)} are needed in all, {_gb(free)} are free"
        return replace(plan, warnings=(*plan.warnings, disk))
    return plan


def _common_layout(recipe: Recipe, paintings: Sequence[Painting]) -> Layout:
    """Return the layout of the dataset, the same for all appearances.

    Raises:
        PlanError: Two appearances paint different channels.
    """
    first = image_channels(paintings[0].recipe, paintings[0].card)
    layout = layout_of(recipe, first)
    for painting in paintings:
        check_orientations(painting.recipe, painting.card, layout.shape)
        channels = image_channels(painting.recipe, painting.card)
        if channels != first:
            raise PlanError(
                f"groups: one paints {describe_channels(channels)}, another "
                f"{describe_channels(first)}; allowed: the same channels in all groups"
            )
    return layout


def _count_actors(requested: int | None, per_actor: int, layout: Layout, machine: Machine) -> int:
    """Return the number of renderers: as requested, or as many as cores and memory allow.

    Raises:
        PlanError: The memory is too small for them.
    """
    fitting = machine.memory_bytes // per_actor
    fewest = requested or 1
    if fitting < fewest:
        raise PlanError(
            f"memory: {fewest} renderer(s) of {_gb(per_actor)} need {_gb(fewest * per_actor)}, "
            f"{_gb(machine.memory_bytes)} are free; use fewer "
            "--actors, or set a smaller output.samples_per_shard, a larger output.spacing_mm"
        )
    return requested or max(1, min(machine.cores // THREADS, fitting, layout.shards))


def layout_of(recipe: Recipe, channels: tuple[str, ...] = ()) -> Layout:
    """Return the arrays of the dataset.

    Args:
        recipe: The recipe.
        channels: The names of the channels of its image, see
            `factory.planning.channels.image_channels`.

    Raises:
        SubjectError: Subjects cannot be read.
    """
    output, (low, high) = recipe.spec.output, intensity_range(recipe)
    ranges = {"image": (low, high)}
    if output.uncertainty:  # a difference of intensities
        ranges["uncertainty"] = (0.0, high - low)
    if output.original:
        ranges["original"] = (low, high)
    stacks = stack_shapes(recipe)
    ranges |= {name: (low, high) for name in stacks if not name.endswith("_label")}
    shape = grid_shape(recipe)
    layout = Layout(
        samples=count_cases(recipe),
        shape=shape,
        table=label_table(recipe),
        ranges=ranges,
        samples_per_shard=samples_per_shard(recipe, (max(1, len(channels)), *shape)),
        shapes=stacks,
    )
    return with_channels(layout, channels, recipe.spec.subject_channels)


def intensity_range(recipe: Recipe) -> tuple[float, float]:
    """Return the least and the greatest intensity that are stored.

    Where the recipe says "auto", they hold the subjects' own images and all that networks paint,
    in tenths of the unit. A contrast in Hounsfield units has those of a CT.

    Raises:
        SubjectError: Subjects cannot be read.
    """
    looks = recipe.spec.appearances.values()
    if any(isinstance(look, ContrastAppearance) and look.section.is_hounsfield for look in looks):
        return HOUNSFIELD_RANGE
    if recipe.spec.output.range != "auto":
        return recipe.spec.output.range
    limits = [
        RANGE,
        *(
            pair
            for subjects in recipe.spec.catalogue.by_source
            for pair in subjects.source.image_limits(subjects.section, subjects.records)
        ),
    ]
    low, high = min(pair[0] for pair in limits), max(pair[1] for pair in limits)
    return math.floor(10 * low) / 10, math.ceil(10 * high) / 10


def samples_per_shard(recipe: Recipe, shape: tuple[int, ...]) -> int:
    """Return the number of samples, of images of this shape, in a shard.

    Where the recipe says "auto", this is 1 on a disk. In a bucket every object costs a request,
    therefore an object holds about 16 megavoxels (eight fetal heads at 1 mm), but there are enough
    shards for several renderers.
    """
    output = recipe.spec.output
    if output.samples_per_shard != "auto":
        return output.samples_per_shard
    if "://" not in output.path:
        return 1
    fair = math.ceil(count_cases(recipe) / FEWEST_SHARDS)
    return min(MOST_SAMPLES_PER_SHARD, max(1, round(SHARD_VOXELS / math.prod(shape))), max(1, fair))


def _return_case(case: Case) -> Case:
    return case


def _gb(count: float) -> str:
    return f"{count / 1e9:.2g} GB" if count < 1e10 else f"{count / 1e9:.0f} GB"
