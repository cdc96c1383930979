"""Anatomies between anatomies: paths through the latent codes of a label VAE (Amirrajab et al.).

Within a subject, the codes of its slices are interpolated to another number of slices; between
two subjects, both are brought to one number of slices first, and then slice by slice to the other.
"""

import numpy as np


def spacing_within(dz_mm: float, slices: int, wanted: int) -> float:
    """Spacing (mm) of `wanted` slices over the span of `slices` of them: (n − 1) · dz / (m − 1)."""
    return (slices - 1) * dz_mm / (wanted - 1) if wanted > 1 else dz_mm


def positions(slices: int, wanted: int) -> np.ndarray:
    """Where `wanted` slices lie among `slices`, the first and the last of them the same."""
    return np.linspace(0, slices - 1, wanted)


def equalised(label: np.ndarray, wanted: int, labels: int) -> np.ndarray:
    """A label stack [z, y, x] brought to `wanted` slices without a network: each voxel takes the
    label with the largest share between its two neighbours."""
    at = positions(len(label), wanted)
    low = np.minimum(at.astype(int), max(len(label) - 2, 0))
    high = np.minimum(low + 1, len(label) - 1)
    t = (at - low)[:, None, None]
    shares = np.stack([(1 - t) * (label[low] == v) + t * (label[high] == v) for v in range(labels)])
    return shares.argmax(axis=0).astype(label.dtype)
