"""Missing slices, and patches of slices that lost their signal."""

import numpy as np


def draw_dropped_slices(share: float, slices: int, rng: np.random.Generator) -> list[int]:
    """Draw the sorted indices of round(share · slices) missing slices."""
    return sorted(int(i) for i in rng.permutation(slices)[: round(share * slices)])


def add_signal_voids(
    image: np.ndarray,
    label: np.ndarray,
    share: float,
    size_mm: float,
    in_plane_mm: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[np.ndarray, int]:
    """Add a patch of dephased spins to some of the slices that contain brain.

    A patch is an ellipse around a random brain voxel of its slice, up to three times as long as
    wide. It is black in the middle, and the signal recovers outwards as 1 minus a Gaussian. The
    area with less than half the signal equals that of a circle with the diameter size_mm.

    Args:
        image: float32 [slice, row, column].
        label: uint8 of the same shape.
        share: round(share · slices with brain) slices get a patch.
        size_mm: The size of a patch.
        in_plane_mm: Distance between rows and between columns.
        rng: The random stream of the defect.

    Returns:
        The changed copy of the image, and the number of patches.
    """
    order = rng.permutation(len(image))
    draws = rng.random((len(image), 3))
    with_brain = [i for i in order if label[i].any()]
    affected = with_brain[: round(share * len(with_brain))]
    image = image.copy()
    for index in affected:
        brain = np.argwhere(label[index])
        voxel, aspect, turn = draws[index]
        row, column = brain[int(voxel * len(brain))]
        rows, columns = np.ogrid[: image.shape[1], : image.shape[2]]
        offset = (rows - row) * in_plane_mm[0] + 1j * (columns - column) * in_plane_mm[1]
        offset = offset * np.exp(1j * np.pi * turn)
        squared = offset.real**2 * (1 + 2 * aspect) + offset.imag**2 / (1 + 2 * aspect)
        image[index] *= 1 - 0.5 ** (4 * squared / size_mm**2)
    return image, len(affected)
