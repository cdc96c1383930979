"""The hint on a misspelt name in an error message."""

import difflib
from collections.abc import Iterable


def nearest_name_hint(word: object, names: Iterable[str]) -> str:
    """Return "; did you mean X?" for the name most like a word, or "" where none is alike."""
    matches = difflib.get_close_matches(str(word), list(names), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]}?" if matches else ""
