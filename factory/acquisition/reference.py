"""The brightness of a reference image, for a recipe's `histogram`."""

import functools

from factory.imaging.intensities import normalise
from factory.storage.subjects.nifti import load_brain


@functools.lru_cache(maxsize=64)
def _brightness(reference: str, labels: str) -> tuple[float, ...]:
    from factory.acquisition.tone import reference_quantiles

    image, label = load_brain(reference, labels)
    values = reference_quantiles(normalise(image, label), label)
    return tuple(float(f"{value:.5g}") for value in values)


def brightness_quantiles(reference: str, labels: str) -> list[float]:
    """Quantiles of a reference within its brain, in units of its 99.5th percentile.

    reference, labels: NIfTI files on one grid; the brain is where labels are not 0. Read once a
    process. Raises SubjectError, in one line that names the file, as load_brain does.
    """
    return list(_brightness(reference, labels))
