"""Slices for the training of 2D generators: read, split by subject, and drawn in batches."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from factory.errors import RecipeError
from factory.families.stylegan2.recipe import Slices
from factory.models.stylegan2.network import soft_labels
from factory.storage.subjects.slices import (
    TABLES,
    Plane,
    read_chaos_planes,
    read_nifti_planes,
    read_png_planes,
    read_short_axis_planes,
)
from factory.storage.subjects.types import LabelTable


def read_planes(part: Slices, resolution: int) -> list[Plane]:
    """Every slice of the recipe's source that can be learnt from. Raises SubjectError,
    RecipeError."""
    return usable_planes(part, _source(part, resolution))


def _source(part: Slices, resolution: int) -> list[Plane]:
    if part.short_axis:
        who = list(part.short_axis.participants) if part.short_axis.participants else None
        return read_short_axis_planes(
            part.short_axis.path, resolution, part.short_axis.spacing_mm, who
        )
    if part.png:
        return read_png_planes(part.png.path, resolution, part.png.labels)
    if part.nifti:
        return read_nifti_planes(part.nifti.path, part.nifti.images, part.nifti.labels, resolution)
    assert part.chaos is not None
    return read_chaos_planes(part.chaos.path, resolution, part.chaos.contrast)


def usable_planes(part: Slices, planes: list[Plane]) -> list[Plane]:
    """Those that something can be learnt from: all, but where label maps alone are learnt.
    Raises RecipeError where there are none."""
    some = planes if part.image else [p for p in planes if p.label is not None]
    if not some:
        raise RecipeError("slices.image: value false; no slice has a label map; allowed: true")
    return some


def find_label_table(part: Slices, planes: list[Plane]) -> LabelTable | None:
    """The label table of the pairs; None where images alone are learnt."""
    if not part.paired or all(p.label is None for p in planes):
        return None
    for name, table in TABLES.items():
        if getattr(part, name):
            return table
    source = part.png or part.nifti
    values = 1 + max(int(p.label.max()) for p in planes if p.label is not None)
    names = (source.label_names if source else None) or tuple(
        "background" if i == 0 else f"label_{i}" for i in range(values)
    )
    if len(names) < values:
        raise RecipeError(f"slices: label {values - 1} has no name; label_names lists {len(names)}")
    colours = ((0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66),
               (0, 114, 178), (213, 94, 0), (204, 121, 167))  # fmt: skip
    return LabelTable(names, tuple(colours[i % len(colours)] for i in range(len(names))))


def split_by_subject(
    planes: list[Plane], hold_out: tuple[str, ...]
) -> tuple[list[Plane], list[Plane]]:
    """Learnt from and held out, by subject. Raises RecipeError for a subject that is not there."""
    subjects = sorted({p.subject for p in planes})
    for name in hold_out:
        if name not in subjects:
            listed = ", ".join(subjects[:12]) + (", …" if len(subjects) > 12 else "")
            raise RecipeError(f"slices.hold_out: {name!r} is not among {listed}")
    learnt = [p for p in planes if p.subject not in hold_out]
    if not learnt:
        raise RecipeError(f"slices.hold_out: all {len(subjects)} subjects are held out")
    return learnt, [p for p in planes if p.subject in hold_out]


@dataclass(frozen=True)
class Batch:
    """channels: (B, C, H, W), image channels first. known: (B, 1, 1, 1), 1 where the labels are
    known, 0 where an image came without."""

    channels: Tensor
    known: Tensor


class PlaneSampler:
    """Global batches as a function of (seed, step) alone.

    With labels, they stand as soft channels after the image's; a slice without label has 0 there,
    and `known` says so.
    """

    def __init__(
        self,
        planes: list[Plane],
        labels: int,
        part: Slices,
        seed: int,
    ) -> None:
        self.seed = seed
        images = torch.from_numpy(np.stack([p.image for p in planes]))
        images = images if part.image else images[:, :0]
        known = torch.tensor([p.label is not None for p in planes])
        if labels:
            nothing = np.zeros(images.shape[-2:], np.uint8)
            maps = np.stack([nothing if p.label is None else p.label for p in planes])
            soft = soft_labels(torch.from_numpy(maps), labels, part.label_blur_pixels)
            soft = soft * (part.label_scale * known[:, None, None, None])
            images = torch.cat([images, soft], 1)
        if part.mirror:
            images, known = torch.cat([images, images.flip(-1)]), known.repeat(2)
        self.images, self.known = images, known.float()[:, None, None, None]

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, step: int, size: int) -> Batch:
        rng = np.random.Generator(np.random.Philox(key=[self.seed, step]))
        chosen = torch.from_numpy(rng.integers(len(self.images), size=size))
        return Batch(self.images[chosen], self.known[chosen])
