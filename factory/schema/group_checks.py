"""Check the groups of a recipe. Each check raises the error of a validator."""

from collections.abc import Sequence

from factory.anatomy.edits.registry import EditBase
from factory.config.document import KeyPath
from factory.config.section import problem
from factory.schema.label_table import added_labels, possible_names
from factory.schema.sections import RecipeSections
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names


def check_shares(recipe: RecipeSections) -> None:
    """Check that the shares of the groups add up to all subjects.

    A group with subjects of its own may have no share; it has all of them.
    """
    if recipe.groups is None:
        return
    if not recipe.groups:
        raise problem("value {value}; allowed: at least one group", {}, at=("groups",))
    for name, group in recipe.groups.items():
        if group.share is None and group.subjects is None:
            raise problem("missing; this key is required", at=("groups", name, "share"))
    shares = [group.share for group in recipe.groups.values() if group.share is not None]
    total = sum(map(float, shares))
    if shares and not 99 <= total <= 101:  # thirds may be written as 33 %
        raise problem(f"the shares add to {total:g} %; allowed: 100 %", at=("groups",))


def check_kinds(recipe: RecipeSections) -> None:
    """Check that the subjects of all groups are of one kind, as those of one section are.

    Labels of a recipe's own mappings are matched by name, whatever the kinds.
    """
    sources = [pooled for pooled in recipe.pooled_sources if not pooled.source.key]
    built_in = (pooled for pooled in sources if not pooled.source.has_own_table(pooled.section))
    first = next(built_in, None) if recipe.has_group_subjects else None
    for pooled in sources if first else ():
        if first and pooled.source.kind != first.source.kind:
            kind = first.source.kind
            text = f"{pooled.source.kind} beside {kind} in {first.place}; allowed: {kind}"
            raise problem(text, at=pooled.path)


def check_group_labels(recipe: RecipeSections) -> None:
    """Check that the subjects of each group have the labels that its edits need and name."""
    for name in recipe.groups or () if recipe.has_group_subjects else ():
        narrowed = recipe.with_groups((name,))
        names = possible_names(narrowed, added_labels(narrowed))
        usable = (*names, *(recipe.regions or ()))
        for path, edits in narrowed.edits.items():
            for index, edit in enumerate(edits):
                _check_edit_labels(edit, (*path, index, edit.operator_name), name, usable)


def _check_edit_labels(edit: EditBase, at: KeyPath, group: str, names: Sequence[str]) -> None:
    """Check that a group has the labels that one edit needs and names.

    Args:
        edit: The edit.
        at: Where it stands in the recipe.
        group: The name of the group.
        names: The labels of its subjects, those of its edits, and the regions.
    """
    if missing := edit.operator.missing_labels(names):
        text = f"group {group} has no {join_names(missing)} among its labels: {join_names(names)}"
        raise problem(f"{text}; allowed: in the anatomy of other groups", at=at)
    for parameter, labels in edit.operator.label_names().items():
        for label in labels:
            if label not in names:
                text = "value {value}; allowed for the subjects of group {group}: {words}{hint}"
                words, hint = join_names(names), nearest_name_hint(label, names)
                where = (*at, parameter)
                raise problem(text, label, at=where, group=group, words=words, hint=hint)


def check_group_scans(recipe: RecipeSections) -> None:
    """Check that no group has stacks of its own, since a dataset has one set of stacks."""
    for name, group in (recipe.groups or {}).items():
        if group.acquisition is None:
            continue
        at = ("groups", name, "acquisition")
        if group.acquisition.stacks:
            text = "stacks of a group; allowed: in the recipe's own acquisition, for all groups"
            raise problem(text, at=(*at, "stacks"))
        if recipe.acquisition and recipe.acquisition.stacks:
            raise problem(
                "without the stacks of the recipe's own acquisition; allowed: none", at=at
            )
