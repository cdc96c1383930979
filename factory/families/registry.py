"""The registry of model families, and the reading of their training recipes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, model_validator

from factory.config.loading import CheckedDocument, load_document
from factory.config.section import Section, one_of, problem
from factory.discovery import discover
from factory.families.base import Card, Family
from factory.storage.json_value import JsonValue

FAMILIES: Mapping[str, Family] = discover("factory.families", "FAMILY")


TRAINABLE: Mapping[str, Family] = {
    name: family for name, family in FAMILIES.items() if family.untrained_card is None
}
"""The families whose models are trained."""


def untrained_family(appearance: JsonValue) -> Family | None:
    """Return the family without weights that a recipe's appearance names, or None.

    Args:
        appearance: The section in plain JSON: the name of the family, or an object that has it as
            a key.
    """
    names = [appearance] if isinstance(appearance, str) else list(appearance or ())
    return next((FAMILIES[n] for n in names if n in FAMILIES and n not in TRAINABLE), None)


def family_of(card: Card) -> Family:
    """Return the family of a model's card; for an unknown family, one that can do nothing."""
    return FAMILIES.get(str(card.get("family")), Family())


class _FamilyKey(Section):
    """The key that decides by which class the rest of a training recipe is checked."""

    model_config = ConfigDict(extra="ignore")
    family: Annotated[Literal[tuple(TRAINABLE)], one_of(tuple(TRAINABLE))]  # type: ignore[valid-type]

    @model_validator(mode="before")
    @classmethod
    def _refuse_render_recipes(cls, data: Any) -> Any:  # whatever the YAML file holds
        """Report a render recipe as one, instead of as a recipe whose family is missing."""
        if isinstance(data, dict) and "family" not in data and "output" in data:
            raise problem("a render recipe; allowed: a train recipe, which has a family")
        return data


def load_training(file: str | Path, overrides: Sequence[str] = ()) -> CheckedDocument[Any]:
    """Read a training recipe of any family.

    Args:
        file: The recipe, or the name of a shipped one.
        overrides: Changes "key.path=value", in the order in which they apply.

    Raises:
        RecipeError: The recipe has a mistake; see `load_document`.
    """
    family = FAMILIES[load_document(file, _FamilyKey, overrides).spec.family]
    return load_document(file, family.Recipe, overrides)
