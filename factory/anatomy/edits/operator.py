"""The base class of edits: the parameters of a recipe, and the function that applies them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from factory.config.parameters import sweep_values
from factory.config.section import Section
from factory.config.sweep_keywords import parameter_keyword
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject, JsonValue
from factory.storage.subjects.types import LabelTable

EditResult = tuple[np.ndarray, np.ndarray | None, JsonObject]
"""A label map [z, y, x], an image float32 [z, y, x] or [channel, z, y, x] or None, and the record
of the edit."""
Edited = tuple[np.ndarray, np.ndarray | None] | EditResult
"""The same, where an edit may have no record."""


@dataclass(frozen=True)
class Example:
    """An edit at growing strengths, for documentation, pictures, benchmarks and tests.

    Attributes:
        text: What it shows, in a few words.
        strengths: Parameters as `Operator.apply` takes them, the weakest first.
        axis: The slices to look at: 0 axial, 1 coronal, 2 sagittal.
        tissue: The slice with most of this tissue is shown; by default the one with most labelled
            voxels.
        record: The key of the edit's record that is printed above a picture.
        on_phantom: The strengths for a procedural head, if they differ.
    """

    text: str
    strengths: tuple[Mapping[str, JsonValue], ...]
    axis: int = 0
    tissue: str | None = None
    record: str | None = None
    on_phantom: tuple[Mapping[str, JsonValue], ...] | None = None


class Operator(Section):
    """An edit of the label map. Its fields are its parameters, with their units in their names.

    Attributes:
        random: Whether it takes `seed`, a whole number that belongs to the case.
        takes_age: Whether it takes `age_weeks`, the subject's gestational age, or None if that is
            not known.
        needs: Labels that the table must have.
        seconds_per_megavoxel: Time of one core for a million voxels of the box that a plan expects
            for a head; roughly, from benchmarks/anatomy_speed.py.
        examples: At least one example.
    """

    random: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()
    takes_age: ClassVar[bool] = False
    seconds_per_megavoxel: ClassVar[float]
    examples: ClassVar[tuple[Example, ...]]

    # Any: each edit declares its own parameters.
    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Edit a label map, and change the subject's image with it.

        Args:
            label: uint8 [z, y, x].
            spacing: Voxel size (z, y, x) in mm.
            table: What the values of label mean.
            values: The parameters of a case; `image`, float32 [z, y, x], or [channel, z, y, x] of
                an image of named channels, or None; and `seed` and `age_weeks` if the operator
                takes them.

        Returns:
            The label map, the image, and a record whose values become columns of the dataset. An
            edit that makes the subject older or younger records `age_weeks`.

        Raises:
            AnatomyError: The anatomy does not allow the edit.
        """
        raise NotImplementedError

    def added_label(self) -> tuple[str, str] | None:
        """Return the name of the label that it adds, and the tissue to paint it as; or None."""
        return None

    def missing_labels(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the labels that the edit needs and that a table with these names lacks."""
        return tuple(name for name in self.needs if name not in names)

    def label_names(self) -> dict[str, tuple[str, ...]]:
        """Return the labels and regions that the edit names and the dataset must have.

        The keys are the parameters that name them.
        """
        return {}

    @staticmethod
    def after_painting(
        image: np.ndarray,
        label: np.ndarray,
        spacing: Spacing,
        table: LabelTable,
        values: Mapping[str, JsonValue],
    ) -> np.ndarray:
        """Return the painted image, float32 [z, y, x], as the edit changes it; by default as it is.

        It is called for each channel of an image.
        `values` are the parameters of the case.
        """
        return image

    @classmethod
    def resolve_parameters(cls, values: JsonObject) -> JsonObject:
        """Return the parameters that `apply` takes, from those of a case."""
        return values

    @classmethod
    def seconds(cls, values: JsonObject, megavoxels: float) -> float:
        """Estimate the time of one core for a head whose box has so many million voxels.

        `values`, here and below, are the parameters as a recipe has them, as plain JSON.
        """
        return cls.seconds_per_megavoxel * megavoxels

    @classmethod
    def seconds_of_litres(cls, values: JsonObject, litres: float) -> float:
        """Estimate the time of one core, besides, for an array that covers so many litres.

        It is that of an edit which computes on a lattice of its own, whatever the voxels.
        """
        return 0.0

    @classmethod
    def max_age_weeks(cls, values: JsonObject) -> float:
        """Return the highest gestational age that the edit can give; 0 if it keeps the age."""
        return 0.0

    @classmethod
    def head_growth_mm(cls, values: JsonObject) -> float:
        """Return by how many mm the head can grow at most on each side."""
        return 0.0

    @classmethod
    def head_growth_factor(cls, values: JsonObject) -> float:
        """Return by what factor, at least 1, the head can grow at most."""
        return 1.0


def list_options(value: Any) -> list[tuple[tuple[str | int, ...], Any]]:
    """List each value that an Option can take, with its path below the parameter.

    Args:
        value: The parameter as a recipe has it: a Section, or a plain value of any type.
    """
    plain = value.model_dump(exclude_none=True) if isinstance(value, Section) else value
    word = parameter_keyword(plain)
    if word is None:
        return [] if plain is None else [((), plain)]
    body = plain[word]
    if word == "range":
        return [((word,), v) for v in sweep_values(word, body)]
    weighted = isinstance(body, dict)
    return [((word, v if weighted else i), v) for i, v in enumerate(body)]
