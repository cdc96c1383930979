"""What a render recipe may say.

Units stand in the names. Ages are weeks of gestation, lengths mm, arrays [z, y, x]. Loading
and its messages are in factory/config/loading.py; what a parameter may be in
factory/config/parameters.py; the edits of label maps in factory/anatomy/edits/; the sources of
subjects in factory/subjects/sources/.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import model_validator

from factory.config.document import Document
from factory.config.loading import CheckedDocument, parse_document
from factory.config.merge import read_text
from factory.config.section import problem
from factory.schema.consistency import CHECKS
from factory.schema.scanners import apply_scanner
from factory.schema.sections import RecipeSections


class RenderRecipe(RecipeSections):
    __doc__ = RecipeSections.__doc__

    @classmethod
    def prepare(cls, document: Document, folder: Path) -> Document:
        return apply_scanner(document, folder)

    @model_validator(mode="before")
    @classmethod
    def _no_training(cls, data: Any) -> Any:
        if isinstance(data, dict) and "family" in data:
            raise problem("a train recipe; allowed: a render recipe", at=("family",))
        return data

    @model_validator(mode="after")
    def _consistent(self) -> "RenderRecipe":
        for check in CHECKS:
            check(self)
        return self


class Recipe(CheckedDocument[RenderRecipe]):
    """A render recipe, checked and resolved."""


def load_recipe(file: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A render recipe with its --set overrides. Raises RecipeError, one line."""
    return parse_recipe(read_text(file), str(file), overrides)


def parse_recipe(text: str, name: str, overrides: Sequence[str] = ()) -> Recipe:
    """A render recipe from text; `name` is what messages call it. Raises as `load_recipe`."""
    found = parse_document(text, name, RenderRecipe, overrides)
    return Recipe(found.spec, found.source, found.overrides)
