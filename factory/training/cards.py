"""Entries of a model's JSON card that every family writes in the same way."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from factory.errors import FactoryError
from factory.storage.json_value import JsonObject, JsonValue
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.channels import describe_channels
from factory.storage.subjects.label_mappings import is_file_name
from factory.storage.subjects.types import FETA, LabelTable, Subject
from factory.text import join_names
from factory.training.data import subject_ranges, training_subjects_at_all_spacings
from factory.training.recipe import TrainingSubjects
from factory.training.tables import card_table, map_subject


def label_table_entry(table: LabelTable) -> JsonObject:
    """Return the card's "label_table"."""
    return {"names": list(table.names), "colours": [list(c) for c in table.colours]}


def channels_entry(channels: Sequence[str]) -> JsonObject:
    """Return the card's "channels", the names of the images' channels, if they have names."""
    return {"channels": list(channels)} if channels else {}


def config_channels_entry(channels: Sequence[str]) -> JsonObject:
    """Return the "channels" of a network's configuration, where there are several."""
    return {"channels": len(channels)} if len(channels) > 1 else {}


def match_subjects(
    card: Mapping[str, JsonValue], subjects: Sequence[Subject], key: str
) -> list[Subject]:
    """Return subjects whose labels and channels are those of a model, matched by name.

    Args:
        card: The model's card.
        subjects: The subjects; all of them have one label table and the same channels.
        key: The key of a recipe that names the subjects or the model.

    Raises:
        FactoryError: The model lacks a label of the subjects, or has other channels.
    """
    channels = tuple(card.get("channels", ()))
    if subjects and subjects[0].channels != channels:
        raise FactoryError(
            f"{key}: the images have {describe_channels(subjects[0].channels)}; the model "
            f"{card.get('name')} has {describe_channels(channels)}"
        )
    return match_labels(card, subjects, key)


def match_labels(
    card: Mapping[str, JsonValue], subjects: Sequence[Subject], key: str
) -> list[Subject]:
    """Return subjects whose labels have the values of a model's own label table, by name.

    See `match_subjects`, which checks the channels of the images too.
    """
    table = card_table(card)
    names = subjects[0].table.names if subjects else ()
    if unknown := [name for name in names if name not in table.names]:
        hint = nearest_name_hint(unknown[0], table.names)
        raise FactoryError(
            f"{key}: labels {', '.join(unknown)}: the model {card.get('name')} does not know "
            f"them; it was trained on {join_names(table.names)}{hint}"
        )
    return [map_subject(subject, table) for subject in subjects]


def subjects_entry(section: TrainingSubjects, subjects: list[Subject]) -> JsonObject:
    """Return the items of the card's "training" that describe the subjects.

    Args:
        section: The recipe's `subjects`.
        subjects: The training subjects, loaded at one spacing. Where they have a table of their own
            they are measured at the recipe's spacings too, which change small labels.

    Returns:
        The ranges of ages and label sizes, the range of the spacings, and the ids of the training
        and the held-out subjects.
    """
    is_built_in = section.layout == "short_axis" or subjects[0].table.names == FETA.names
    coarser = [] if is_built_in else training_subjects_at_all_spacings(section)
    return {
        **subject_ranges([*subjects, *coarser]),
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
    mapping = subjects.get("mapping")
    if isinstance(mapping, str) and is_file_name(mapping):
        subjects["mapping"] = Path(mapping).name
    others = {key: value for key, value in recipe.items() if key != "output"}
    return {**others, "subjects": subjects}


def curve_summary(curve: list[dict[str, float]]) -> JsonObject:
    """Return the first, the middle and the last row of a loss curve."""
    return {"start": curve[0], "middle": curve[len(curve) // 2], "end": curve[-1]}
