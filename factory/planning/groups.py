"""Assign subjects to groups, by shares that add up exactly.

Of n subjects of a source, each group gets its share by the method of largest remainders. Phantoms
are counted within their group ("phantom-severe-0003"). Therefore a case stays the same if another
group, a share or the count changes, as long as the case still exists. Subjects from files are
sorted by a random key of each subject, and this order is cut into groups, sorted by name. One more
subject then moves at most a few others, at the cuts, and all others keep their cases.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from factory.planning.sweeps import CaseTemplate, case_template
from factory.schema.render_recipe import Recipe
from factory.seeding import derive_seed
from factory.storage.json_value import JsonObject


@dataclass(frozen=True)
class CaseGroup:
    """The subjects of one source in one group, with the template of their cases.

    Attributes:
        group: The name of the group, "" in a recipe without groups.
        source: The name of the source.
        count: The number of subjects.
        before: The number of subjects of the source in the groups before.
        total: The number of subjects of the source in all groups.
        template: The sections that hold the parameters of a case.
    """

    group: str
    source: str
    count: int
    before: int
    total: int
    template: CaseTemplate


def case_groups(recipe: Recipe) -> list[CaseGroup]:
    """Return the groups sorted by name, with one entry for each source.

    Raises:
        SubjectError: Subjects cannot be listed.
    """
    spec = recipe.spec.model_dump(exclude_none=True)
    groups = sorted(spec.get("groups", {}).items())
    shares = {name: group["share"] for name, group in groups} or {"": 100.0}
    catalogue = recipe.spec.catalogue.by_source
    counts = [(subjects.source.name, subjects.count) for subjects in catalogue]
    sizes = [(source, n, apportion(n, shares)) for source, n in counts]
    names = list(shares)
    return [
        CaseGroup(
            group=name,
            source=source,
            count=quota[name],
            before=sum(quota[earlier] for earlier in names[: names.index(name)]),
            total=total,
            template=case_template(spec, source, name),
        )
        for name in names
        for source, total, quota in sizes
    ]


def apportion(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Divide a count by shares with the method of largest remainders.

    Every part is rounded down, and the remaining units go to the largest remainders. Of equal
    remainders the earlier share comes first.
    """
    exact = {name: Fraction(Decimal(str(share))) for name, share in shares.items()}
    total = sum(exact.values())
    ideal = {name: count * share / total for name, share in exact.items()}
    quota = {name: math.floor(value) for name, value in ideal.items()}
    by_remainder = sorted(ideal, key=lambda name: quota[name] - ideal[name])
    for name in by_remainder[: count - sum(quota.values())]:
        quota[name] += 1
    return quota


def group_subjects(recipe: Recipe, group: CaseGroup, start: int) -> Iterator[JsonObject]:
    """Yield the records of the subjects of a group, without the parameters that are drawn for them.

    Args:
        recipe: The recipe.
        group: The group and source.
        start: The index of the first subject.
    """
    subjects, seed = recipe.spec.catalogue.of_source(group.source), recipe.spec.seed
    if not subjects.source.is_listed:
        source, section = subjects.source, subjects.section
        for index in range(start, group.count):
            yield dict(source.record(section, index, group.group, seed))
        return
    records = list(subjects.records)
    if group.count < group.total:
        order = sorted(
            (derive_seed(seed, record["id"], "group"), record["id"]) for record in records
        )
        selected = {id for _, id in order[group.before : group.before + group.count]}
        records = [record for record in records if record["id"] in selected]
    yield from map(dict, records[start:])
