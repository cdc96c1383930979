"""Names of labels: how they are spelled here, and which of them are the two sides of a pair."""

import re
from collections.abc import Iterable

BACKGROUND = "background"

NAME_PATTERN = r"[a-z][a-z0-9_]*"
"""What the name of a label looks like: it is a part of column names and of recipe keys."""

MAX_NAME_LENGTH = 80

_BACKGROUND_NAMES = ("background", "unknown", "clear_label", "none", "unlabelled", "unlabeled")
_SIDES = (("left", "right"), ("lh", "rh"), ("l", "r"))


def normalise_label_name(text: str) -> str:
    """Return a label's name in lower case, with one underscore for whatever separates its words.

    "Left-Cerebral-White-Matter" becomes "left_cerebral_white_matter", "3rd-Ventricle" becomes
    "third_ventricle". What is no letter and no digit separates.
    """
    name = re.sub(r"[^a-z0-9]+", "_", text.strip().lower()).strip("_")
    ordinals = {"3rd": "third", "4th": "fourth", "5th": "fifth"}
    name = "_".join(ordinals.get(word, word) for word in name.split("_"))
    if name and not name[0].isalpha():
        name = f"label_{name}"
    return name[:MAX_NAME_LENGTH]


def is_label_name(name: str) -> bool:
    """Return whether a text is spelled as the name of a label or a region."""
    return len(name) <= MAX_NAME_LENGTH and re.fullmatch(NAME_PATTERN, name) is not None


def is_background_name(name: str) -> bool:
    """Return whether a normalised name is what tables call the value 0."""
    return name in _BACKGROUND_NAMES


def left_right_pairs(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of names that differ in their side alone, the left one first.

    A side is a whole word of the name: left and right, lh and rh, l and r.
    """
    names = list(names)
    pairs = []
    for name in names:
        words = name.split("_")
        for left, right in _SIDES:
            if left not in words:
                continue
            other = "_".join(right if word == left else word for word in words)
            if other in names:
                pairs.append((name, other))
                break
    return tuple(pairs)
