"""The sections of a render recipe, before they are checked against one another."""

from collections.abc import Container
from functools import cached_property
from typing import Any, Self

from factory.acquisition.section import Acquisition
from factory.anatomy.edits.registry import Edit
from factory.config.document import KeyPath
from factory.config.section import Section
from factory.config.types import Count, LabelName, Seed, Text
from factory.families.contrast.section import Contrast, ContrastAppearance
from factory.schema.appearance import Appearance, AppearanceSection
from factory.schema.gate import Gate, GateBase
from factory.schema.group import Edits, Group, GroupName
from factory.schema.measures import Measures
from factory.schema.output import Output
from factory.storage.subjects.types import FETA, LabelTable
from factory.subjects.catalogue import SubjectCatalogue
from factory.subjects.registry import PooledSource, pooled_sources
from factory.subjects.section import Subjects
from factory.subjects.source import Source
from factory.subjects.sources.interpolated import Interpolate
from factory.subjects.sources.latents import DrawnLatents


class RecipeSections(Section):
    """A render recipe: subjects × sweeps × replicates, rendered into one dataset.

    Instead of subjects a recipe may have latents, from which a trained StyleGAN2 draws label maps
    with images. An `appearance` then paints the label maps again.
    """

    include: Text | tuple[Text, ...] | None = None
    seed: Seed
    subjects: Subjects = Subjects.model_construct()  # type: ignore[valid-type] # none
    latents: DrawnLatents | None = None
    interpolate: Interpolate | None = None
    regions: dict[LabelName, tuple[LabelName, ...]] | None = None
    measures: Measures | None = None
    anatomy: tuple[Edit, ...] = ()  # type: ignore[valid-type]
    groups: dict[GroupName, Group] | None = None
    appearance: AppearanceSection | None = None
    gate: Gate | None = None
    acquisition: Acquisition | None = None
    replicates: Count = 1
    output: Output

    @property
    def model(self) -> str:
        """The name or folder of the model, or the family without weights, that makes the images."""
        if isinstance(self.appearance, Appearance):
            return self.appearance.model
        if isinstance(self.appearance, ContrastAppearance):
            return "contrast"
        if self.appearance is not None:
            return self.appearance
        assert self.latents is not None
        return self.latents.model

    @property
    def fusion(self) -> str | None:
        """The name or folder of the trained fusion network, if there is one."""
        return self.appearance.fusion if isinstance(self.appearance, Appearance) else None

    @property
    def appearances(self) -> dict[KeyPath, Appearance | ContrastAppearance | str]:
        """The appearances by their path in the recipe: its own first, then those of groups."""
        groups = sorted((self.groups or {}).items())
        paths: dict[KeyPath, Appearance | ContrastAppearance | str | None] = {
            ("appearance",): self.appearance,
            **{("groups", name, "appearance"): group.appearance for name, group in groups},
        }
        return {path: look for path, look in paths.items() if look is not None}

    def of_group(self, name: str) -> Self:
        """Return the recipe of one group: with its own sections, where it has them."""
        group = (self.groups or {}).get(name)
        if group is None:
            return self
        own_keys = ("appearance", "acquisition")
        changes = {key: getattr(group, key) for key in own_keys if getattr(group, key) is not None}
        return self.with_groups((name,)).model_copy(update=changes)

    def with_groups(self, names: Container[str]) -> Self:
        """Return the recipe with some of its groups alone, and without others' subjects."""
        groups = {name: group for name, group in (self.groups or {}).items() if name in names}
        changes: dict[str, Any] = {"groups": groups}
        if groups and all(group.subjects for group in groups.values()):
            changes |= {"subjects": Subjects.model_construct(), "interpolate": None}
        narrowed = self.model_copy(update=changes)
        narrowed.__dict__.pop("catalogue", None)  # it lists the subjects of all groups
        return narrowed

    def painted_by(self, path: KeyPath) -> Self:
        """Return the recipe with the groups alone that an appearance, by its path, paints."""
        if len(path) > 1:
            return self.with_groups((str(path[1]),))
        groups = [name for name, group in (self.groups or {}).items() if group.appearance is None]
        return self.with_groups(groups) if groups else self

    def pool_of(self, group: str) -> str:
        """Return whose subjects a group has: "" the recipe's, else the group's own, by its name."""
        section = (self.groups or {}).get(group)
        return group if section is not None and section.subjects is not None else ""

    @property
    def has_group_subjects(self) -> bool:
        """Whether a group has subjects of its own."""
        return any(map(self.pool_of, self.groups or ()))

    @property
    def contrast(self) -> Contrast | None:
        """The contrast that paints the label maps, if one does."""
        look = self.appearance
        return look.section if isinstance(look, ContrastAppearance) else None

    @property
    def gate_section(self) -> GateBase:
        """The gate of a recipe that has one."""
        assert self.gate is not None
        return self.gate

    @property
    def edits(self) -> dict[KeyPath, Edits]:
        """The edits by their path in the recipe; those of all subjects come first."""
        groups = sorted((self.groups or {}).items())
        by_group: dict[KeyPath, Edits] = {
            ("groups", name, "anatomy"): group.anatomy for name, group in groups
        }
        return {("anatomy",): self.anatomy, **by_group}

    @property
    def sources(self) -> list[tuple[Source, Any]]:
        """The sources that the recipe and its groups name, each with its section."""
        return [(source, section) for _, source, section in self.pooled_sources]

    @property
    def pooled_sources(self) -> list[PooledSource]:
        """The sources, each with the group whose own subjects they are, if any."""
        return pooled_sources(self)

    @property
    def table(self) -> LabelTable:
        """The label table of the recipe's subjects; of several sources with all names."""
        if not self.has_own_table:
            return next((source.table(section) for source, section in self.sources), FETA)
        tables = [source.table(section) for source, section in self.sources]
        names = tuple(dict.fromkeys(name for table in tables for name in table.names))
        colours = {n: c for t in tables for n, c in zip(t.names, t.colours, strict=True)}
        return LabelTable(names, tuple(colours[name] for name in names))

    @property
    def has_own_table(self) -> bool:
        """Whether a source's mapping names labels that no built-in kind of subjects has."""
        return any(source.has_own_table(section) for source, section in self.sources)

    @property
    def subject_channels(self) -> tuple[str, ...]:
        """The names of the channels of the subjects' own images; () for one without a name."""
        sources = self.sources
        if self.has_group_subjects:  # a group without images has no channels either
            sources = [(s, section) for s, section in sources if not s.lacks_images(section)]
        return next((source.channels(section) for source, section in sources), ())

    @cached_property
    def catalogue(self) -> SubjectCatalogue:
        """The subjects of the recipe, listed once.

        Raises:
            SubjectError: The subjects cannot be listed.
            RecipeError: Two subjects have the same id.
        """
        return SubjectCatalogue.of(self)
