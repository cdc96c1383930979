"""Where the labels of a sample lie: some voxels of each, to centre patches on."""

from collections import OrderedDict

import numpy as np

VOXELS = 256  # kept of each label of a sample
_SAMPLES = 10_000  # remembered at most, some 8 kB each


def voxels_by_label(label: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random voxels [n, VOXELS, 3] of each of the wanted labels that a map [z, y, x] has."""
    inside = np.flatnonzero(np.isin(np.arange(256), wanted)[label])
    values = label.reshape(-1)[inside]
    places = [inside[values == value] for value in np.unique(values)]
    drawn = [place[rng.integers(len(place), size=VOXELS)] for place in places]
    if not drawn:
        return np.empty((0, VOXELS, 3), np.int16)
    return np.stack(np.unravel_index(np.stack(drawn), label.shape), axis=-1).astype(np.int16)


class ForegroundCache:
    """Voxels by (dataset, sample); the least recently used are dropped.

    A cache that is passed to another process arrives there empty.
    """

    def __init__(self) -> None:
        self._voxels: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def get(self, key: tuple[int, int]) -> np.ndarray | None:
        """Return a sample's voxels, or None where they are not held."""
        if key in self._voxels:
            self._voxels.move_to_end(key)
        return self._voxels.get(key)

    def put(self, key: tuple[int, int], voxels: np.ndarray) -> None:
        """Hold a sample's voxels, in place of the least recently used where the cache is full."""
        self._voxels[key] = voxels
        if len(self._voxels) > _SAMPLES:
            self._voxels.popitem(last=False)

    def __reduce__(self) -> tuple[type["ForegroundCache"], tuple[()]]:
        return ForegroundCache, ()
