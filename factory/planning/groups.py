"""Assign subjects to groups, by shares that add up exactly.

Of n subjects of a source, each group gets its share by the method of largest remainders. Phantoms
are counted within their group ("phantom-severe-0003"). Therefore a case stays the same if another
group, a share or the count changes, as long as the case still exists. Subjects from files are
sorted by a random key of each subject, and this order is cut into groups, sorted by name. One more
subject then moves at most a few others, at the cuts, and all others keep their cases.

Where groups have subjects of their own, there are several pools: the recipe's own subjects, and
those of each such group. The dataset has as many subjects as the pools suffice for by the shares of
their groups; a larger pool is then not used up. A group without a share has all of its own.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from factory.planning.sweeps import CaseTemplate, case_template
from factory.schema.render_recipe import Recipe
from factory.schema.sections import RecipeSections
from factory.seeding import derive_seed
from factory.storage.json_value import JsonObject

K = TypeVar("K")


@dataclass(frozen=True)
class CaseGroup:
    """The subjects of one source in one group, with the template of their cases.

    Attributes:
        group: The name of the group, "" in a recipe without groups.
        source: The name of the source.
        count: The number of subjects.
        before: The number of subjects of the source in the groups before.
        total: The number of subjects of the source, in all groups that share them.
        template: The sections that hold the parameters of a case.
        pool: Whose subjects they are: "" the recipe's, else the group's own, by its name.
    """

    group: str
    source: str
    count: int
    before: int
    total: int
    template: CaseTemplate
    pool: str = ""


def case_groups(recipe: Recipe) -> list[CaseGroup]:
    """Return the groups sorted by name, with one entry for each source.

    Raises:
        SubjectError: Subjects cannot be listed.
    """
    spec = recipe.spec.model_dump(exclude_none=True)
    names = sorted(spec.get("groups", {})) or [""]
    used = count_used_subjects(recipe.spec)
    by_pool = {name: recipe.spec.pool_of(name) for name in names}
    result = []
    for name in names:
        shares = {n: _share(recipe.spec, n) for n in names if by_pool[n] == by_pool[name]}
        earlier = [n for n in shares if n < name]
        for subjects in recipe.spec.catalogue.of_pool(by_pool[name]):
            source = subjects.source.name
            quota = apportion(used[subjects.pool, source], shares)
            result.append(
                CaseGroup(
                    group=name,
                    source=source,
                    count=quota[name],
                    before=sum(quota[n] for n in earlier),
                    total=subjects.count,
                    template=case_template(spec, source, name),
                    pool=subjects.pool,
                )
            )
    return result


def count_used_subjects(spec: RecipeSections) -> dict[tuple[str, str], int]:
    """Return how many subjects of each pool and source the recipe has cases of.

    Raises:
        SubjectError: Subjects cannot be listed.
    """
    by_source = spec.catalogue.by_source
    available: dict[str, int] = {}
    for subjects in by_source:
        available[subjects.pool] = available.get(subjects.pool, 0) + subjects.count
    shares: dict[str, Fraction] = {}
    for name, group in (spec.groups or {}).items():
        if group.share is not None:
            pool = spec.pool_of(name)
            shares[pool] = shares.get(pool, Fraction(0)) + _share(spec, name)
    used = dict(available)
    if spec.has_group_subjects and (total := sum(shares.values())):
        most = min(
            available.get(pool, 0) * total / share for pool, share in shares.items() if share
        )
        used |= apportion(math.floor(most), shares)
    counts = {(subjects.pool, subjects.source.name): subjects.count for subjects in by_source}
    for pool, count in used.items():
        if count < available.get(pool, 0):
            of_pool = {key: Fraction(n) for key, n in counts.items() if key[0] == pool}
            counts |= apportion(count, of_pool)
    return counts


def _share(spec: RecipeSections, group: str) -> Fraction:
    """Return the share of a group, in percent; all where a recipe or a group has no share."""
    section = (spec.groups or {}).get(group)
    share = None if section is None else section.share
    return Fraction(100) if share is None else Fraction(Decimal(str(share)))


def apportion(count: int, shares: Mapping[K, float | Fraction]) -> dict[K, int]:
    """Divide a count by shares with the method of largest remainders.

    Every part is rounded down, and the remaining units go to the largest remainders. Of equal
    remainders the earlier share comes first.
    """
    exact = {
        name: share if isinstance(share, Fraction) else Fraction(Decimal(str(share)))
        for name, share in shares.items()
    }
    total = sum(exact.values()) or 1  # where all shares are 0, so is the count
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
    subjects, seed = recipe.spec.catalogue.of_source(group.source, group.pool), recipe.spec.seed
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
