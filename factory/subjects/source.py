"""What a source of subjects is to a recipe: what may be said of it, which there are, what each is.

A source is one module of factory/subjects/sources that defines SOURCE. Its section of a recipe is
a pydantic model beside it; whatever is heavy (torch, readers of files) is imported by the method
that needs it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from factory.config.section import Section
from factory.families.base import StyleEnds
from factory.imaging.types import Shape
from factory.storage.subjects.types import FETA, LabelTable, Subject

Record = dict[str, Any]
"""A subject as plain JSON, from which alone it can be loaded: {"source": name, "id": ..., ...}."""

Extent = tuple[float, float, float]
"""Size (z, y, x) in mm."""


class Source:
    """One kind of subjects.

    Attributes:
        name: The key of its section, and what records call it.
        Section: What a recipe may say of it.
        key: Where the section stands in a recipe: "subjects.NAME" but for two that have a key of
            their own.
        kind: What its subjects are, in the plural. One dataset holds one kind.
        is_listed: Whether its subjects are read from files, so that they have to be listed. Else
            they are made, one by one, by their index.
        is_seeded: Whether a subject takes parameters drawn for it, and a seed of its own.
        is_stack: Whether a subject is a stack of thick slices, or one plane.
        is_drawn: Whether a subject is drawn on the grid that is stored, in other noise at every
            replicate.
        path_keys: Keys of the section that name a folder.
        model_keys: Keys of the section that name a model.
        can_interpolate: Whether there are subjects between its subjects.
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
        """Where its section stands in a recipe, dotted."""
        return self.key or f"subjects.{self.name}"

    # Which there are

    def records(self, section: Any) -> list[Record]:
        """The subjects of a source that is listed. Raises SubjectError."""
        raise NotImplementedError

    def count(self, section: Any) -> int:
        """How many subjects a source that is not listed makes."""
        raise NotImplementedError

    def record(self, section: Any, index: int, group: str, seed: int) -> Record:
        """The subject at a position of a source that is not listed.

        group: the recipe's group that it belongs to, or "". seed: the recipe's.
        """
        raise NotImplementedError

    def parameters(self, section: dict[str, Any]) -> dict[str, Any]:
        """The parameters that are drawn once a subject, as the plain section has them."""
        return {}

    # What each is

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        """A subject, at an isotropic spacing or at its own. Raises SubjectError."""
        raise NotImplementedError

    def table(self, section: Any) -> LabelTable:
        """The labels that its subjects come with."""
        return FETA

    def tissues(self, section: Any) -> set[str]:
        """Names of the labels that there may be among its subjects."""
        return set(self.table(section).names)

    def extra_labels(self, section: Any) -> Iterable[tuple[str, str]]:
        """Labels beside those of the table: names, and the tissue that each is painted as."""
        return ()

    def shape(self, section: Any, records: Sequence[Record], spacing_mm: float) -> Shape | None:
        """Voxels (z, y, x) of every subject, where the source brings them to a grid of its own."""
        return None

    def extents_mm(
        self, section: Any, records: Sequence[Record], to_weeks: float
    ) -> Iterable[Extent]:
        """Sizes of the boxes of its subjects' labels, each grown to an age (weeks) if it is
        younger; 0 leaves all as they are. Raises SubjectError where one cannot be read."""
        return ()

    def ages(self, section: Any, records: Sequence[Record]) -> list[float]:
        """Gestational ages (weeks) that its subjects have, or the extremes they are drawn from."""
        return [age for r in records if (age := r.get("gestational_age_weeks")) is not None]

    def style_ends(self, record: Record, spacing_mm: float) -> StyleEnds | None:
        """The real subjects that lend a subject their style, where it has none of its own."""
        return None

    def has_own_style(self) -> bool:
        """Whether `style_ends` gives any, so that no other style can be drawn."""
        return False

    # What goes with it

    def check(self, recipe: Any) -> None:
        """Raise the error of a validator for what a recipe may not ask of such subjects.

        recipe: factory.schema.sections.RecipeSections.
        """

    def remarks(self, section: Any, records: Sequence[Record]) -> Iterable[str]:
        """What there is to know of the files that its subjects are read from, one line each."""
        return ()

    def lacks_images(self, section: Any) -> str | None:
        """What has no images, in words ("nifti without images"); None where there are some."""
        return None

    def describe(self, section: dict[str, Any], total: int) -> str:
        """What its subjects are, a sentence, by the plain section."""
        return f"{total} {self.name} subjects."

    def origin(self, section: dict[str, Any]) -> str:
        """Where its subjects come from, for a report, by the plain section."""
        return f"{self.name.replace('_', ' ')}: {section.get('path')}; its own terms apply"
