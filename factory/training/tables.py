"""The label table of a model, and subjects in it. This module does not import torch."""

from collections.abc import Mapping
from dataclasses import replace

from factory.storage.json_value import JsonValue
from factory.storage.subjects.label_mappings import map_by_name
from factory.storage.subjects.types import FETA, LabelTable, Subject


def card_table(card: Mapping[str, JsonValue]) -> LabelTable:
    """Return the label table of a card; FETA's of a card without one."""
    entry = card.get("label_table")
    if not entry:
        return FETA
    names = tuple(entry["names"])
    colours = entry.get("colours") or [(0, 0, 0)] * len(names)
    return LabelTable(names, tuple((r, g, b) for r, g, b in colours))


def map_subject(subject: Subject, table: LabelTable) -> Subject:
    """Return a subject whose labels have the values that a table gives to their names.

    Labels that the table lacks must not occur.
    """
    label = map_by_name(subject.label, subject.table, table.names)
    return replace(subject, label=label, table=table)
