"""Entries of a model's JSON card that every family writes in the same way."""

import torch

from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable, Subject
from factory.training.data import subject_ranges
from factory.training.recipe import TrainingSubjects


def label_table_entry(table: LabelTable) -> JsonObject:
    """Return the card's "label_table"."""
    return {"names": list(table.names), "colours": [list(c) for c in table.colours]}


def subjects_entry(section: TrainingSubjects, subjects: list[Subject]) -> JsonObject:
    """Return the items of the card's "training" that describe the subjects.

    Args:
        section: The recipe's `subjects`.
        subjects: The training subjects, loaded at one spacing.

    Returns:
        The ranges of ages and label sizes, the range of the spacings, and the ids of the training
        and the held-out subjects.
    """
    return {
        **subject_ranges(subjects),
        "spacing_mm": [min(section.spacing_mm), max(section.spacing_mm)],
        "subjects": [subject.id for subject in subjects],
        "held_out": list(section.hold_out),
    }


def origin_entry(recipe: JsonObject) -> JsonObject:
    """Return the last items of the card's "training": the recipe and the version of torch.

    Args:
        recipe: The resolved recipe as JSON.
    """
    return {"recipe": remove_paths(recipe), "torch": torch.__version__}


def remove_paths(recipe: JsonObject) -> JsonObject:
    """Return a recipe without the folders of the machine on which it was trained."""
    subjects = {key: value for key, value in recipe["subjects"].items() if key != "path"}
    others = {key: value for key, value in recipe.items() if key != "output"}
    return {**others, "subjects": subjects}


def curve_summary(curve: list[dict[str, float]]) -> JsonObject:
    """Return the first, the middle and the last row of a loss curve."""
    return {"start": curve[0], "middle": curve[len(curve) // 2], "end": curve[-1]}
