"""The interface between a model family and the rest of the program.

A family is one folder of factory/families:

__init__.py   FAMILY, an instance of a class derived from Family; imports nothing heavy
recipe.py     the family's training recipe
job.py        what `factory train` and `factory evaluate` do with that recipe; see Job
...           data, training loop, inference and scores, imported when they are needed
"""

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

import numpy as np

from factory.case import Case
from factory.config.loading import CheckedDocument
from factory.imaging.types import Shape
from factory.storage.json_value import JsonObject, JsonValue
from factory.storage.subjects.types import Subject
from factory.training.recipe import Training

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from factory.training.run import Run

Card = Mapping[str, JsonValue]
"""A model's JSON card."""

StyleEnds = tuple[Subject, Subject, float]
"""Two real subjects, and where a style lies between theirs: 0 is the first, 1 the second."""


def card_channels(card: Card) -> tuple[str, ...]:
    """Return the names of the channels that a model paints or judges; () for one without a name.

    Args:
        card: Its key "channels" has the names.
    """
    return tuple(card.get("channels", ()))


@dataclass(frozen=True)
class Cost:
    """What a model adds to the rendering of a sample.

    Attributes:
        seconds: Time on one thread.
        bytes: Memory, without the weights.
    """

    seconds: float
    bytes: int


class Painter(Protocol):
    """A loaded model that paints label maps.

    Attributes:
        card: The model's JSON card.
    """

    card: JsonObject

    def paint(
        self,
        case: Case,
        label: np.ndarray,
        subject: Subject,
        style_ends: StyleEnds | None = None,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Paint a case.

        Args:
            case: The parameters of the sample.
            label: uint8 [z, y, x], after the edits, in the labels that the model knows.
            subject: The case's subject, before the edits; of a family without weights with its
                image after them.
            style_ends: The real subjects between whose styles the case's style lies; None if the
                case has a style of its own.

        Returns:
            The image, float32 in units of the 99.5th percentile: [z, y, x], or [channel, z, y, x]
            if `Family.image_channels` names its channels. Then, if orientations are fused and the
            case asks for the uncertainty, their disagreement of the same shape; otherwise None.
        """


class VolumeSegmenter(Protocol):
    """A loaded model that judges images by segmenting them."""

    def segment(self, image: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Segment an image.

        Args:
            image: float32 [z, y, x], or [channel, z, y, x] with the channels of the model's card.
            label: The expected label map, uint8 [z, y, x].

        Returns:
            Labels uint8 [z, y, x].
        """


class Job(Protocol):
    """The module `job` of a family: what is done with a training recipe of the family.

    Each family's functions take a recipe of the family's own class, hence `Any`.
    """

    def check(self, recipe: Any) -> None:
        """Raise RecipeError for a recipe that cannot be trained, before Ray starts."""

    def parts(self, recipe: Any) -> Sequence[str]:
        """List what is trained one after another, each in a folder of the output."""

    def work(self, recipe: Any, part: str, run: "Run") -> None:
        """Train a part as one of the workers, from the part's checkpoint if there is one.

        Raises:
            TrainingDiverged: A loss is not finite.
        """

    def export(self, loaded: CheckedDocument[Any], output: Path) -> Path:
        """Write OUTPUT/model, weights and card, from the checkpoints of the parts.

        Returns:
            The folder.
        """

    def score(self, folder: Path, recipe: Any, output: Path) -> "pd.DataFrame | None":
        """Score a model on what its training held out; write pictures and tables to output.

        Returns:
            The table of scores; None if nothing was held out.
        """

    def text(self, table: "pd.DataFrame") -> list[str]:
        """Return the table of scores as lines to print."""


class Family:
    """One model family.

    Attributes:
        name: The family's name in cards and training recipes.
        Recipe: The class of its training recipes.
        paints: Whether its models make images.
        draws_subjects: Whether its models draw images and labels together, from latents.
        segments: Whether its models label every voxel, and can judge samples at the gate.
        has_mixed_precision: Whether its models can paint in bfloat16.
        references: What a report cites: keys of factory.report.references.PAPERS, or citations.
        uses: Arguments of `factory render` with a model of the family ("{}"), by the layout of the
            subjects that it was trained on; "" stands for any layout.
        untrained_card: The card of a family that paints without weights, any label; None for a
            family whose models are trained. Such a family has no `Recipe` and no `job`, and a
            recipe names it as its appearance: `appearance: original`.
        carries_edits: Whether its images are the subjects' own, which the edits have changed
            already, so that no edit changes the painted image.
        seconds_per_megavoxel: Time on one thread, for cards that do not give their own.
    """

    name: ClassVar[str]
    Recipe: ClassVar[type[Training]]
    paints: ClassVar[bool] = False
    draws_subjects: ClassVar[bool] = False
    segments: ClassVar[bool] = False
    has_mixed_precision: ClassVar[bool] = False
    references: ClassVar[tuple[str, ...]] = ()
    uses: ClassVar[Mapping[str, str]] = {}
    untrained_card: ClassVar[Card | None] = None
    carries_edits: ClassVar[bool] = False
    seconds_per_megavoxel: ClassVar[float] = 2.0

    @property
    def job(self) -> Job:
        """The module that trains, exports and scores; it imports torch."""
        return cast(Job, importlib.import_module(f"{type(self).__module__}.job"))

    def painter(
        self, folder: Path, card: Card, device: "torch.device", fusion: Path | None
    ) -> Painter:
        """Load a painter.

        Args:
            folder: The model folder.
            card: The model's card.
            device: Where the networks compute.
            fusion: The model folder of a trained fusion, if there is one.

        Raises:
            WeightsError: The weights cannot be used.
        """
        raise NotImplementedError

    def untrained_painter(self, device: "torch.device") -> Painter:
        """Return the painter of a family that paints without weights; see untrained_card."""
        raise NotImplementedError

    def drawn_columns(self, case: Case, subject: Subject) -> JsonObject:
        """Return what the painter draws for a case beside the recipe's parameters, by column.

        Args:
            case: The parameters of the sample.
            subject: The case's subject.
        """
        return {}

    def segmenter(self, folder: Path, device: "torch.device") -> VolumeSegmenter:
        """Load the segmenter of a model folder.

        Raises:
            WeightsError: The weights cannot be used.
        """
        raise NotImplementedError

    def extractor(self, folder: Path) -> "Callable[[torch.Tensor], torch.Tensor] | None":
        """Load the feature extractor of a model folder, by which sets of images are compared.

        Returns:
            A function from grey slices (N, 1, H, W) in [-1, 1] to features (N, F); None for a
            family without one.
        """
        return None

    def has_styles(self, card: Card) -> bool:
        """Return whether a model makes several images of one label map."""
        return False

    def makes_images(self, card: Card) -> bool:
        """Return whether a model makes images; others of its family may make only label maps."""
        return self.paints

    def image_channels(
        self, card: Card, appearance: JsonObject, subject_channels: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Return the names of the channels of the images; () for one without a name.

        Args:
            card: The model's card.
            appearance: The appearance of a recipe or of a case, as plain JSON.
            subject_channels: The names of the channels of the subjects' own images.
        """
        return card_channels(card)

    def check_fusion(self, name: str, card: Card, painter: Card) -> None:
        """Check that a model fuses what a model of this family paints.

        Args:
            name: The fusion's name in the recipe.
            card: The fusion's card.
            painter: The card of the model that paints.

        Raises:
            FactoryError: It does not.
        """
        from factory.errors import FactoryError

        raise FactoryError(
            f"appearance.fuse.cnn: {name}: family {card['family']!r}; allowed: 'cnn_fusion'"
        )

    def fusion_warnings(self, card: Card, painter: Card) -> tuple[str, ...]:
        """Return warnings about the fusion of what a model of this family paints, a line each.

        Args:
            card: The fusion's card.
            painter: The card of the model that paints.
        """
        return ()

    def cost(self, card: Card, shape: Shape) -> Cost:
        """Estimate what a model adds to a sample of so many voxels (z, y, x)."""
        rate = float(card.get("seconds_per_megavoxel", self.seconds_per_megavoxel))
        return Cost(rate * math.prod(shape) / 1e6, 0)

    def headline(self, rows: Sequence[Mapping[str, JsonValue]]) -> str | None:
        """Return the held-out score in a few words, from the rows of a card's metrics."""
        return None
