"""What a recipe may say of a group: a share of its subjects, and what is done to them."""

from typing import Annotated

from pydantic import AfterValidator, Field

from factory.anatomy.edits.registry import Edit, EditBase
from factory.config.section import Section, allowed


def _percent(value: float | str) -> float:
    """30, "30 %" or "30%" as 30.0."""
    number = float(value.removesuffix("%")) if isinstance(value, str) else float(value)
    if not 0 <= number <= 100:
        raise ValueError("not a share")
    return number


Share = Annotated[
    float | Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,9})? ?%$")],
    AfterValidator(_percent),
    allowed("a share such as 30 %, from 0 to 100 %"),
]
GroupName = Annotated[
    str,
    Field(pattern="^[A-Za-z][A-Za-z0-9_-]{0,39}$"),
    allowed("a name of letters, digits, - and _"),
]


class Group(Section):
    """A share of the subjects, and what is done to them after the edits of the recipe itself."""

    share: Share
    anatomy: tuple[Edit, ...] = ()  # type: ignore[valid-type]


Edits = tuple[EditBase, ...]
