"""Where the tissues of a label map lie."""

from collections.abc import Iterable

import numpy as np

from factory.storage.subjects.types import LabelTable

CEREBRUM = ("grey_matter", "white_matter", "corpus_callosum", "deep_grey_matter", "ventricles")


def where(label: np.ndarray, table: LabelTable, names: Iterable[str]) -> np.ndarray:
    """Bool [z, y, x]: where label shows any of the named tissues; names the table lacks show
    nowhere."""
    values = [table.index(name) for name in names if name in table.names]
    return np.isin(label, np.array(values, label.dtype), kind="table")


def brain_box(label: np.ndarray) -> np.ndarray:
    """The box of all that is labelled, a copy with a rim of one voxel of background."""
    spans = [np.flatnonzero(label.any(axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    box = tuple(slice(int(s[0]), int(s[-1]) + 1) if s.size else slice(0) for s in spans)
    return np.pad(label[box], 1)


def box_of(mask: np.ndarray, margin: tuple[int, ...]) -> tuple[slice, slice, slice]:
    """The box of a mask, a margin (voxels) wider on every side, within the array."""
    spans = [np.nonzero(mask.any(axes))[0] for axes in ((1, 2), (0, 2), (0, 1))]
    z, y, x = (
        slice(max(0, int(s[0]) - m), int(s[-1]) + m + 1) for s, m in zip(spans, margin, strict=True)
    )
    return z, y, x
