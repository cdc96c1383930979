"""The model families there are, and the training recipes of any of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, model_validator

from factory.config.loading import CheckedDocument, load_document
from factory.config.section import Section, one_of, problem
from factory.discovery import discover
from factory.families.base import Family

FAMILIES: Mapping[str, Family] = discover("factory.families", "FAMILY")


def family_of(card: Mapping[str, Any]) -> Family:
    """The family of a model's card; one that is unknown here can do nothing."""
    return FAMILIES.get(str(card.get("family")), Family())


class _OfAFamily(Section):
    """All that is read of a recipe before its schema is known."""

    model_config = ConfigDict(extra="ignore")
    family: Annotated[Literal[tuple(FAMILIES)], one_of(tuple(FAMILIES))]  # type: ignore[valid-type]

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        """The family's own schema knows which there are."""
        if isinstance(data, dict) and "family" not in data and "output" in data:
            raise problem("a render recipe; allowed: a train recipe, which has a family")
        return data


def load_training(file: str | Path, overrides: Sequence[str] = ()) -> CheckedDocument[Any]:
    """Read a training recipe of any family. Raises RecipeError as `load_document` does."""
    family = FAMILIES[load_document(file, _OfAFamily, overrides).spec.family]
    return load_document(file, family.Recipe, overrides)
