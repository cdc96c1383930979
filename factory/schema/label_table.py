"""The labels of a recipe's dataset: FETA's tissues, and after them those that it brings.

A dataset has one label table, so the table is a function of the recipe: the corpus callosum where
a mapping keeps it apart, then each lesion's name, in order of appearance over the anatomy and then
the groups by name. Groups may share a name, and so a label. A painter knows FETA's tissues alone:
each label has one that it is painted as.
"""

import numpy as np

from factory.case import AddedLabel
from factory.schema.sections import RecipeSections
from factory.storage.subjects.types import FETA, LabelTable

Labels = tuple[AddedLabel, ...]
"""The labels beside FETA's, in order of their values."""

COLOURS = ((213, 94, 0), (136, 34, 85), (51, 34, 136), (170, 68, 153), (102, 153, 0))


def added_labels(recipe: RecipeSections) -> Labels:
    """The labels that a recipe's mappings and edits bring."""
    looks: dict[str, str] = {}
    for source, section in recipe.sources:
        looks |= source.extra_labels(section)
    for edits in recipe.edits.values():
        for edit in edits:
            if added := edit.operator.adds_label():
                looks.setdefault(*added)
    return tuple(AddedLabel(name, tissue) for name, tissue in looks.items())


def extended_table(labels: Labels) -> LabelTable:
    """FETA's table with more labels."""
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(labels))]
    names = [label.name for label in labels]
    return LabelTable((*FETA.names, *names), (*FETA.colours, *colours))


def is_brain_table(table: LabelTable) -> bool:
    """Whether its labels are FETA's tissues, be it with more after them."""
    return table.names[: len(FETA.names)] == FETA.names


def dataset_table(own: LabelTable, labels: Labels) -> LabelTable:
    """The table of a dataset of subjects with a table of their own: brains get FETA's with the
    recipe's labels, what is none keeps its own."""
    return extended_table(labels) if is_brain_table(own) else own


def painter_label_table(own: LabelTable) -> LabelTable:
    """What a painter knows of labels `as_painted`: FETA's tissues of brains, else their own."""
    return FETA if is_brain_table(own) else own


def map_to_painter_labels(label: np.ndarray, labels: Labels) -> np.ndarray:
    """A label map uint8 [z, y, x] in FETA's tissues alone: each label as what it looks like.
    One without labels of the recipe's is as it is."""
    if not labels:
        return label
    values = [*range(len(FETA.names)), *(FETA.index(more.looks_like) for more in labels)]
    return np.array(values, np.uint8)[label]
