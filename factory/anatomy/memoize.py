"""Remember the result for the last label map, since cases of one subject follow one another."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

Result = TypeVar("Result")


def memoize_last_label(compute: Callable[..., Result]) -> Callable[..., Result]:
    """Wrap a function of a label map so that it remembers its last result.

    Args:
        compute: A function of a label map [z, y, x] and of further arguments that can be compared.
            Its result must depend on these alone.

    Returns:
        The function with its memory. Callers must not write into its results.
    """
    last: tuple[np.ndarray, tuple[object, ...], Result] | None = None

    def remember(label: np.ndarray, *arguments: object) -> Result:
        nonlocal last
        entry = last  # another thread may replace `last` meanwhile
        if entry is None or entry[1] != arguments or not np.array_equal(entry[0], label):
            copy = label.copy()
            entry = last = copy, arguments, compute(copy, *arguments)
        return entry[2]

    return remember
