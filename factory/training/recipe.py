"""The parts of a training recipe that all families share."""

from typing import Annotated, Literal

from pydantic import Field

from factory.config.section import Section, allowed, one_of
from factory.config.types import Decay, Rate, Text, Weight

Count = Annotated[int, Field(ge=1), allowed("a whole number, 1 or more")]
Millimetres = Annotated[float, Field(gt=0, le=20), allowed("a number of mm above 0, at most 20")]


class TrainingSubjects(Section):
    """Pairs of images and label maps, and which of them are never trained on.

    Attributes:
        path: The folder of the data set.
        layout: How its files are arranged.
        rec: Which reconstruction of a BIDS data set is used.
        mapping: How the files' label values become ours.
        hold_out: Ids that are never trained on. In stacks they name persons, all of whose cardiac
            phases are held out together.
        spacing_mm: Every volume is used for training at each of these voxel sizes (in stacks: in
            plane).
    """

    path: Text
    layout: Annotated[Literal["bids", "short_axis"], one_of(("bids", "short_axis"))] = "bids"
    rec: Text | None = None
    mapping: Text | dict[int, str] | None = None
    hold_out: tuple[Text, ...] = ()
    spacing_mm: Annotated[tuple[Millimetres, ...], Field(min_length=1), allowed("a list of mm")] = (
        1.0,
    )


class Optimiser(Section):
    """Adam, with a learning rate each for generator and discriminator."""

    lr_generator: Rate = 1e-4
    lr_discriminator: Rate = 4e-4
    beta1: Decay = 0.0
    beta2: Decay = 0.9


class Training(Section):
    """The keys of every training recipe.

    Attributes:
        family: The model family.
        name: The name of the model, in its card and in render recipes.
        seed: Seed of the initial weights and of the batches.
        licence: The licence of the model, for its card.
        batch: Samples of a step, over all workers together.
        mixed_precision: Whether convolutions compute in bfloat16.
        workers: Number of workers that share a batch.
        threads: Number of threads of each worker.
        device: Where the workers compute.
        log_every: Steps between two rows of losses.csv.
        sample_every: Steps between two sample grids.
        checkpoint_every: Steps between two checkpoints.
        output: The folder of the run and of the model.
    """

    family: str
    name: Text
    seed: Annotated[int, Field(ge=0, lt=2**31), allowed("a whole number from 0 to 2147483647")]
    licence: Text
    batch: Count = 1
    mixed_precision: bool = False
    workers: Count = 1
    threads: Count = 1
    device: Annotated[Literal["auto", "cpu", "cuda"], one_of(("auto", "cpu", "cuda"))] = "auto"
    log_every: Count = 50
    sample_every: Count = 500
    checkpoint_every: Count = 250
    output: Text


class Augment(Section):
    """The largest random rotation, zoom and shift in the plane, each uniform in both directions."""

    rotate_degrees: Annotated[float, Field(ge=0, le=180), allowed("0 to 180 degrees")] = 0.0
    zoom: Annotated[float, Field(ge=0, lt=1), allowed("a number from 0 to below 1")] = 0.0
    shift_voxels: Weight = 0.0
