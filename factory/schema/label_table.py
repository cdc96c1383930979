"""The labels of a recipe's dataset: the FeTA tissues, followed by the labels that the recipe adds.

A dataset has one label table, which is a function of its recipe. After the FeTA tissues come the
corpus callosum, if a mapping keeps it as a label of its own, and the name of each lesion: first
those of `anatomy`, then those of the groups sorted by name. Groups may share a name and then share
the label. A painter knows only the FeTA tissues, so each added label is painted as one of them.
"""

import numpy as np

from factory.case import AddedLabel
from factory.schema.sections import RecipeSections
from factory.storage.subjects.types import FETA, LabelTable

Labels = tuple[AddedLabel, ...]
"""The labels that a recipe adds to the FeTA tissues, in the order of their values."""

COLOURS = ((213, 94, 0), (136, 34, 85), (51, 34, 136), (170, 68, 153), (102, 153, 0))


def added_labels(recipe: RecipeSections) -> Labels:
    """Return the labels that the mappings and edits of a recipe add."""
    looks: dict[str, str] = {}
    for source, section in recipe.sources:
        looks |= source.extra_labels(section)
    for edits in recipe.edits.values():
        for edit in edits:
            if added := edit.operator.added_label():
                looks.setdefault(*added)
    return tuple(AddedLabel(name, tissue) for name, tissue in looks.items())


def extended_table(labels: Labels) -> LabelTable:
    """Return the FeTA table extended by labels."""
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(labels))]
    names = [label.name for label in labels]
    return LabelTable((*FETA.names, *names), (*FETA.colours, *colours))


def is_brain_table(table: LabelTable) -> bool:
    """Return whether a table starts with the FeTA tissues."""
    return table.names[: len(FETA.names)] == FETA.names


def dataset_table(subject_table: LabelTable, labels: Labels) -> LabelTable:
    """Return the label table of a dataset.

    Args:
        subject_table: The table of the subjects.
        labels: The labels that the recipe adds; they count only if the subjects are brains.
    """
    return extended_table(labels) if is_brain_table(subject_table) else subject_table


def painter_label_table(subject_table: LabelTable) -> LabelTable:
    """Return the labels that a painter knows: for brains the FeTA tissues, else all."""
    return FETA if is_brain_table(subject_table) else subject_table


def map_to_painter_labels(label: np.ndarray, labels: Labels) -> np.ndarray:
    """Replace each added label by the tissue that it looks like.

    Args:
        label: The label map, uint8 [z, y, x].
        labels: The labels that the recipe adds.

    Returns:
        A label map that has only FeTA tissues; the same one if the recipe adds no labels.
    """
    if not labels:
        return label
    values = [*range(len(FETA.names)), *(FETA.index(added.looks_like) for added in labels)]
    lookup = np.array(values, np.uint8)
    painted: np.ndarray = lookup[label]
    return painted
