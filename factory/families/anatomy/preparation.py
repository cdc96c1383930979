"""Edits of the training subjects of an anatomy generator, with fixed sizes."""

from collections.abc import Sequence
from dataclasses import replace

import edt
import numpy as np
from scipy import ndimage

from factory.anatomy.edits.registry import OPERATORS, EditBase, split_edit
from factory.config.sweep_keywords import parameter_keyword
from factory.errors import AnatomyError, RecipeError
from factory.families.anatomy.recipe import AnatomyTraining
from factory.imaging.types import Spacing
from factory.storage.subjects.types import Grid, Subject

FAR_VOXELS = 8.0
"""The distance from a label in a slice that lacks it: the label ends half-way to that slice."""

ROOM_MM = 12.0
"""Background around a head, into which edits may let it grow."""


def check_edits(edits: Sequence[EditBase]) -> None:
    """Check that edits have fixed sizes.

    Raises:
        RecipeError: One is random, or has a sweep or a distribution, or a condition.
    """
    for index, edit in enumerate(edits):
        name, where = edit.operator_name, f"anatomy[{index}]"
        if edit.when is not None:
            raise RecipeError(f"{where}.when: value {edit.when!r}; allowed: no condition")
        if OPERATORS[name].random:
            raise RecipeError(f"{where}: value {name}; it is random; allowed: fixed edits")
        for key, value in edit.operator.model_dump(exclude_none=True).items():
            if isinstance(value, dict) and parameter_keyword(value) is not None:
                raise RecipeError(f"{where}.{name}.{key}: value {value}; allowed: one number")


def prepare_subjects(subjects: Sequence[Subject], recipe: AnatomyTraining) -> list[Subject]:
    """Return subjects after edits, with a smooth outline and without their images.

    Args:
        subjects: The subjects.
        recipe: Says the edits, the outline, and the distance of slices.

    Raises:
        RecipeError: An edit cannot be made; the line names the subject.
    """
    if recipe.slice_mm is not None:
        subjects = [_space_slices(subject, recipe.slice_mm) for subject in subjects]
    return [_prepare_subject(s, recipe.anatomy, recipe.outline_mm) for s in subjects]


def _space_slices(subject: Subject, slice_mm: float) -> Subject:
    """Return a subject whose slices have a distance."""
    _, y_mm, x_mm = subject.grid.spacing
    return replace(subject, grid=Grid.centred(subject.grid.shape, (slice_mm, y_mm, x_mm)))


def stack_to_volume(subject: Subject) -> Subject:
    """Return a stack of thick slices as a volume of cubic voxels.

    Between two slices each label's distance from its border is interpolated, so that outlines go
    smoothly from one to the next (shape-based interpolation). A subject of cubic voxels stays.
    """
    z_mm, y_mm, x_mm = subject.grid.spacing
    factor = round(z_mm / x_mm)
    if factor < 2 or len(subject.label) < 2:
        return subject
    count = (len(subject.label) - 1) * factor + 1
    deepest = np.full((count, *subject.label.shape[1:]), -np.inf, np.float32)
    label = np.zeros(deepest.shape, subject.label.dtype)
    positions = np.arange(count) / factor
    below = np.minimum(positions.astype(int), len(subject.label) - 2)
    share = (positions - below)[:, None, None].astype(np.float32)
    for value in np.unique(subject.label):
        mask = subject.label == value
        depth = np.stack([edt.edt(m) - edt.edt(~m) for m in mask]).clip(-FAR_VOXELS, FAR_VOXELS)
        between = (1 - share) * depth[below] + share * depth[below + 1]
        deeper = between > deepest
        label[deeper], deepest[deeper] = value, between[deeper]
    grid = Grid.centred((count, *subject.label.shape[1:]), (z_mm / factor, y_mm, x_mm))
    return replace(subject, label=label, grid=grid, image=None, channels=())


def _prepare_subject(subject: Subject, edits: Sequence[EditBase], outline_mm: float) -> Subject:
    subject = stack_to_volume(subject)
    label, grid, age = subject.label, subject.grid, subject.metadata.get("gestational_age_weeks")
    if edits:
        room = [int(np.ceil(ROOM_MM / s)) for s in grid.spacing]
        label = np.pad(label, [(n, n) for n in room])
        z, y, x = (-n for n in room)
        grid = grid.moved((z, y, x), (label.shape[0], label.shape[1], label.shape[2]))
    for edit in edits:
        name, values = split_edit(edit.model_dump(exclude_none=True))
        operator = OPERATORS[name]
        extra = {"age_weeks": age} if operator.takes_age else {}
        try:
            label, *_ = operator.apply(
                label,
                grid.spacing,
                subject.table,
                image=None,
                **operator.resolve_parameters(values),
                **extra,
            )
        except AnatomyError as error:
            raise RecipeError(f"anatomy: {subject.id}: {error}") from None
    if outline_mm:
        label = smooth_outline(label, grid.spacing, outline_mm)
    return replace(_crop(subject, label, grid), image=None, channels=())


def smooth_outline(label: np.ndarray, spacing: Spacing, radius_mm: float) -> np.ndarray:
    """Return a label map without the parts of its outline that no ball of a radius fits into.

    Of what is left the largest connected part stays.
    """
    mask = np.pad(label > 0, 1)
    core = edt.edt(mask, anisotropy=spacing, black_border=True) > radius_mm
    ball = edt.edt(~core, anisotropy=spacing, black_border=False) <= radius_mm
    parts, _ = ndimage.label(ball & mask)
    largest = np.bincount(parts.ravel())[1:].argmax() + 1
    inner = (parts == largest)[1:-1, 1:-1, 1:-1]
    return np.where(inner, label, 0).astype(label.dtype)


def _crop(subject: Subject, label: np.ndarray, grid: Grid) -> Subject:
    """Return a subject with a label map that is cropped to what is labelled."""
    filled = np.argwhere(label > 0)
    low, high = filled.min(0), filled.max(0) + 1
    cropped = np.ascontiguousarray(
        label[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    )
    z, y, x = low.tolist()
    shape = (cropped.shape[0], cropped.shape[1], cropped.shape[2])
    return replace(subject, label=cropped, grid=grid.moved((z, y, x), shape))
