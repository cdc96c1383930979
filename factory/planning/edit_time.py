"""How long the edits of a recipe's samples take: for the time that a plan projects."""

import math

from factory.anatomy.edits.registry import of, operator_class
from factory.planning.cases import cases_each
from factory.planning.groups import parts
from factory.schema.render_recipe import Recipe
from factory.subjects.catalogue import needed_shape


def edit_seconds(recipe: Recipe) -> float:
    """A core's seconds for the edits of a sample, the mean over groups.

    On the high side: every head is taken to be as large as the largest, and every edit to be
    carried out, whatever its `when`. Raises SubjectError where subjects cannot be read.
    """
    megavoxels = math.prod(needed_shape(recipe)) / 1e6
    samples, spent = 0, 0.0
    for part in parts(recipe):
        count = part.count * cases_each(recipe, part)
        edits = [of(edit) for edit in part.template["anatomy"]]
        samples += count
        spent += count * sum(operator_class(name).seconds(v, megavoxels) for name, v in edits)
    return spent / max(samples, 1)
