"""Slices that were lost, and patches of slices that lost their signal."""

import numpy as np


def dropped(share: float, slices: int, rng: np.random.Generator) -> list[int]:
    """The indices of the slices that are missing: round(share · slices) of them."""
    return sorted(int(i) for i in rng.permutation(slices)[: round(share * slices)])


def voids(
    image: np.ndarray,
    label: np.ndarray,
    share: float,
    size_mm: float,
    in_plane: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[np.ndarray, int]:
    """The stack with a patch of dephased spins in round(share · slices with brain) slices.

    A patch is round, about a brain voxel of its slice, dark in its middle; size_mm is its full
    width at half the signal. in_plane: mm (rows, columns). Returns the image and their number.
    """
    order, places = rng.permutation(len(image)), rng.random(len(image))
    filled = [i for i in order if label[i].any()]
    chosen = filled[: round(share * len(filled))]
    image = image.copy()
    for index in chosen:
        brain = np.argwhere(label[index])
        row, column = brain[int(places[index] * len(brain))]
        rows, columns = np.ogrid[: image.shape[1], : image.shape[2]]
        radius = np.hypot((rows - row) * in_plane[0], (columns - column) * in_plane[1])
        image[index] *= 1 - 0.5 ** ((2 * radius / size_mm) ** 4)
    return image, len(chosen)
