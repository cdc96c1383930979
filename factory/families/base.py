"""What a model family is to the rest of the program: one folder of factory/families.

__init__.py   FAMILY, an instance of a class derived from Family; imports nothing heavy
recipe.py     what a training recipe of the family may say
job.py        what `factory train` and `factory evaluate` do with it, see Job
...           its data, training loop, inference, scores: imported once they are needed
"""

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from factory.case import Case
from factory.config.loading import CheckedDocument
from factory.imaging.types import Shape
from factory.storage.subjects.types import Subject
from factory.training.recipe import Training

if TYPE_CHECKING:
    import torch

    from factory.training.run import Run

Card = Mapping[str, Any]
"""A model's JSON card."""

StyleEnds = tuple[Subject, Subject, float]
"""Two real subjects, and how far from the first to the second (0 to 1) a style lies."""


@dataclass(frozen=True)
class Cost:
    """What a model adds to a sample: seconds on one thread, and bytes beside its weights."""

    seconds: float
    bytes: int


class Painter(Protocol):
    """card: the model's JSON card."""

    card: dict[str, Any]

    def paint(
        self,
        case: Case,
        label: np.ndarray,
        subject: Subject,
        style_ends: StyleEnds | None = None,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The image of a case.

        Arguments:
            case: What is asked for.
            label: uint8 [z, y, x], after the edits, in the labels that the model knows.
            subject: The case's subject, before the edits.
            style_ends: The real subjects that lend the case their style; None where the style is
                the case's own.

        Returns:
            The image, float32 [z, y, x] in units of the 99.5th percentile; and where orientations
            are fused and uncertainty is asked for, their disagreement.
        """


class VolumeSegmenter(Protocol):
    """A judge: what it sees in an image."""

    def segment(self, image: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Labels uint8 [z, y, x] of an image float32 [z, y, x]; label: what should be there."""


class Job(Protocol):
    """The module `job` of a family: what is done with a training recipe of its schema."""

    def check(self, recipe: Any) -> None:
        """Raise RecipeError for what cannot be trained, before Ray starts."""

    def parts(self, recipe: Any) -> Sequence[str]:
        """Names of what is trained one after the other, a folder of the output each."""

    def work(self, recipe: Any, part: str, run: "Run") -> None:
        """Do one worker's share of a part, from its checkpoint on.

        Raises TrainingDiverged at the first loss that is not finite.
        """

    def export(self, loaded: CheckedDocument[Any], output: Path) -> Path:
        """Write OUTPUT/model, weights and card, from the parts' checkpoints; return the folder."""

    def score(self, folder: Path, recipe: Any, output: Path) -> Any:
        """A DataFrame of how a model does on what was held out; its pictures and tables are written
        to output. None where nothing is held out."""

    def text(self, table: Any) -> list[str]:
        """The score's table as lines to print."""


class Family:
    """One model family.

    Attributes:
        name: What cards and training recipes call it.
        Recipe: The schema of its training recipes.
        paints: Whether its models make images.
        draws_subjects: Whether they draw images and labels together, from latents.
        segments: Whether its models name the tissue of every voxel, and can judge at the gate.
        has_mixed_precision: Whether its models paint in bfloat16, too.
        references: What a report cites: keys of factory.report.references.PAPERS, or citations.
        uses: Arguments of `factory render` with a model of it ("{}"), by the layout of the
            subjects that it was trained on, or "" for any.
    """

    name: ClassVar[str]
    Recipe: ClassVar[type[Training]]
    paints: ClassVar[bool] = False
    draws_subjects: ClassVar[bool] = False
    segments: ClassVar[bool] = False
    has_mixed_precision: ClassVar[bool] = False
    references: ClassVar[tuple[str, ...]] = ()
    uses: ClassVar[Mapping[str, str]] = {}

    seconds_per_megavoxel: ClassVar[float] = 2.0
    """Of one thread, where a card does not say so."""

    @property
    def job(self) -> Job:
        """What is done with a training recipe. Loads torch."""
        job: Any = importlib.import_module(f"{type(self).__module__}.job")
        return job

    def painter(
        self, folder: Path, card: Card, device: "torch.device", fusion: Path | None
    ) -> Painter:
        """The painter of a model's folder. fusion: the folder of a trained fusion.

        Raises WeightsError where the weights cannot be used.
        """
        raise NotImplementedError

    def segmenter(self, folder: Path, device: "torch.device") -> VolumeSegmenter:
        """The segmenter of a model's folder. Raises WeightsError where it cannot be used."""
        raise NotImplementedError

    def extractor(self, folder: Path) -> "Callable[[torch.Tensor], torch.Tensor] | None":
        """A network of grey slices (N, 1, H, W) in [-1, 1] that gives features (N, F), by which
        sets of images are compared; None of a family that has none."""
        return None

    def has_styles(self, card: Card) -> bool:
        """Whether a model makes several images of one label map."""
        return False

    def makes_images(self, card: Card) -> bool:
        """Whether a model makes images, where others of its family make label maps alone."""
        return self.paints

    def check_fusion(self, name: str, card: Card, painter: Card) -> None:
        """Raise FactoryError where a model does not fuse what another one paints.

        name: what the recipe calls it. card: its own. painter: the other's.
        """
        from factory.errors import FactoryError

        raise FactoryError(
            f"appearance.fuse.cnn: {name}: family {card['family']!r}; allowed: 'cnn_fusion'"
        )

    def fusion_warnings(self, card: Card, painter: Card) -> tuple[str, ...]:
        """What there is to know of a fusion of what another model paints, one line each."""
        return ()

    def cost(self, card: Card, shape: Shape) -> Cost:
        """What a model adds to a sample of so many voxels (z, y, x)."""
        rate = float(card.get("seconds_per_megavoxel", self.seconds_per_megavoxel))
        return Cost(rate * math.prod(shape) / 1e6, 0)

    def headline(self, rows: Sequence[Mapping[str, Any]]) -> str | None:
        """The held-out score in a few words, by the rows of a card's metrics; None without one."""
        return None
