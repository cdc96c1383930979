"""The brightness of the reference image that a recipe's `histogram` names."""

import functools

from factory.imaging.intensities import normalise
from factory.storage.subjects.nifti import load_brain


@functools.lru_cache(maxsize=64)
def _read_quantiles(reference: str, labels: str) -> tuple[float, ...]:
    from factory.acquisition.tone import reference_quantiles

    image, label = load_brain(reference, labels)
    values = reference_quantiles(normalise(image, label), label)
    return tuple(float(f"{value:.5g}") for value in values)


def brightness_quantiles(reference: str, labels: str) -> list[float]:
    """Return 256 quantiles of a reference's brain, in units of its 99.5th percentile.

    The files are read only once by each process.

    Args:
        reference: A NIfTI file.
        labels: A NIfTI file on the same grid; the brain is where it is not 0.

    Raises:
        SubjectError: If a file cannot be read; one line that names the file.
    """
    return list(_read_quantiles(reference, labels))
