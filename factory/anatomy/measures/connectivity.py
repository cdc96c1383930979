"""Components and Euler number of every tissue, by 26-connectivity."""

import cc3d
import numpy as np
from scipy import ndimage

from factory.anatomy.memoize import memoize_last_label
from factory.storage.subjects.types import LabelTable

Counts = dict[str, int]
"""A whole number for each tissue by name."""


def components(label: np.ndarray, table: LabelTable) -> Counts:
    """Count the 26-connected components of every tissue but the background."""
    return _topology(label, table)[0]


def euler_number(label: np.ndarray, table: LabelTable) -> Counts:
    """Return components - tunnels + cavities of every tissue but the background."""
    return _topology(label, table)[1]


def _topology(label: np.ndarray, table: LabelTable) -> tuple[Counts, Counts]:
    """Return components and Euler number of every tissue but the background."""
    tissues = _tissue_boxes(label, table)
    pieces = {name: count_pieces(tissue) for name, tissue in tissues.items()}
    numbers = {name: euler_of_mask(tissue) for name, tissue in tissues.items()}
    return pieces, numbers


def count_pieces(mask: np.ndarray) -> int:
    """Count the 26-connected components of a mask, bool [z, y, x]."""
    return int(cc3d.connected_components(mask, connectivity=26, return_N=True)[1])


def euler_of_mask(tissue: np.ndarray) -> int:
    """Return corners - edges + faces - voxels, where a voxel is a closed cube.

    Cubes that share a corner are connected. tissue: bool [z, y, x], clear of the borders.
    """
    signed = [(tissue, -1)]
    for axis in range(3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        # A face, edge or corner belongs to the tissue if either neighbour does.
        signed += [(cells[tuple(low)] | cells[tuple(high)], -sign) for cells, sign in signed]
    return int(sum(sign * np.count_nonzero(cells) for cells, sign in signed))


topology, topology_before = memoize_last_label(_topology), memoize_last_label(_topology)
"""Return (components, Euler numbers), remembered for the last label map.

There are two memories: the label map that an edit makes is measured soon afterwards, and the one
that it starts from is the start of the next case's edit too."""


def _tissue_boxes(label: np.ndarray, table: LabelTable) -> dict[str, np.ndarray]:
    """Return each tissue as bool [z, y, x] in its own box with a rim of one voxel.

    Both counts need the rim. A tissue that is absent has a rim only.
    """
    boxes = ndimage.find_objects(label, len(table.names) - 1)
    empty = (slice(0),) * 3
    return {
        name: np.pad(label[box or empty] == value, 1)
        for value, (name, box) in enumerate(zip(table.names[1:], boxes, strict=True), 1)
    }
