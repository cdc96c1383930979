"""The model families that `factory train` knows: a line each in SCHEMAS, a module each.

The module factory/families/NAME/family.py defines FAMILY. Schemas are listed apart from it, so that
a mistake in a recipe is told before torch is loaded.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, model_validator

from factory.config.loading import Loaded, Section, load, one_of, problem
from factory.families.cnn_fusion.recipe import CnnFusionTraining
from factory.families.label_vae.recipe import LabelVaeTraining
from factory.families.segmenter.recipe import SegmenterTraining
from factory.families.stylegan2.recipe import StyleGanTraining
from factory.families.ultrasound_to_mri.recipe import UltrasoundToMriTraining
from factory.training.recipe import SpadeTraining, Training

if TYPE_CHECKING:
    from factory.training.run import Run

SCHEMAS: dict[str, type[Training]] = {
    "cnn_fusion": CnnFusionTraining,
    "label_vae": LabelVaeTraining,
    "segmenter": SegmenterTraining,
    "spade": SpadeTraining,
    "stylegan2": StyleGanTraining,
    "ultrasound_to_mri": UltrasoundToMriTraining,
}


@dataclass(frozen=True)
class Family:
    """What the launch needs of a family. `recipe` is one of its own schema.

    check(recipe): raises RecipeError for what cannot be trained, before Ray starts.
    parts(recipe): names of what is trained one after the other, a folder of the output each.
    work(recipe, part, run): one worker's share of a part, from its checkpoint on; raises
    TrainingDiverged at the first loss that is not finite.
    export(loaded, output): writes OUTPUT/model, weights and card, from the parts' checkpoints.
    score(folder, recipe, output): a DataFrame of how a model does on what was held out, its
    pictures and tables written to output; None where nothing is held out.
    text(table): the score's table as lines to print.
    """

    check: Callable[[Any], None]
    parts: Callable[[Any], Sequence[str]]
    work: Callable[[Any, str, "Run"], None]
    export: Callable[[Loaded[Any], Path], Path]
    score: Callable[[Path, Any, Path], Any]
    text: Callable[[Any], list[str]]


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


def without_paths(data: dict[str, Any]) -> dict[str, Any]:
    """A recipe without where things lay on the machine that trained it."""
    subjects = {k: v for k, v in data["subjects"].items() if k != "path"}
    return {**{k: v for k, v in data.items() if k != "output"}, "subjects": subjects}
