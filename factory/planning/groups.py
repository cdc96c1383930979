"""Named groups: which subjects belong to which, by shares that come out exact.

Of n subjects of a source each group gets its share by largest remainder. Phantoms are counted
within their group ("phantom-severe-0003"), so that a case that a recipe still has after a group, a
share or the count has changed is the case it was. Subjects read from files are what they are: they
stand in an order drawn once a subject, and are cut into groups, by name, at the shares. One more
subject then moves at most a few others, at the cuts; whoever stays in its group stays as it was.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from factory.planning.sweeps import Template, case_template
from factory.schema.render_recipe import Recipe
from factory.seeding import derive_seed


@dataclass(frozen=True)
class CaseGroup:
    """The subjects of one source in one group, and what their cases hold parameters in.

    group: "" in a recipe without groups. count: subjects. before: subjects of the source that are
    in earlier groups. total: subjects of the source in all.
    """

    group: str
    source: str
    count: int
    before: int
    total: int
    template: Template


def case_groups(recipe: Recipe) -> list[CaseGroup]:
    """Groups by name, in each its sources. Raises SubjectError where subjects cannot be listed."""
    spec = recipe.spec.model_dump(exclude_none=True)
    groups = sorted(spec.get("groups", {}).items())
    shares = {name: group["share"] for name, group in groups} or {"": 100.0}
    counts = [(one.source.name, one.count) for one in recipe.spec.catalogue.by_source]
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
    """A count divided by shares: each rounded down, what is left to the largest remainders.

    Of equal remainders the earlier share goes first.
    """
    exact = {name: Fraction(Decimal(str(share))) for name, share in shares.items()}
    whole = sum(exact.values())
    ideal = {name: count * share / whole for name, share in exact.items()}
    quota = {name: math.floor(value) for name, value in ideal.items()}
    by_remainder = sorted(ideal, key=lambda name: quota[name] - ideal[name])
    for name in by_remainder[: count - sum(quota.values())]:
        quota[name] += 1
    return quota


def subject_records(recipe: Recipe, part: CaseGroup, start: int) -> Iterator[dict[str, Any]]:
    """The subjects of a part from `start` on; what is drawn for a subject is drawn later."""
    subjects, seed = recipe.spec.catalogue.of_source(part.source), recipe.spec.seed
    if not subjects.source.is_listed:
        source, section = subjects.source, subjects.section
        for index in range(start, part.count):
            yield dict(source.record(section, index, part.group, seed))
        return
    records = list(subjects.records)
    if part.count < part.total:
        order = sorted(
            (derive_seed(seed, record["id"], "group"), record["id"]) for record in records
        )
        chosen = {id for _, id in order[part.before : part.before + part.count]}
        records = [record for record in records if record["id"] in chosen]
    yield from map(dict, records[start:])
