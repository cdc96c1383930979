"""Pieces of labels that people do not have: specks that thin parts of structures break into."""

import functools
from collections.abc import Sequence

import cc3d
import numpy as np

from factory.families.anatomy.registration import Person

ROUNDS = 50
"""Specks are filled from their borders inwards, one voxel a round."""


@functools.lru_cache(maxsize=64)
def _count_pieces(person: "_ByIdentity") -> np.ndarray:
    """Return how many pieces each label of a person has."""
    pieces, number = cc3d.connected_components(person.person.label, return_N=True)
    first = np.zeros(number + 1, person.person.label.dtype)
    first[pieces.ravel()] = person.person.label.ravel()
    return np.bincount(first[1:], minlength=int(person.person.label.max()) + 1)


class _ByIdentity:
    """A person as a key of a cache: arrays have no hash."""

    def __init__(self, person: Person) -> None:
        self.person = person

    def __hash__(self) -> int:
        return id(self.person.label)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.person.label is self.person.label


def remove_specks(label: np.ndarray, people: Sequence[Person]) -> np.ndarray:
    """Return a label map in which no label has more pieces than in any of some people.

    Of each label the largest pieces stay. The others take the labels around them.

    Args:
        label: [z, y, x].
        people: Those whose labels the map has.
    """
    counts = [_count_pieces(_ByIdentity(person)) for person in people]
    most = np.zeros(max(int(label.max()) + 1, *(len(c) for c in counts)), int)
    for count in counts:
        most[: len(count)] = np.maximum(most[: len(count)], count)
    pieces, number = cc3d.connected_components(label, return_N=True)
    sizes = np.bincount(pieces.ravel(), minlength=number + 1)
    value = np.zeros(number + 1, label.dtype)
    value[pieces.ravel()] = label.ravel()
    is_speck = np.zeros(number + 1, bool)
    for v in np.unique(value[1:]):
        of_label = np.flatnonzero(value == v)
        of_label = of_label[of_label > 0]
        order = of_label[np.argsort(-sizes[of_label], kind="stable")]
        is_speck[order[most[v] :]] = True
    return _fill(label, is_speck[pieces])


def _fill(label: np.ndarray, specks: np.ndarray) -> np.ndarray:
    """Return a label map whose specks have the most frequent label of their neighbours."""
    result, rest = np.pad(label, 1), np.pad(specks, 1)
    steps = [(z, y, x) for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1) if z or y or x]
    for _ in range(ROUNDS):
        places = np.argwhere(rest)
        if not len(places):
            break
        around = [tuple((places + step).T) for step in steps]
        values = np.stack([np.where(rest[at], -1, result[at].astype(np.int32)) for at in around])
        votes = np.stack([((values == v) & (values >= 0)).sum(0) for v in values])
        winners = np.take_along_axis(values, votes.argmax(0)[None], 0)[0]
        sure = winners >= 0
        here = tuple(places[sure].T)
        result[here] = winners[sure].astype(label.dtype)
        rest[here] = False
    return result[1:-1, 1:-1, 1:-1]
