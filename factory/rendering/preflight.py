"""Check a few label maps of a recipe before anything is painted."""

import itertools
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from factory.acquisition.section import acquisition_columns
from factory.case import Case
from factory.errors import AnatomyError
from factory.imaging.label_ranges import outside_training
from factory.planning.cases import cases_per_subject, iterate_cases
from factory.planning.cost import edit_seconds
from factory.planning.groups import case_groups
from factory.rendering.subject_editor import SubjectEditor
from factory.schema.label_table import base_table, map_to_base_labels
from factory.schema.render_recipe import Recipe
from factory.storage.json_value import JsonObject

MAX_CASES_PER_GROUP = 1000
"""The extremes are searched among so many cases of a group, so that huge plans stay quick."""


MIN_CASES, MAX_SECONDS = 2, 10
"""Where no training limits a painter, at least so many cases are made, and about so long."""


def label_warnings(
    recipe: Recipe, card: JsonObject, groups: Mapping[str, JsonObject] = MappingProxyType({})
) -> tuple[str, ...]:
    """Warn if the youngest, oldest and most edited cases leave the range of the training data.

    The label maps of a few cases are made, which takes a few seconds.

    Args:
        recipe: The recipe.
        card: The card of the model that paints.
        groups: The cards of the groups that have an appearance of their own.

    Returns:
        One line for each case that leaves the range, or whose edits cannot be made.

    Raises:
        SubjectError: If a subject cannot be read, as in rendering.
    """
    editor = SubjectEditor()
    lines = []
    cases = find_extremes(list(_list_first_cases(recipe)))
    if "labels" not in card.get("training", {}):  # only the edits can fail, and they may take long
        # without edits nothing can, and a subject on a way takes a registration
        cases = [case for case in cases if case.edits or "last" not in case.subject]
        cases = cases[: max(MIN_CASES, int(MAX_SECONDS / max(edit_seconds(recipe), 1e-3)))]
    for case in cases:
        subject = editor.subject(case)
        try:
            edited = editor.load_and_edit(case)
        except AnatomyError as error:  # this sample will fail, the others will not
            lines.append(str(error))
            continue
        table = base_table(subject.table, case.table)
        painter_label = map_to_base_labels(edited.label, case.labels, table)
        painter_card = groups.get(case.group, card)
        outside = outside_training(painter_card, painter_label, subject.grid.spacing, table)
        if outside:
            lines.append(f"{case.id}: {outside}")
    return tuple(lines)


def _list_first_cases(recipe: Recipe) -> Iterator[Case]:
    """Yield the first cases of every group."""
    start = 0
    for group in case_groups(recipe):
        length = group.count * cases_per_subject(recipe, group)
        yield from itertools.islice(iterate_cases(recipe, start), min(length, MAX_CASES_PER_GROUP))
        start += length


def find_extremes(candidates: list[Case]) -> list[Case]:
    """Return the cases with the least and the greatest value of each parameter of the anatomy."""
    extremes = {}
    scanner_keys = {
        name for case in candidates[:1] for name in acquisition_columns(case.acquisition)
    }
    for key in sorted({key for case in candidates for key in case.requested} - scanner_keys):
        with_number = [
            case for case in candidates if isinstance(case.requested.get(key), int | float)
        ]
        for pick in (min, max) if with_number else ():
            case = pick(with_number, key=lambda case: case.requested[key])
            extremes[case.id] = case
    return sorted(extremes.values(), key=lambda case: case.id)
