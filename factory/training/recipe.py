"""What a training recipe may say: what every family shares, and SPADE's own."""

from typing import Annotated, Literal

from pydantic import Field

from factory.config.section import Section, allowed, one_of
from factory.config.types import Decay, Rate, Text, Weight

Count = Annotated[int, Field(ge=1), allowed("a whole number, 1 or more")]
Millimetres = Annotated[float, Field(gt=0, le=20), allowed("a number of mm above 0, at most 20")]


class TrainingSubjects(Section):
    """Image and label pairs in a layout of storage's, and which of them are never learnt from.

    hold_out: ids; in stacks those of persons, whose phases stay together. spacing_mm: every volume
    is learnt at each of these voxel sizes (stacks: in plane).
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
    """Adam with two time scales."""

    lr_generator: Rate = 1e-4
    lr_discriminator: Rate = 4e-4
    beta1: Decay = 0.0
    beta2: Decay = 0.9


class Training(Section):
    """What the training recipe of every family says. batch: samples a step, over all workers."""

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
    """Random in-plane turns, zooms and shifts, each uniform about none."""

    rotate_degrees: Annotated[float, Field(ge=0, le=180), allowed("0 to 180 degrees")] = 0.0
    zoom: Annotated[float, Field(ge=0, lt=1), allowed("a number from 0 to below 1")] = 0.0
    shift_voxels: Weight = 0.0
