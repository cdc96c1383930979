"""Recipe -> cases: sweeps, distributions and seeds. The only place that draws random parameters.

Every draw is a function of the recipe's seed and of the identity of what is drawn (group, subject,
variant, replicate), never of a position in a list: adding a grade, a group or a subject leaves all
other cases as they were.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from factory.case import Case, CaseGrid
from factory.planning.case_builder import CaseBuilder
from factory.planning.columns import recipe_columns
from factory.planning.grid import grid_shape
from factory.planning.groups import CaseGroup, case_groups, subject_records
from factory.planning.sweeps import Axis, count_variants, sweep_axes, variant_at
from factory.schema.label_table import added_labels
from factory.schema.render_recipe import Recipe


def iterate_cases(recipe: Recipe, start: int = 0) -> Iterator[Case]:
    """The recipe's cases from index `start` on, lazily: groups, then subjects, then variants, then
    replicates.

    Raises SubjectError where subjects cannot be listed or read, RecipeError for repeated ids and
    for a condition on what is not known of a subject.
    """
    return (make() for make in case_factories(recipe, start))


def case_factories(recipe: Recipe, start: int = 0) -> Iterator[Callable[[], Case]]:
    """What makes each of the cases. One that is passed over costs next to nothing.

    Raises as `cases`, of subjects at once.
    """
    replicates = recipe.spec.replicates
    grid = CaseGrid(grid_shape(recipe), recipe.spec.output.spacing_mm)
    labels = added_labels(recipe.spec)
    every = case_groups(recipe)
    columns = recipe_columns(every)

    def make(part: CaseGroup, sweeps: list[Axis], subject: dict[str, Any], index: int) -> Case:
        chosen, replicate = variant_at(sweeps, index // replicates), index % replicates
        filling = CaseBuilder(recipe, part, subject, chosen, replicate, columns)
        return filling.case(grid, labels)

    for part in every:
        sweeps = sweep_axes(part.template)
        each = count_variants(sweeps) * replicates
        skipped = min(start // each, part.count)
        start -= skipped * each
        for subject in subject_records(recipe, part, skipped):
            for index in range(start, each):
                yield partial(make, part, sweeps, subject, index)
            start = 0


def count_cases(recipe: Recipe) -> int:
    """How many cases there are, without making them. Raises as `cases` does."""
    return sum(part.count * cases_per_subject(recipe, part) for part in case_groups(recipe))


def cases_per_subject(recipe: Recipe, part: CaseGroup) -> int:
    """How many cases a subject of a part gives."""
    return count_variants(sweep_axes(part.template)) * recipe.spec.replicates
