"""Random voxels of each label of a sample, on which patches are centred."""

from collections import OrderedDict

import numpy as np

VOXELS = 256
"""Voxels that are stored for each label of a sample."""

_MAX_SAMPLES = 10_000  # in the cache, about 8 kB each


def draw_label_voxels(
    label: np.ndarray, values: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw VOXELS random voxels of each requested label that a label map has.

    Args:
        label: uint8 or uint16 [z, y, x].
        values: The requested labels.
        rng: The random stream.

    Returns:
        int16 [label, VOXELS, 3]: positions (z, y, x).
    """
    inside = np.flatnonzero(np.isin(np.arange(np.iinfo(label.dtype).max + 1), values)[label])
    label_values = label.reshape(-1)[inside]
    positions = [inside[label_values == value] for value in np.unique(label_values)]
    samples = [flat[rng.integers(len(flat), size=VOXELS)] for flat in positions]
    if not samples:
        return np.empty((0, VOXELS, 3), np.int16)
    return np.stack(np.unravel_index(np.stack(samples), label.shape), axis=-1).astype(np.int16)


class ForegroundCache:
    """The voxels of recently used samples, by (dataset, sample).

    A cache that is sent to another process arrives there empty.
    """

    def __init__(self) -> None:
        self._voxels: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def get(self, key: tuple[int, int]) -> np.ndarray | None:
        """Return a sample's voxels, or None if they are not in the cache."""
        if key in self._voxels:
            self._voxels.move_to_end(key)
        return self._voxels.get(key)

    def put(self, key: tuple[int, int], voxels: np.ndarray) -> None:
        """Store a sample's voxels; if the cache is full, they replace the least recently used."""
        self._voxels[key] = voxels
        if len(self._voxels) > _MAX_SAMPLES:
            self._voxels.popitem(last=False)

    def __reduce__(self) -> tuple[type["ForegroundCache"], tuple[()]]:
        return ForegroundCache, ()
