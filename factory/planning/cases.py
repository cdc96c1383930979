"""Turn a recipe into cases, with their sweeps, distributions and seeds.

Every draw is a function of the recipe's seed and of the identity (group, subject, variant,
replicate) that it belongs to, and never of a position in a list. Therefore a further grade, group
or subject leaves all other cases unchanged.
"""

from collections.abc import Callable, Iterator
from functools import partial

from factory.case import Case, CaseGrid
from factory.planning.case_builder import CaseBuilder
from factory.planning.columns import recipe_columns
from factory.planning.grid import grid_shape
from factory.planning.groups import CaseGroup, case_groups, group_subjects
from factory.planning.sweeps import Sweep, count_variants, sweep_axes, variant_at
from factory.schema.label_table import added_labels, case_table
from factory.schema.render_recipe import Recipe
from factory.storage.json_value import JsonObject


def iterate_cases(recipe: Recipe, start: int = 0) -> Iterator[Case]:
    """Yield the cases of a recipe, ordered by group, subject, variant and replicate.

    Args:
        recipe: The recipe.
        start: The index of the first case to yield.

    Raises:
        SubjectError: Subjects cannot be listed or read.
        RecipeError: Two subjects have the same id, or a condition uses a value that a subject does
            not have.
    """
    return (make() for make in case_factories(recipe, start))


def case_factories(recipe: Recipe, start: int = 0) -> Iterator[Callable[[], Case]]:
    """Yield a function for each case that makes it; a case that is skipped costs almost nothing.

    Args:
        recipe: The recipe.
        start: The index of the first case.

    Raises:
        SubjectError: Subjects cannot be listed.
    """
    replicates = recipe.spec.replicates
    grid = CaseGrid(grid_shape(recipe), recipe.spec.output.spacing_mm)
    labels, table = added_labels(recipe.spec), case_table(recipe.spec)
    groups = case_groups(recipe)
    columns = recipe_columns(groups)

    def make(group: CaseGroup, sweeps: list[Sweep], subject: JsonObject, index: int) -> Case:
        variant, replicate = variant_at(sweeps, index // replicates), index % replicates
        builder = CaseBuilder(recipe, group, subject, variant, replicate, columns)
        return builder.case(grid, labels, table)

    for group in groups:
        sweeps = sweep_axes(group.template)
        per_subject = count_variants(sweeps) * replicates
        skipped = min(start // per_subject, group.count)
        start -= skipped * per_subject
        for subject in group_subjects(recipe, group, skipped):
            for index in range(start, per_subject):
                yield partial(make, group, sweeps, subject, index)
            start = 0


def count_cases(recipe: Recipe) -> int:
    """Return the number of cases without making them; it raises as `iterate_cases` does."""
    groups = case_groups(recipe)
    return sum(group.count * cases_per_subject(recipe, group) for group in groups)


def cases_per_subject(recipe: Recipe, group: CaseGroup) -> int:
    """Return the number of cases of each subject in a group."""
    return count_variants(sweep_axes(group.template)) * recipe.spec.replicates
