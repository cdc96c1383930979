"""Pieces, tunnels and cavities of every tissue, 26-connected."""

import cc3d
import numpy as np
from scipy import ndimage

from factory.anatomy.memoize import memoize_last_label
from factory.storage.subjects.types import LabelTable

Counts = dict[str, int]


def components(label: np.ndarray, table: LabelTable) -> Counts:
    """Connected components of every tissue but the background, by 26-connectivity."""
    return _topology(label, table)[0]


def euler_number(label: np.ndarray, table: LabelTable) -> Counts:
    """Components less tunnels plus cavities of every tissue but the background (26-connected)."""
    return _topology(label, table)[1]


def _topology(label: np.ndarray, table: LabelTable) -> tuple[Counts, Counts]:
    """Both counts of every tissue but the background."""
    tissues = _tissues(label, table)
    pieces = {
        name: int(cc3d.connected_components(tissue, connectivity=26, return_N=True)[1])
        for name, tissue in tissues.items()
    }
    numbers = {name: _euler_number(tissue) for name, tissue in tissues.items()}
    return pieces, numbers


def _euler_number(tissue: np.ndarray) -> int:
    """Corners less edges plus faces less voxels, those of closed cubes, which touch where they
    share a corner. tissue: bool [z, y, x], clear of the borders."""
    signed = [(tissue, -1)]
    for axis in range(3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        # What lies between two voxels is there where either is.
        signed += [(cells[tuple(low)] | cells[tuple(high)], -sign) for cells, sign in signed]
    return int(sum(sign * np.count_nonzero(cells) for cells, sign in signed))


topology, topology_before = memoize_last_label(_topology), memoize_last_label(_topology)
"""(components, Euler numbers). What an edit made is soon measured; what it found, the next case's
edit finds again."""


def _tissues(label: np.ndarray, table: LabelTable) -> dict[str, np.ndarray]:
    """Each tissue as bool [z, y, x] in its own box with a rim of one voxel, which both counts
    need; nothing but rim where it is absent."""
    boxes = ndimage.find_objects(label, len(table.names) - 1)
    nothing = (slice(0),) * 3
    return {
        name: np.pad(label[box or nothing] == value, 1)
        for value, (name, box) in enumerate(zip(table.names[1:], boxes, strict=True), 1)
    }
