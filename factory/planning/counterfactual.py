"""Change parameters of a case and keep everything else, e.g. the brain with another grade."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from factory.anatomy.edits.registry import split_edit
from factory.case import Case
from factory.errors import RecipeError
from factory.planning.case_builder import CaseBuilder
from factory.planning.columns import recipe_columns
from factory.planning.groups import CaseGroup, case_groups, group_subjects
from factory.planning.sweeps import count_variants, full_name, sweep_axes, variant_at
from factory.schema.render_recipe import Recipe, parse_recipe
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names


def change_case(recipe: Recipe, case: Case, changes: Sequence[str]) -> Case:
    """Return a case with other parameters; everything else is drawn as it was.

    The id of the new case has the changes after a "?".

    Args:
        recipe: The recipe of the case.
        case: The case.
        changes: "NAME=VALUE" lines, where NAME is a column or a key of the recipe.

    Raises:
        RecipeError: A name is not a parameter, or the recipe does not allow the value.
    """
    group = _find_group(recipe, case)
    subject = next(s for s in group_subjects(recipe, group, 0) if s["id"] == case.subject["id"])
    columns = recipe_columns(case_groups(recipe))
    keys = dict(_recipe_keys(recipe, group, columns))
    overrides = [f"output.path={recipe.spec.output.path}"]
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or name not in {*keys, *keys.values()}:
            names = join_names(keys) + nearest_name_hint(name, [*keys, *keys.values()])
            raise RecipeError(f"--set {change}: allowed: NAME=VALUE with a name of {names}")
        overrides.append(f"{keys.get(name, name)}={value}")
    changed_recipe = parse_recipe(recipe.text(), recipe.source, overrides)
    sweeps = sweep_axes(group.template)
    for index in range(count_variants(sweeps)):
        variant = variant_at(sweeps, index)
        builder = CaseBuilder(recipe, group, subject, variant, case.replicate, columns)
        if builder.case(case.grid, case.labels, case.table).id == case.id:
            break
    else:
        raise RecipeError(f"{recipe.source}: does not make the sample {case.id}")
    changed_builder = replace(
        builder,
        group=replace(group, template=_find_group(changed_recipe, case).template),
        columns=recipe_columns(case_groups(changed_recipe)) | columns,
    )
    suffix = "&".join(changes)
    changed = changed_builder.case(case.grid, case.labels, case.table)
    return replace(changed, id=f"{case.id}?{suffix}", variant=f"{case.variant}?{suffix}")


def _find_group(recipe: Recipe, case: Case) -> CaseGroup:
    source = case.subject["source"]
    return next(g for g in case_groups(recipe) if (g.group, g.source) == (case.group, source))


def _recipe_keys(
    recipe: Recipe, group: CaseGroup, columns: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a group's cases: the column, and the key in the recipe."""
    shared = len(recipe.spec.anatomy)
    place = f"groups.{group.pool}.subjects" if group.pool else "subjects"
    for name in group.template.subject:
        yield name, f"{place}.{group.source}.{name}"
    anatomy = group.template.anatomy
    for index, edit in enumerate(anatomy):
        operator, parameters = split_edit(edit)
        group_path = ("groups", group.group, "anatomy", index - shared)
        at = ("anatomy", index) if index < shared else group_path
        for key, node in parameters.items():
            full = full_name(("anatomy", index, operator, key), anatomy)
            yield columns.get(full, full.rpartition(".")[2]), _dotted(*at, operator, key)
            for axis in range(len(node)) if isinstance(node, tuple | list) else ():
                full = full_name(("anatomy", index, operator, key, axis), anatomy)
                if full in columns:
                    yield columns[full], _dotted(*at, operator, key, axis)


def _dotted(*path: str | int) -> str:
    return ".".join(map(str, path))
