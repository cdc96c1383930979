"""What a model family is to the rest of the program."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from factory.case import Case
from factory.config.loading import Loaded
from factory.storage.subjects.types import Subject

if TYPE_CHECKING:
    from factory.training.run import Run


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


class Painter(Protocol):
    """card: the model's JSON card."""

    card: dict[str, Any]

    def painted(
        self, case: Case, label: np.ndarray, subject: Subject
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The image float32 [z, y, x] of a case, and where orientations are fused and
        uncertainty is asked for their disagreement. label: after the edits, as the model knows it;
        subject: before them."""
