"""Properties of every edit of label maps, tested on its own examples."""

import json
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from factory.anatomy.edits.operator import Example, Operator
from factory.anatomy.edits.registry import OPERATORS
from factory.errors import AnatomyError
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA, LabelTable

WEEKS, SPACING = 28.0, 2.0
HEAD = phantom(WEEKS, 1, SPACING)
EXAMPLES = [(name, example) for name, kind in OPERATORS.items() for example in kind.examples]


def ids(value: Any) -> str:
    return value if isinstance(value, str) else value.text.replace(" ", "-")


def subject_for(kind: type[Operator], operator: Operator) -> tuple[np.ndarray, LabelTable]:
    """Return a head with every label that an edit needs, made from white matter at the midline."""
    label, names = HEAD.label.copy(), list(FETA.names)
    middle = np.abs(np.arange(label.shape[2]) - label.shape[2] / 2) * SPACING < 4
    for name in set(kind.needs) - set(names):
        label[(label == FETA.index("white_matter")) & middle] = len(names)
        names.append(name)
    if kind.needs == ("ventricles",):  # atlases call the third ventricle that, the phantom CSF
        deep = ndimage.binary_dilation(label == FETA.index("deep_grey_matter"), iterations=2)
        slit = (label == FETA.index("external_csf")) & deep & middle
        label[slit] = FETA.index("ventricles")
    if added := operator.added_label():
        names.append(added[0])
    extra = ((0, 0, 0),) * (len(names) - len(FETA.names))
    return label, LabelTable(tuple(names), (*FETA.colours, *extra))


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=ids)
def test_an_example_runs_the_same_on_every_channel_and_leaves_its_input(
    name: str, example: Example
) -> None:
    kind = OPERATORS[name]
    image = np.random.Generator(np.random.Philox(1)).random(HEAD.label.shape, np.float32)
    context: dict[str, Any] = {"seed": 3} if kind.random else {}
    context |= {"age_weeks": WEEKS} if kind.takes_age else {}
    for strength in reversed(example.on_phantom or example.strengths):
        operator = kind.model_validate(dict(strength), strict=False)  # a recipe may ask for it
        label, table = subject_for(kind, operator)
        before = label.copy(), image.copy()
        where = (label, (SPACING,) * 3, table)
        try:
            first = kind.apply(*where, image=image, **strength, **context)
        except AnatomyError as error:
            assert "\n" not in str(error)  # noqa: PT017
            continue
        channels = np.stack([image, 2 * image])
        second = kind.apply(*where, image=channels, **strength, **context)
        np.testing.assert_array_equal(label, before[0])
        np.testing.assert_array_equal(image, before[1])
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(channels[0], before[1])
        np.testing.assert_array_equal(second[1], np.stack([first[1], 2 * first[1]]))
        assert first[0].dtype == np.uint8
        assert first[0].max() < len(table.names)
        assert first[1].dtype == np.float32
        if len(first) > 2:
            json.dumps(first[2], allow_nan=False)
            assert first[2] == second[2]
        if not np.array_equal(first[0], label):
            return
    raise AssertionError("no strength of the example changes this head")


@pytest.mark.parametrize("name", OPERATORS)
def test_an_edit_has_a_description_and_a_cost(name: str) -> None:
    kind = OPERATORS[name]
    assert kind.__doc__
    assert kind.examples
    strength = dict(kind.examples[0].strengths[0])
    plain = kind.model_validate(strength, strict=False).model_dump(exclude_none=True)
    assert kind.seconds(plain, 1.0) > 0
    assert kind.head_growth_factor(plain) >= 1
    assert kind.head_growth_mm(plain) >= 0
