"""The schema of a render recipe.

Units are part of the keys. Ages are weeks of gestation, lengths are mm, arrays are [z, y, x].
Loading and its messages are in factory/config/loading.py, parameters in
factory/config/parameters.py, the edits of label maps in factory/anatomy/edits/, and the sources of
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
    """A render recipe whose sections fit together."""

    @classmethod
    def prepare(cls, document: Document, folder: Path) -> Document:
        """Insert the preset of the scanner that the recipe names."""
        return apply_scanner(document, folder)

    @model_validator(mode="before")
    @classmethod
    def _refuse_training_recipe(cls, data: Any) -> Any:
        if isinstance(data, dict) and "family" in data:
            raise problem("a train recipe; allowed: a render recipe", at=("family",))
        return data

    @model_validator(mode="before")
    @classmethod
    def _leave_out_no_subjects(cls, data: Any) -> Any:
        """Accept subjects that are null, or empty as in the text of a recipe without any."""
        if not isinstance(data, dict) or data.get("subjects") not in (None, {}):
            return data
        has_others = data.get("latents") or data.get("groups")
        return {k: v for k, v in data.items() if k != "subjects"} if has_others else data

    @model_validator(mode="after")
    def _check_consistency(self) -> "RenderRecipe":
        for check in CHECKS:
            check(self)
        return self


class Recipe(CheckedDocument[RenderRecipe]):
    """A render recipe, checked and with its defaults."""


def load_recipe_file(file: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a render recipe and apply --set overrides.

    Raises:
        RecipeError: Something is wrong. The message is one line.
    """
    return parse_recipe(read_text(file), str(file), overrides)


def parse_recipe(text: str, name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Parse a render recipe from a text.

    Args:
        text: The YAML text.
        name: The name of the file for messages.
        overrides: "KEY=VALUE" lines.

    Raises:
        RecipeError: Something is wrong. The message is one line.
    """
    document = parse_document(text, name, RenderRecipe, overrides)
    return Recipe(document.spec, document.source, document.overrides, document.places)
