"""The placeholder of a case that could not be rendered: empty, not accepted, with the reason.

So every sample keeps its index whatever fails, trainings filter by one column, and the same command
finds the cases that it has to try again.
"""

import numpy as np

from factory.case import Case
from factory.execution.worker import requested_columns
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.stored_sample import StoredSample, StoredStack
from factory.storage.subjects.types import Grid


def placeholder_sample(case: Case, layout: Layout, reason: str) -> StoredSample:
    """Return a sample of background only: images have the lowest stored value, labels are 0.

    Its row has the requested parameters, accepted = False and failure = reason, but no measures.
    Its stacks have a single voxel.
    """
    spacing = case.grid.spacing_mm
    grid = Grid.centred(layout.shape, (spacing, spacing, spacing))
    volumes = [name for name in layout.arrays if name not in layout.shapes]

    def background(name: str, shape: tuple[int, int, int]) -> np.ndarray:
        if layout.is_label(name):
            return np.zeros(shape, layout.dtype_of(name))
        channels = layout.channels.get(name, ())
        full = (len(channels), *shape) if channels else shape
        return np.full(full, layout.ranges[name][0], np.float32)

    return StoredSample(
        case=case.to_json(),
        arrays={name: background(name, layout.shape) for name in volumes},
        affine=grid.affine,
        spacing_mm=grid.spacing,
        columns={**requested_columns(case), "accepted": False, "failure": " ".join(reason.split())},
        stacks=[
            StoredStack(
                image=background(name, (1, 1, 1)),
                affine=grid.affine,
                spacing_mm=grid.spacing,
                label=background(f"{name}_label", (1, 1, 1))
                if f"{name}_label" in layout.shapes
                else None,
            )
            for name in layout.stacks
        ],
    )
