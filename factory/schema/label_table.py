"""The labels of a recipe's dataset.

A dataset has one label table, which is a function of the recipe. Built-in kinds of subjects (fetal
brains, hearts, heads in ultrasound) have a fixed table. Subjects with a mapping of their own have
the labels that occur in them, over all sources, in the order of the mappings. After these come
the labels that the recipe brings: the corpus callosum where a mapping of fetal tissues keeps it
apart, then each lesion's name, in order of appearance over the anatomy and then the groups by name.
Groups may share a name, and so a label. A painter does not know the labels that a recipe brings:
each of them has another one that it is painted as.
"""

import numpy as np

from factory.anatomy.brain_labels import counterpart
from factory.case import AddedLabel, CaseTable
from factory.schema.sections import RecipeSections
from factory.storage.errors import SubjectError
from factory.storage.subjects.label_mappings import colours_of
from factory.storage.subjects.types import FETA, LabelTable

Labels = tuple[AddedLabel, ...]
"""The labels that a recipe brings, in order of their values."""

MAX_LABELS = 65_504
"""The most labels subjects may have, so that 16 bits hold them and those of 32 lesions."""

COLOURS = ((213, 94, 0), (136, 34, 85), (51, 34, 136), (170, 68, 153), (102, 153, 0))


def added_labels(recipe: RecipeSections) -> Labels:
    """Return the labels that a recipe's mappings and edits bring."""
    looks: dict[str, str] = {}
    for source, section in recipe.sources:
        looks |= source.extra_labels(section)
    for edits in recipe.edits.values():
        for edit in edits:
            if added := edit.operator.added_label():
                looks.setdefault(*added)
    regions = recipe.regions or {}
    return tuple(
        AddedLabel(
            name, counterpart(next(iter(regions.get(tissue, ())), tissue), recipe.table.names)
        )
        for name, tissue in looks.items()
    )


def case_table(recipe: RecipeSections) -> CaseTable | None:
    """Return what the cases of a recipe say of the label table; None for a built-in one.

    Reads the label maps where the subjects have a mapping of their own.

    Raises:
        SubjectError: If one of them cannot be read, or they have too many labels.
    """
    names = recipe.catalogue.label_names if recipe.has_own_table else ()
    if len(names) > MAX_LABELS:
        raise SubjectError(
            f"subjects: {len(names)} labels occur; allowed: {MAX_LABELS}; others: background in a "
            "mapping leaves out those that it does not name"
        )
    regions = tuple((name, tuple(labels)) for name, labels in (recipe.regions or {}).items())
    return CaseTable(names, regions) if names or regions else None


def base_table(subject_table: LabelTable, table: CaseTable | None) -> LabelTable:
    """Return the labels of a dataset without those that the recipe brings.

    Args:
        subject_table: The table that a subject of the dataset comes with.
        table: What the cases say of it.
    """
    regions = table.regions if table else ()
    if table and table.names:
        colours = dict(zip(subject_table.names, subject_table.colours, strict=True))
        return LabelTable(table.names, colours_of(table.names, colours), regions)
    built_in = FETA if is_brain_table(subject_table) else subject_table
    return LabelTable(built_in.names, built_in.colours, regions) if regions else built_in


def dataset_table(
    subject_table: LabelTable, labels: Labels, table: CaseTable | None = None
) -> LabelTable:
    """Return the label table of a dataset.

    Args:
        subject_table: The table that a subject of the dataset comes with.
        labels: The labels that the recipe brings.
        table: What the cases say of it.
    """
    base = base_table(subject_table, table)
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(labels))]
    names = (*base.names, *(label.name for label in labels))
    return LabelTable(names, (*base.colours, *colours), base.regions)


def possible_names(recipe: RecipeSections, labels: Labels) -> tuple[str, ...]:
    """Return the names of the labels that the dataset may have, without reading label maps."""
    if recipe.has_own_table:
        return dataset_table(recipe.table, labels, CaseTable(recipe.table.names)).names
    table = FETA if recipe.latents else recipe.table  # the card of a latent model is read later
    return dataset_table(table, labels).names


def is_brain_table(table: LabelTable) -> bool:
    """Return whether a table starts with the seven tissues of FETA."""
    return table.names[: len(FETA.names)] == FETA.names


def map_to_base_labels(label: np.ndarray, labels: Labels, base: LabelTable) -> np.ndarray:
    """Return a label map with each label that the recipe brings as the one that it looks like.

    Args:
        label: [z, y, x], in the labels of the dataset.
        labels: The labels that the recipe brings.
        base: The other labels of the dataset.
    """
    if not labels:
        return label
    values = [*range(len(base.names)), *(base.index(more.looks_like) for more in labels)]
    mapped: np.ndarray = np.array(values, label.dtype)[label]
    return mapped
