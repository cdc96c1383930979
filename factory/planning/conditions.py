"""Check before a render that every condition of a recipe can be evaluated for every subject."""

from collections.abc import Iterable, Iterator

from factory.anatomy.edits.registry import split_edit
from factory.config.conditions import condition_names
from factory.planning.case_builder import CaseBuilder, known_values
from factory.planning.columns import recipe_columns
from factory.planning.groups import CaseGroup, case_groups, group_subjects
from factory.planning.sweeps import count_variants, fill_template, sweep_axes, variant_at
from factory.schema.render_recipe import Recipe
from factory.storage.json_value import JsonObject
from factory.subjects.registry import SOURCES


def check_condition_values(recipe: Recipe) -> None:
    """Check that each subject has what the conditions of its edits compare.

    Raises:
        RecipeError: A value is not known, or is text that a number is compared with. The message
            has the place of the condition and the subject.
        SubjectError: Subjects cannot be listed.
    """
    columns: dict[str, str] | None = None
    for group in case_groups(recipe):
        compared = _compared_names(group)
        if not compared:
            continue
        columns = recipe_columns(case_groups(recipe)) if columns is None else columns
        for subject in _distinct_subjects(recipe, group):
            for builder in _builders(recipe, group, subject, columns, compared):
                filled = fill_template(group.template, builder.value)
                parameters = filled.subject if SOURCES[group.source].is_seeded else {}
                builder.edits(filled.anatomy, known_values(subject | parameters))


def _compared_names(group: CaseGroup) -> set[str]:
    """Return the names that the conditions of a group compare."""
    conditions = (edit["when"] for edit in group.template.anatomy if "when" in edit)
    return {name for condition in conditions for name in condition_names(condition)}


def _distinct_subjects(recipe: Recipe, group: CaseGroup) -> Iterable[JsonObject]:
    """Yield the subjects of a group; of those that are made up one, since all know the same."""
    subjects = group_subjects(recipe, group, 0)
    return subjects if SOURCES[group.source].is_listed else [next(subjects)] if group.count else []


def _builders(
    recipe: Recipe,
    group: CaseGroup,
    subject: JsonObject,
    columns: dict[str, str],
    compared: set[str],
) -> Iterator[CaseBuilder]:
    """Yield builders of those cases of a subject that have to be tried.

    It is the first case alone, unless a name may become known by an edit that not all cases have.
    """
    edits = [split_edit(edit)[1] for edit in group.template.anatomy]
    names = {*known_values(subject), *group.template.subject, "replicate"}.union(*edits)
    sweeps, replicates = sweep_axes(group.template), recipe.spec.replicates
    cases = 1 if compared <= names else count_variants(sweeps) * replicates
    for index in range(cases):
        variant, replicate = variant_at(sweeps, index // replicates), index % replicates
        yield CaseBuilder(recipe, group, subject, variant, replicate, columns)
