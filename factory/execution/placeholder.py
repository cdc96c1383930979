"""The place of a case that could not be rendered: empty, not accepted, and with the reason why.

So every sample keeps its index whatever else fails, trainings filter by one column, and the same
command finds what it has to try again.
"""

import numpy as np

from factory.case import Case
from factory.execution.worker import requested_columns
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.stored_sample import StoredSample, StoredStack
from factory.storage.subjects.types import Grid


def placeholder_sample(case: Case, layout: Layout, why: str) -> StoredSample:
    """A sample of background alone: images at the lowest value stored, labels 0.

    Its row has what was asked for, accepted = False, failure = why; no measures. Stacks have a
    single voxel.
    """
    spacing = case.grid.spacing_mm
    grid = Grid.centred(layout.shape, (spacing, spacing, spacing))
    own = [name for name in layout.arrays if name not in layout.shapes]

    def empty(name: str, shape: tuple[int, int, int]) -> np.ndarray:
        if layout.is_label(name):
            return np.zeros(shape, np.uint8)
        return np.full(shape, layout.ranges[name][0], np.float32)

    return StoredSample(
        case=case.to_json(),
        arrays={name: empty(name, layout.shape) for name in own},
        affine=grid.affine,
        spacing_mm=grid.spacing,
        columns={**requested_columns(case), "accepted": False, "failure": " ".join(why.split())},
        stacks=[
            StoredStack(
                image=empty(name, (1, 1, 1)),
                affine=grid.affine,
                spacing_mm=grid.spacing,
                label=np.zeros((1, 1, 1), np.uint8) if f"{name}_label" in layout.shapes else None,
            )
            for name in layout.stacks
        ],
    )
