"""What an edit of the label map is to a recipe: its parameters, and what carries it out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from factory.config.parameters import sweep_values
from factory.config.section import Section
from factory.config.sweep_keywords import parameter_keyword
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

Edited = tuple[np.ndarray, np.ndarray | None] | tuple[np.ndarray, np.ndarray | None, dict[str, Any]]
"""A label map and an image after an edit, and what the edit puts on record, if anything."""


@dataclass(frozen=True)
class Example:
    """An edit at growing strengths, for documentation, pictures, benchmarks and tests.

    Attributes:
        text: What it shows, a few words.
        strengths: Parameters as `Operator.apply` takes them, the weakest first.
        axis: Where to look: 0 axial, 1 coronal, 2 sagittal slices.
        tissue: The slice with most of it is shown; by default with most of all that is labelled.
        record: The key of the edit's record that is printed above a picture.
        on_phantom: The strengths for a procedural head, where they are others.
    """

    text: str
    strengths: tuple[Mapping[str, Any], ...]
    axis: int = 0
    tissue: str | None = None
    record: str | None = None
    on_phantom: tuple[Mapping[str, Any], ...] | None = None


class Operator(Section):
    """An edit of the label map: its fields are its parameters, with their units in their names.

    Attributes:
        random: Whether it takes `seed`, a whole number that belongs to the case.
        wants_age: Whether it takes `age_weeks`, the subject's gestational age, or None where that
            is not known.
        needs: Labels beside FETA's that it cannot do without.
        seconds_per_megavoxel: Of one core, for a million voxels of the box that a plan foresees
            for a head; roughly, from benchmarks/anatomy_speed.py.
        examples: At least one.
    """

    random: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()
    wants_age: ClassVar[bool] = False
    seconds_per_megavoxel: ClassVar[float]
    examples: ClassVar[tuple[Example, ...]]

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Edit a label map, and carry the subject's image along.

        Arguments:
            label: uint8 [z, y, x].
            spacing: Voxel size (z, y, x) in mm.
            table: What the values of label mean.
            values: The parameters of a case; `image`, float32 [z, y, x] or None; and `seed` and
                `age_weeks` where the operator takes them.

        Returns:
            The label map, the image, and a record whose values become columns of the dataset. An
            edit that makes the subject older or younger records `age_weeks`.

        Raises:
            AnatomyError: The anatomy does not allow the edit.
        """
        raise NotImplementedError

    def adds_label(self) -> tuple[str, str] | None:
        """The name of the label that it brings, and the tissue as which that is painted."""
        return None

    @staticmethod
    def after_painting(
        image: np.ndarray,
        label: np.ndarray,
        spacing: Spacing,
        table: LabelTable,
        values: Mapping[str, Any],
    ) -> np.ndarray:
        """The painted image float32 [z, y, x] as the edit leaves it; by default as it is.

        values: the parameters of the case.
        """
        return image

    @classmethod
    def carried_out(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Parameters as `apply` takes them, from those a case has been given."""
        return values

    @classmethod
    def seconds(cls, values: dict[str, Any], megavoxels: float) -> float:
        """What a core takes for a head whose box has so many voxels, by plain parameters."""
        return cls.seconds_per_megavoxel * megavoxels

    @classmethod
    def reaches_weeks(cls, values: dict[str, Any]) -> float:
        """The gestational age to which a subject may come, by plain parameters; 0 for its own."""
        return 0.0

    @classmethod
    def grows_mm(cls, values: dict[str, Any]) -> float:
        """How far a head may come to reach beyond itself on each side, by plain parameters."""
        return 0.0

    @classmethod
    def grows_by(cls, values: dict[str, Any]) -> float:
        """By what factor, 1 or more, a head may come to be larger, by plain parameters."""
        return 1.0


def options_of(value: Any) -> list[tuple[tuple[str | int, ...], Any]]:
    """Each value an Option may take, with its place below the parameter."""
    plain = value.model_dump(exclude_none=True) if isinstance(value, Section) else value
    word = parameter_keyword(plain)
    if word is None:
        return [] if plain is None else [((), plain)]
    body = plain[word]
    if word == "range":
        return [((word,), v) for v in sweep_values(word, body)]
    weighted = isinstance(body, dict)
    return [((word, v if weighted else i), v) for i, v in enumerate(body)]
