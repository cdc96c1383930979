"""Slices that were lost, and patches of slices that lost their signal."""

import numpy as np


def draw_dropped_slices(share: float, slices: int, rng: np.random.Generator) -> list[int]:
    """The indices of the slices that are missing: round(share · slices) of them."""
    return sorted(int(i) for i in rng.permutation(slices)[: round(share * slices)])


def add_signal_voids(
    image: np.ndarray,
    label: np.ndarray,
    share: float,
    size_mm: float,
    in_plane: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[np.ndarray, int]:
    """The stack with a patch of dephased spins in round(share · slices with brain) slices.

    A patch is an ellipse about a brain voxel of its slice, up to three times as long as wide,
    black in its middle and fading outwards as a Gaussian; the area where less than half the
    signal is left is that of a circle of size_mm. in_plane: mm (rows, columns). Returns the
    image and the number of patches.
    """
    order = rng.permutation(len(image))
    draws = rng.random((len(image), 3))
    filled = [i for i in order if label[i].any()]
    chosen = filled[: round(share * len(filled))]
    image = image.copy()
    for index in chosen:
        brain = np.argwhere(label[index])
        place, aspect, turn = draws[index]
        row, column = brain[int(place * len(brain))]
        rows, columns = np.ogrid[: image.shape[1], : image.shape[2]]
        offset = (rows - row) * in_plane[0] + 1j * (columns - column) * in_plane[1]
        offset = offset * np.exp(1j * np.pi * turn)
        squared = offset.real**2 * (1 + 2 * aspect) + offset.imag**2 / (1 + 2 * aspect)
        image[index] *= 1 - 0.5 ** (4 * squared / size_mm**2)
    return image, len(chosen)
