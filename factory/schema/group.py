"""The section of a recipe for a group: its share of the subjects, its anatomy and its look."""

from typing import Annotated

from pydantic import AfterValidator, Field

from factory.acquisition.section import Acquisition
from factory.anatomy.edits.registry import Edit, EditBase
from factory.config.section import Section, allowed
from factory.schema.appearance import AppearanceSection
from factory.subjects.section import Subjects


def _parse_percent(value: float | str) -> float:
    """Return 30, "30 %" or "30%" as 30.0."""
    number = float(value.removesuffix("%")) if isinstance(value, str) else float(value)
    if not 0 <= number <= 100:
        raise ValueError("not a share")
    return number


Share = Annotated[
    float | Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,9})? ?%$")],
    AfterValidator(_parse_percent),
    allowed("a share such as 30 %, from 0 to 100 %"),
]
GroupName = Annotated[
    str,
    Field(pattern="^[A-Za-z][A-Za-z0-9_-]{0,39}$"),
    allowed("a name of letters, digits, - and _"),
]


class Group(Section):
    """A share of the subjects, and what is different about them.

    Attributes:
        share: Their share. A group with subjects of its own may leave it out, and has all of them.
        subjects: Whose anatomy they have, instead of the recipe's own subjects.
        anatomy: Edits, which follow those of the recipe itself.
        appearance: How they are painted, instead of the recipe's own appearance.
        acquisition: How they are scanned, instead of the recipe's own acquisition.
    """

    share: Share | None = None
    subjects: Subjects | None = None  # type: ignore[valid-type]
    anatomy: tuple[Edit, ...] = ()  # type: ignore[valid-type]
    appearance: AppearanceSection | None = None
    acquisition: Acquisition | None = None


Edits = tuple[EditBase, ...]
