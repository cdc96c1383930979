"""Slices for the training of 2D generators: read, split by subject, and drawn in batches."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from factory.errors import RecipeError
from factory.families.stylegan2.recipe import Slices
from factory.imaging.intensities import normalise
from factory.models.stylegan2.network import soft_labels
from factory.storage.subjects.channels import map_channels
from factory.storage.subjects.slices import (
    TABLES,
    Plane,
    cut_planes,
    read_chaos_planes,
    read_nifti_planes,
    read_png_planes,
    read_short_axis_planes,
)
from factory.storage.subjects.types import LabelTable, label_dtype
from factory.training.data import (
    check_images,
    load_subjects,
    person_id,
    subject_channels,
    subject_records,
    training_table,
)
from factory.training.recipe import TrainingSubjects

COLOURS = ((0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66),
           (0, 114, 178), (213, 94, 0), (204, 121, 167))  # fmt: skip
"""Colours of labels whose source has no label table, the background first."""


def read_recipe_planes(section: Slices, resolution: int) -> list[Plane]:
    """Read the slices of the recipe's source that can be trained on.

    Args:
        section: The recipe's `slices`.
        resolution: Pixels along a side of each slice.

    Raises:
        SubjectError: The files cannot be read.
        RecipeError: Only label maps are to be trained on, but no slice has one.
    """
    planes = _read_source(section, resolution)
    if not section.image:
        planes = [plane for plane in planes if plane.label is not None]
    if not planes:
        raise RecipeError("slices.image: value false; no slice has a label map; allowed: true")
    return planes


def _read_source(section: Slices, resolution: int) -> list[Plane]:
    """Read all slices of the only source that the recipe names."""
    if stacks := section.short_axis:
        participants = list(stacks.participants) if stacks.participants else None
        return read_short_axis_planes(stacks.path, resolution, stacks.spacing_mm, participants)
    if section.png:
        return read_png_planes(section.png.path, resolution, section.png.labels)
    if subjects := section.subjects:
        return read_subject_planes(subjects, resolution)
    if volumes := section.nifti:
        return read_nifti_planes(volumes.path, volumes.images, volumes.labels, resolution)
    assert section.chaos is not None
    return read_chaos_planes(section.chaos.path, resolution, section.chaos.contrast)


def read_subject_planes(section: TrainingSubjects, resolution: int) -> list[Plane]:
    """Read the axial slices with a label of all subjects, at each spacing of the recipe.

    Args:
        section: The recipe's `slices.subjects`.
        resolution: Pixels along a side of each slice.

    Raises:
        SubjectError: A subject cannot be read.
        RecipeError: The recipe names no images.
    """
    check_images(section)
    planes = []
    for record in subject_records(section):
        for spacing_mm in section.spacing_mm:
            [subject] = load_subjects(section, [record], spacing_mm)
            assert subject.image is not None
            label = subject.label
            image = map_channels(partial(normalise, label=label), subject.image)
            planes += cut_planes(person_id(record), image, label, resolution)
    return planes


def list_image_channels(section: Slices, planes: list[Plane]) -> tuple[str, ...]:
    """Return the names of the channels of the slices' images; () for one without a name.

    Args:
        section: The recipe's `slices`.
        planes: The slices.
    """
    if not section.image:
        return ()
    count = len(planes[0].image)
    if section.subjects and (names := subject_channels(section.subjects)):
        return names
    if count == 3:
        return ("red", "green", "blue")
    return tuple(f"channel_{number}" for number in range(1, count + 1)) if count > 1 else ()


def find_label_table(section: Slices, planes: list[Plane]) -> LabelTable | None:
    """Return the label table of the slices; None if only images are trained on.

    Args:
        section: The recipe's `slices`.
        planes: The slices.

    Raises:
        RecipeError: The recipe names fewer labels than there are.
    """
    if not section.paired or all(plane.label is None for plane in planes):
        return None
    if section.subjects:
        return training_table(section.subjects)
    for name, table in TABLES.items():
        if getattr(section, name):
            return table
    source = section.png or section.nifti
    count = 1 + max(int(plane.label.max()) for plane in planes if plane.label is not None)
    default = ("background", *(f"label_{value}" for value in range(1, count)))
    names = (source.label_names if source else None) or default
    if len(names) < count:
        raise RecipeError(f"slices: label {count - 1} has no name; label_names lists {len(names)}")
    return LabelTable(names, tuple(COLOURS[i % len(COLOURS)] for i in range(len(names))))


def split_by_subject(
    planes: list[Plane], hold_out: tuple[str, ...]
) -> tuple[list[Plane], list[Plane]]:
    """Split slices into those to train on and those of held-out subjects.

    Args:
        planes: All slices.
        hold_out: Ids of the subjects to hold out.

    Raises:
        RecipeError: A subject is unknown, or all subjects are held out.
    """
    subjects = sorted({plane.subject for plane in planes})
    for name in hold_out:
        if name not in subjects:
            listed = ", ".join(subjects[:12]) + (", …" if len(subjects) > 12 else "")
            raise RecipeError(f"slices.hold_out: {name!r} is not among {listed}")
    training = [plane for plane in planes if plane.subject not in hold_out]
    if not training:
        raise RecipeError(f"slices.hold_out: all {len(subjects)} subjects are held out")
    return training, [plane for plane in planes if plane.subject in hold_out]


@dataclass(frozen=True)
class Batch:
    """A batch of slices.

    Attributes:
        channels: (B, C, H, W), the channels of the image first.
        is_labelled: (B, 1, 1, 1), 1 for slices with a label map, 0 for those without.
    """

    channels: Tensor
    is_labelled: Tensor


class PlaneSampler:
    """Draws global batches of slices; the batch of a step is a function of (seed, step) alone.

    The labels are soft channels after those of the image. They are 0 for a slice without a label
    map.
    """

    def __init__(self, planes: list[Plane], labels: int, section: Slices, seed: int) -> None:
        """Stack the slices, with their mirror images if the recipe asks for them.

        Args:
            planes: The slices.
            labels: Number of labels, including the background; 0 for images alone.
            section: The recipe's `slices`.
            seed: Seed of the stream.
        """
        self.seed = seed
        images = torch.from_numpy(np.stack([plane.image for plane in planes]))
        images = images if section.image else images[:, :0]
        is_labelled = torch.tensor([plane.label is not None for plane in planes])
        if labels:
            blank = np.zeros(images.shape[-2:], label_dtype(labels))
            maps = np.stack([blank if plane.label is None else plane.label for plane in planes])
            soft = soft_labels(torch.from_numpy(maps), labels, section.label_blur_pixels)
            soft = soft * (section.label_scale * is_labelled[:, None, None, None])
            images = torch.cat([images, soft], 1)
        if section.mirror:
            images, is_labelled = torch.cat([images, images.flip(-1)]), is_labelled.repeat(2)
        self.images, self.is_labelled = images, is_labelled.float()[:, None, None, None]

    def __len__(self) -> int:
        """Return the number of slices, with mirror images."""
        return len(self.images)

    def batch(self, step: int, size: int) -> Batch:
        """Draw the global batch of a step."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, step]))
        indices = torch.from_numpy(rng.integers(len(self.images), size=size))
        return Batch(self.images[indices], self.is_labelled[indices])
