"""The base class of sources of subjects.

A source is one module of factory/subjects/sources that defines SOURCE. Its section of a recipe is
a pydantic model beside it; whatever is slow to import (torch, readers of files) is imported by the
method that needs it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from factory.config.section import Section
from factory.families.base import StyleEnds
from factory.imaging.types import Shape
from factory.storage.json_value import JsonObject
from factory.storage.subjects.records import Record
from factory.storage.subjects.types import FETA, LabelTable, Subject

Extent = tuple[float, float, float]
"""Size (z, y, x) in mm; z is 0 of a single slice."""

Limits = tuple[float, float]
"""The least and the greatest intensity."""


class Source:
    """One kind of subjects.

    A method gets the source's own section of a recipe, as the model `Section` where it is typed
    `Any` (each source narrows it to its own class), or as plain JSON.

    Attributes:
        name: The key of its section, and the "source" of its records.
        Section: The model of its section of a recipe.
        key: Where the section stands in a recipe; "" means "subjects.NAME".
        kind: What its subjects are, in the plural. One dataset holds one kind.
        is_listed: Whether its subjects are read from files, so that they have to be listed. Else
            they are made one by one, by their index.
        is_seeded: Whether each subject has a seed and drawn parameters of its own.
        is_stack: Whether a subject is a stack of thick slices, or one plane.
        is_drawn: Whether a subject is drawn on the grid that is stored, with other noise in every
            replicate.
        path_keys: Keys of the section that name a folder.
        model_keys: Keys of the section that name a model.
        can_interpolate: Whether subjects can be interpolated between its subjects.
        voxel_text: How large its voxels are, where the recipe does not say so.
        painted_from: What its images are painted from, where not from labels.
    """

    name: ClassVar[str]
    Section: ClassVar[type[Section]]
    key: ClassVar[str] = ""
    kind: ClassVar[str] = "brains"
    is_listed: ClassVar[bool] = True
    is_seeded: ClassVar[bool] = False
    is_stack: ClassVar[bool] = False
    is_drawn: ClassVar[bool] = False
    path_keys: ClassVar[tuple[str, ...]] = ()
    model_keys: ClassVar[tuple[str, ...]] = ()
    can_interpolate: ClassVar[bool] = False
    voxel_text: ClassVar[str | None] = None
    painted_from: ClassVar[str | None] = None

    @property
    def place(self) -> str:
        """Where its section stands in a recipe, with dots."""
        return self.key or f"subjects.{self.name}"

    # Listing

    def is_used(self, section: Any) -> bool:
        """Return whether a section makes subjects of its own."""
        return True

    def records(self, section: Any) -> Sequence[Record]:
        """List the subjects of a source that is listed.

        Raises:
            SubjectError: Where a file or folder cannot be used.
        """
        raise NotImplementedError

    def count(self, section: Any) -> int:
        """Return how many subjects a source makes that is not listed."""
        raise NotImplementedError

    def record(self, section: Any, index: int, group: str, seed: int) -> Record:
        """Return the subject at an index of a source that is not listed.

        Args:
            section: The source's section.
            index: The subject's index, within its group.
            group: The recipe's group that it belongs to, or "".
            seed: The recipe's seed.
        """
        raise NotImplementedError

    def parameters(self, section: JsonObject) -> JsonObject:
        """Return the parameters that are drawn once for each subject, as the section has them."""
        return {}

    # Loading and describing one subject or all

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        """Load a subject at an isotropic spacing, or at its own where spacing_mm is None.

        Raises:
            SubjectError: Where it cannot be read.
        """
        raise NotImplementedError

    def table(self, section: Any) -> LabelTable:
        """Return the label table of its subjects."""
        return FETA

    def tissues(self, section: Any) -> set[str]:
        """Return the names of the labels that may occur in its subjects."""
        return set(self.table(section).names)

    def extra_labels(self, section: Any) -> Iterable[tuple[str, str]]:
        """Return labels beside those of the table: names, and the tissue each is painted as."""
        return ()

    def present_labels(self, section: Any, records: Sequence[Record]) -> set[str]:
        """Names of the labels that occur in its subjects; here all of the table.

        Raises SubjectError where one cannot be read.
        """
        return set(self.table(section).names)

    def has_own_table(self, section: Any) -> bool:
        """Whether its labels are those of the recipe's mapping, and not of a built-in kind."""
        return False

    def meanings(self, section: Any) -> dict[str, str]:
        """What names of labels mean here, where other sources give them to something else."""
        return {}

    def channels(self, section: Any) -> tuple[str, ...]:
        """Return the names of the channels of its subjects' images; () for one without a name."""
        return ()

    def shape(self, section: Any, records: Sequence[Record], spacing_mm: float) -> Shape | None:
        """Return the voxels (z, y, x) that all its subjects have, or None.

        None means that the source does not bring its subjects to a grid of its own.
        """
        return None

    def extents_mm(
        self, section: Any, records: Sequence[Record], to_weeks: float
    ) -> Iterable[Extent]:
        """Return the sizes of the boxes of its subjects' labels.

        Args:
            section: The source's section.
            records: Its subjects.
            to_weeks: The age that younger subjects are grown to; 0 leaves all as they are.

        Raises:
            SubjectError: Where a subject cannot be read.
        """
        return ()

    def image_limits(self, section: Any, records: Sequence[Record]) -> Iterable[Limits]:
        """Return the least and the greatest intensity of each subject's image, in our unit.

        Raises:
            SubjectError: Where a subject cannot be read.
        """
        return ()

    def covariates(self, section: Any) -> tuple[str, ...]:
        """Return the names of the covariates that its subjects have, beside their age."""
        return ()

    def ages(self, section: Any, records: Sequence[Record]) -> list[float]:
        """Return its subjects' gestational ages (weeks), or the extremes they are drawn from."""
        return [age for r in records if (age := r.get("gestational_age_weeks")) is not None]

    def style_ends(self, record: Record, spacing_mm: float) -> StyleEnds | None:
        """Return the real subjects that lend a subject its style, where it has none itself."""
        return None

    def has_own_style(self) -> bool:
        """Tell whether `style_ends` returns subjects, so that no other style can be drawn."""
        return False

    # Checks and texts

    def check(self, recipe: Any) -> None:
        """Raise the error of a validator where a recipe requests what such subjects cannot have.

        `recipe` is a factory.schema.sections.RecipeSections, which this layer cannot import.
        """

    def remarks(self, section: Any, records: Sequence[Record]) -> Iterable[str]:
        """Return remarks on the files of its subjects, one line each."""
        return ()

    def lacks_images(self, section: Any) -> str | None:
        """Return what has no images, in words ("nifti without images"), or None."""
        return None

    def describe(self, section: JsonObject, total: int) -> str:
        """Describe its subjects in a sentence."""
        return f"{total} {self.name} subjects."

    def origin(self, section: JsonObject) -> str:
        """Describe for a report where its subjects come from."""
        return f"{self.name.replace('_', ' ')}: {section.get('path')}; its own terms apply"
