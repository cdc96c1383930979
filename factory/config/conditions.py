"""Check and evaluate conditions such as `gestational_age_weeks < 28 and not grade == 0`.

A condition consists of numbers, names, text in quotes (which is compared by == and != alone),
+ and - signs, comparisons (also chained: 24 <= x < 28), `and`, `or`, `not` and parentheses.
Python's parser reads it, but its code never runs. Everything else is refused, with its column.
"""

import ast
import operator
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any

from factory.config.section import problem
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names

MAX_CHARACTERS = 200
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def check_condition(text: str, names: Collection[str], at: tuple[str | int, ...] = ()) -> None:
    """Check that a text is a condition.

    Args:
        text: The condition.
        names: The names that it may compare.
        at: The key that holds the condition, relative to the key of the validator that calls this.

    Raises:
        PydanticCustomError: The text is not a condition. The message has the column.
    """
    try:
        _check_logic(_parse(text), names)
    except _Refused as error:
        raise problem(
            "value {value}; {why}", text, at=at, column=error.column, why=error.why
        ) from None


def condition_names(text: str) -> set[str]:
    """Return the names that a checked condition compares."""
    return {node.id for node in ast.walk(_parse(text)) if isinstance(node, ast.Name)}


def evaluate_condition(text: str, values: Mapping[str, float | str]) -> bool:
    """Return whether a checked condition is true.

    All of its parts are evaluated, so that whether it raises does not depend on the numbers.

    Args:
        text: The condition.
        values: The numbers and text by name.

    Raises:
        KeyError: A name of the condition has no value.
        TypeError: Text is compared with a number by < or >.
    """
    return _evaluate_logic(_parse(text), values)


class _Refused(Exception):
    def __init__(self, why: str, node: ast.AST | None = None, column: int = 0) -> None:
        super().__init__(why)
        self.why = why
        self.column = getattr(node, "col_offset", column)


def _parse(text: str) -> ast.expr:
    if len(text) > MAX_CHARACTERS:
        raise _Refused(f"longer than {MAX_CHARACTERS} characters")
    if not text.isascii():  # Python would fold letters that look alike
        raise _Refused("allowed: plain letters", column=len(text) - len(text.lstrip()))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        why = "not a condition; allowed: e.g. gestational_age_weeks < 28"
        raise _Refused(why, column=max((error.offset or 1) - 1, 0)) from None
    except (ValueError, MemoryError, RecursionError):
        raise _Refused("not a condition; allowed: e.g. gestational_age_weeks < 28") from None


def _check_logic(node: ast.expr, names: Collection[str]) -> None:
    """Refuse a node that is neither a comparison nor composed of comparisons."""
    if isinstance(node, ast.BoolOp):
        for operand in node.values:
            _check_logic(operand, names)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        _check_logic(node.operand, names)
    elif isinstance(node, ast.Compare):
        for kind in node.ops:
            if type(kind) not in _COMPARISONS:
                raise _Refused("allowed: the comparisons < <= > >= == !=", node)
        equality = all(isinstance(kind, ast.Eq | ast.NotEq) for kind in node.ops)
        for operand in (node.left, *node.comparators):
            if not (equality and _is_text(operand)):
                _check_number(operand, names)
    else:
        raise _Refused("allowed: comparisons, joined by and, or, not", node)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _check_number(node: ast.expr, names: Collection[str]) -> None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        _check_number(node.operand, names)
    elif isinstance(node, ast.Name):
        if node.id not in names:
            why = f"no such name {node.id}; allowed: {join_names(sorted(names))}"
            raise _Refused(why + nearest_name_hint(node.id, names), node)
    elif not (isinstance(node, ast.Constant) and type(node.value) in (int, float)):
        raise _Refused("allowed: numbers and names to compare", node)


def _evaluate_logic(node: ast.expr, values: Mapping[str, float | str]) -> bool:
    if isinstance(node, ast.BoolOp):
        is_and = isinstance(node.op, ast.And)
        parts = [_evaluate_logic(operand, values) for operand in node.values]
        return all(parts) if is_and else any(parts)
    if isinstance(node, ast.UnaryOp):
        return not _evaluate_logic(node.operand, values)
    assert isinstance(node, ast.Compare)
    numbers = [_evaluate_number(operand, values) for operand in (node.left, *node.comparators)]
    pairs = zip(node.ops, numbers, numbers[1:], strict=False)
    outcomes = [_COMPARISONS[type(kind)](a, b) for kind, a, b in pairs]
    return all(outcomes)


def _evaluate_number(node: ast.expr, values: Mapping[str, float | str]) -> float | str:
    if isinstance(node, ast.UnaryOp):
        value = _evaluate_number(node.operand, values)
        if isinstance(value, str):
            raise TypeError(f"the sign of {value!r}")
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Name):
        return values[node.id]
    assert isinstance(node, ast.Constant)
    return node.value  # type: ignore[return-value]
