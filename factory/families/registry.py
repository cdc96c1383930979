"""The model families that `factory train` knows: a line each in SCHEMAS, a module each.

The module factory/families/NAME/family.py defines FAMILY. Schemas are listed apart from it, so that
a mistake in a recipe is told before torch is loaded.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, model_validator

from factory.config.loading import Loaded, load
from factory.config.section import Section, one_of, problem
from factory.families.base import Family
from factory.families.cnn_fusion.recipe import CnnFusionTraining
from factory.families.label_vae.recipe import LabelVaeTraining
from factory.families.segmenter.recipe import SegmenterTraining
from factory.families.spade.recipe import SpadeTraining
from factory.families.stylegan2.recipe import StyleGanTraining
from factory.families.ultrasound_to_mri.recipe import UltrasoundToMriTraining
from factory.training.recipe import Training

if TYPE_CHECKING:
    pass

SCHEMAS: dict[str, type[Training]] = {
    "cnn_fusion": CnnFusionTraining,
    "label_vae": LabelVaeTraining,
    "segmenter": SegmenterTraining,
    "spade": SpadeTraining,
    "stylegan2": StyleGanTraining,
    "ultrasound_to_mri": UltrasoundToMriTraining,
}


def family_of(recipe: Training) -> Family:
    family: Family = importlib.import_module(f"factory.families.{recipe.family}.family").FAMILY
    return family


class _OfAFamily(Section):
    """All that is read of a recipe before its schema is known."""

    model_config = ConfigDict(extra="ignore")
    family: Annotated[Literal[tuple(SCHEMAS)], one_of(tuple(SCHEMAS))]  # type: ignore[valid-type]

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        """The family's own schema knows which there are."""
        if isinstance(data, dict) and "family" not in data and "output" in data:
            raise problem("a render recipe; allowed: a train recipe, which has a family")
        return data


def load_training(file: str | Path, overrides: Sequence[str] = ()) -> Loaded[Any]:
    """A training recipe of any family. Raises RecipeError, as factory.config.loading.load does."""
    return load(file, SCHEMAS[load(file, _OfAFamily, overrides).spec.family], overrides)
