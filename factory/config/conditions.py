"""`when: gestational_age_weeks < 28 and not grade == 0`: a tiny language, read and never run.

Numbers, known names, + - signs, comparisons (also chained: 24 <= x < 28), and, or, not and
parentheses. Python's parser reads it; whatever is not on this list is refused with its column.
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
    """Raises the error of a validator, with the column, where a condition is not one.

    names: what may be compared. at: the key that holds the condition, below the validator's own.
    """
    try:
        _truth(_parsed(text), names)
    except _Refused as error:
        raise problem(
            "value {value}; {why}", text, at=at, column=error.column, why=error.why
        ) from None


def condition_names(text: str) -> set[str]:
    """The names that a checked condition compares."""
    return {node.id for node in ast.walk(_parsed(text)) if isinstance(node, ast.Name)}


def evaluate_condition(text: str, values: Mapping[str, float]) -> bool:
    """Whether a checked condition is true of some values. Raises KeyError for a name without."""
    return _true(_parsed(text), values)


class _Refused(Exception):
    def __init__(self, why: str, node: ast.AST | None = None, column: int = 0) -> None:
        super().__init__(why)
        self.why = why
        self.column = getattr(node, "col_offset", column)


def _parsed(text: str) -> ast.expr:
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


def _truth(node: ast.expr, names: Collection[str]) -> None:
    """Refuses what is neither a comparison nor made of comparisons."""
    if isinstance(node, ast.BoolOp):
        for part in node.values:
            _truth(part, names)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        _truth(node.operand, names)
    elif isinstance(node, ast.Compare):
        for kind in node.ops:
            if type(kind) not in _COMPARISONS:
                raise _Refused("allowed: the comparisons < <= > >= == !=", node)
        for part in (node.left, *node.comparators):
            _number(part, names)
    else:
        raise _Refused("allowed: comparisons, joined by and, or, not", node)


def _number(node: ast.expr, names: Collection[str]) -> None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        _number(node.operand, names)
    elif isinstance(node, ast.Name):
        if node.id not in names:
            why = f"no such name {node.id}; allowed: {join_names(sorted(names))}"
            raise _Refused(why + nearest_name_hint(node.id, names), node)
    elif not (isinstance(node, ast.Constant) and type(node.value) in (int, float)):
        raise _Refused("allowed: numbers and names to compare", node)


def _true(node: ast.expr, values: Mapping[str, float]) -> bool:
    if isinstance(node, ast.BoolOp):
        every = isinstance(node.op, ast.And)
        return (all if every else any)(_true(part, values) for part in node.values)
    if isinstance(node, ast.UnaryOp):
        return not _true(node.operand, values)
    assert isinstance(node, ast.Compare)
    numbers = [_value(part, values) for part in (node.left, *node.comparators)]
    return all(
        _COMPARISONS[type(kind)](a, b)
        for kind, a, b in zip(node.ops, numbers, numbers[1:], strict=False)
    )


def _value(node: ast.expr, values: Mapping[str, float]) -> float:
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand, values)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Name):
        return values[node.id]
    assert isinstance(node, ast.Constant)
    return node.value  # type: ignore[return-value]
