"""The size of a cerebellum that an edit is asked for: a diameter in mm or a share of the norm."""

from typing import Annotated

from pydantic import Field

from factory.config.section import allowed, problem
from factory.errors import AnatomyError
from factory.storage.subjects.growth_curves import MAX_WEEKS, MIN_WEEKS, transcerebellar_mm

CerebellumMillimetres = Annotated[float, Field(ge=5, le=70), allowed("5 to 70 mm")]
NormShare = Annotated[float, Field(ge=0.2, le=1.5), allowed("a share of the norm, 0.2 to 1.5")]


def check_one_diameter(diameter: object, share_of_norm: object) -> None:
    """Raise a validator's error unless exactly one parameter says the diameter."""
    if (diameter is None) == (share_of_norm is None):
        number = "no diameter" if share_of_norm is None else "two diameters"
        raise problem(f"{number}; allowed: transcerebellar_mm or share_of_norm")


def requested_diameter_mm(
    name: str, diameter_mm: float | None, share_of_norm: float | None, age_weeks: float | None
) -> float:
    """Return the requested transcerebellar diameter, mm.

    Args:
        name: The edit's name, for messages.
        diameter_mm: The diameter; or
        share_of_norm: the share of the norm at age_weeks (growth_curves).
        age_weeks: The gestational age of the subject, or None if it is not known.

    Raises:
        AnatomyError: The parameters do not say the diameter.
    """
    if (diameter_mm is None) == (share_of_norm is None):
        number = "neither" if diameter_mm is None else "both"
        raise AnatomyError(f"{name}: {number} of transcerebellar_mm and share_of_norm is given")
    if diameter_mm is not None:
        return float(diameter_mm)
    if age_weeks is None:
        text = "share_of_norm needs the subject's gestational age, which is not known"
        raise AnatomyError(f"{name}: {text}; give transcerebellar_mm")
    if not MIN_WEEKS <= age_weeks <= MAX_WEEKS:
        words = f"the norm runs from {MIN_WEEKS:g} to {MAX_WEEKS:g}"
        raise AnatomyError(f"{name}: the subject is {age_weeks:g} weeks old; {words}")
    return float(share_of_norm or 0.0) * transcerebellar_mm(age_weeks)
