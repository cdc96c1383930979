"""What can be known of a recipe's label maps before any is painted."""

import itertools
from collections.abc import Iterator
from typing import Any

from factory.acquisition.section import acquisition_columns
from factory.case import Case
from factory.errors import AnatomyError
from factory.imaging.label_ranges import outside_training
from factory.planning.cases import cases_per_subject, iterate_cases
from factory.planning.groups import case_groups
from factory.rendering.subject_editor import SubjectEditor
from factory.schema.label_table import map_to_painter_labels, painter_label_table
from factory.schema.render_recipe import Recipe

CONSIDERED = 1000
"""Cases a group among which the extremes are looked for; a plan of millions stays quick."""


def label_warnings(recipe: Recipe, card: dict[str, Any]) -> tuple[str, ...]:
    """Where the youngest, the oldest and the most edited cases leave what training saw.

    Makes the label maps of a few cases (a few seconds); one line a case that leaves it, or whose
    edits cannot be made. Raises SubjectError as rendering would.
    """
    editor = SubjectEditor()
    found = []
    for case in extremes(list(_considered(recipe))):
        subject = editor.subject(case)
        try:
            label, _, _ = editor.load_and_edit(case)
        except AnatomyError as error:  # this sample will fail, the others stand
            found.append(str(error))
            continue
        seen, table = map_to_painter_labels(label, case.labels), painter_label_table(subject.table)
        outside = outside_training(card, seen, subject.grid.spacing, table)
        if outside:
            found.append(f"{case.id}: {outside}")
    return tuple(found)


def _considered(recipe: Recipe) -> Iterator[Case]:
    """The first cases of every group."""
    start = 0
    for part in case_groups(recipe):
        length = part.count * cases_per_subject(recipe, part)
        yield from itertools.islice(iterate_cases(recipe, start), min(length, CONSIDERED))
        start += length


def extremes(some: list[Case]) -> list[Case]:
    """The cases with the least and the most of each number that their anatomy was asked for."""
    chosen = {}
    scans = {name for case in some[:1] for name in acquisition_columns(case.acquisition)}
    for key in sorted({key for case in some for key in case.requested} - scans):
        having = [case for case in some if isinstance(case.requested.get(key), int | float)]
        for pick in (min, max) if having else ():
            case = pick(having, key=lambda case: case.requested[key])
            chosen[case.id] = case
    return sorted(chosen.values(), key=lambda case: case.id)
