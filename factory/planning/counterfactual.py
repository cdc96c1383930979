"""A case as it would be had one of its parameters been another: the same brain, sicker."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from factory.anatomy.edits.registry import split_edit
from factory.case import Case
from factory.errors import RecipeError
from factory.planning.case_builder import CaseBuilder
from factory.planning.columns import recipe_columns
from factory.planning.groups import CaseGroup, case_groups, subject_records
from factory.planning.sweeps import count_variants, full_name, sweep_axes, variant_at
from factory.schema.render_recipe import Recipe, parse_recipe
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names


def change_case(recipe: Recipe, case: Case, changes: Sequence[str]) -> Case:
    """The case with parameters set ("grade=3"), everything else drawn as it was.

    A parameter goes by its column's name or by its key in the recipe. The case's id says what was
    changed. Raises RecipeError for what is no parameter, or a value that the recipe may not have.
    """
    part = _part(recipe, case)
    subject = next(s for s in subject_records(recipe, part, 0) if s["id"] == case.subject["id"])
    columns = recipe_columns(case_groups(recipe))
    known = dict(_places(recipe, part, columns))
    overrides = [f"output.path={recipe.spec.output.path}"]
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or name not in {**known, **dict.fromkeys(known.values())}:
            names = join_names(known) + nearest_name_hint(name, [*known, *known.values()])
            raise RecipeError(f"--set {change}: allowed: NAME=VALUE with a name of {names}")
        overrides.append(f"{known.get(name, name)}={value}")
    other = parse_recipe(recipe.text(), recipe.source, overrides)
    sweeps = sweep_axes(part.template)
    for index in range(count_variants(sweeps)):
        chosen = variant_at(sweeps, index)
        was = CaseBuilder(recipe, part, subject, chosen, case.replicate, columns)
        if was.case(case.grid, case.labels).id == case.id:
            break
    else:
        raise RecipeError(f"{recipe.source}: does not make the sample {case.id}")
    now = replace(
        was,
        part=replace(part, template=_part(other, case).template),
        columns=recipe_columns(case_groups(other)) | columns,
    )
    said = "&".join(changes)
    made = now.case(case.grid, case.labels)
    return replace(made, id=f"{case.id}?{said}", variant=f"{case.variant}?{said}")


def _part(recipe: Recipe, case: Case) -> CaseGroup:
    source = case.subject["source"]
    return next(p for p in case_groups(recipe) if (p.group, p.source) == (case.group, source))


def _places(recipe: Recipe, part: CaseGroup, columns: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Parameters of a part's cases by column, with where they stand in the recipe."""
    shared = len(recipe.spec.anatomy)
    for name in part.template["subject"]:
        yield name, f"subjects.{part.source}.{name}"
    anatomy = part.template["anatomy"]
    for index, edit in enumerate(anatomy):
        operator, given = split_edit(edit)
        own = ("groups", part.group, "anatomy", index - shared)
        at = ("anatomy", index) if index < shared else own
        for key, node in given.items():
            full = full_name(("anatomy", index, operator, key), anatomy)
            yield columns.get(full, full.rpartition(".")[2]), _dotted(*at, operator, key)
            for axis in range(len(node)) if isinstance(node, tuple | list) else ():
                full = full_name(("anatomy", index, operator, key, axis), anatomy)
                if full in columns:
                    yield columns[full], _dotted(*at, operator, key, axis)


def _dotted(*path: str | int) -> str:
    return ".".join(map(str, path))
