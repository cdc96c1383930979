"""The trained models that a recipe names. Their cards are read, their weights are not loaded."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from factory.families.registry import untrained_family
from factory.lookup import find_model
from factory.rendering.painting import PaintingCards, PaintingFiles
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.dataset import Dataset
from factory.storage.errors import DatasetError
from factory.storage.json_value import JsonObject, JsonValue
from factory.subjects.registry import SOURCES

if TYPE_CHECKING:
    from factory.rendering.renderer import Renderer

MAIN = ""
"""The prefix of the model that makes the images."""
FUSION = "fusion/"
"""The prefix of the model that fuses the three orientations."""
GATE = "gate/"
"""The prefix of the model that judges the images."""


@dataclass(frozen=True)
class Role:
    """A model that a recipe names.

    Attributes:
        prefix: The prefix of its weight files in a dataset's record; MAIN makes the images.
        key: The key under which the recipe names it.
        does: Its task in words.
        name: Its name or folder, as in the recipe.
    """

    prefix: str
    key: str
    does: str
    name: str


def list_roles(recipe: JsonObject) -> Iterator[Role]:
    """Yield every model that a recipe names, with its task; one of them makes the images.

    Args:
        recipe: The recipe in plain JSON, as in `Recipe.data` or in a dataset's record.
    """
    look = recipe.get("appearance") or {}
    yield from _painting_roles(look, "", "", "the images")
    for name, group_look in group_appearances(recipe).items():
        place = f"groups.{name}."
        yield from _painting_roles(group_look, group_prefix(name), place, f"the images of {name}")
    yield from _subject_roles(recipe, "", "", makes_images=not look)
    for name, group in sorted((recipe.get("groups") or {}).items()):
        parent = {"subjects": group.get("subjects")}
        yield from _subject_roles(parent, group_prefix(name), f"groups.{name}.", makes_images=False)
    if gate := recipe.get("gate"):
        yield Role(GATE, "gate.model", "judges the images", gate["model"])


def _subject_roles(
    parent: JsonObject, prefix: str, place: str, *, makes_images: bool
) -> Iterator[Role]:
    """Yield the models of the subjects of a recipe, or of a group.

    Args:
        parent: The recipe or the group in plain JSON.
        prefix: The prefix of its weight files.
        place: Where it stands in the recipe.
        makes_images: Whether a source that draws images makes those of the dataset.
    """
    for name, source in SOURCES.items():
        holder = parent if source.key else parent.get("subjects") or {}
        section = holder.get(source.key or name) or {}
        for key in source.model_keys:
            if section.get(key):
                main = source.is_drawn and makes_images
                role_prefix = MAIN if main else f"{prefix}{source.key or name}/"
                does = "makes anatomies and images" if main else "makes the anatomies"
                yield Role(role_prefix, f"{place}{source.place}.{key}", does, section[key])


def _painting_roles(look: JsonValue, prefix: str, place: str, what: str) -> Iterator[Role]:
    """Yield the models of one appearance in plain JSON; place: where it stands in the recipe."""
    if not isinstance(look, Mapping):
        return
    if "model" in look:
        yield Role(prefix + MAIN, f"{place}appearance.model", f"paints {what}", look["model"])
    fuse = look.get("fuse")
    if isinstance(fuse, Mapping) and fuse.get("cnn"):
        key = f"{place}appearance.fuse.cnn"
        yield Role(prefix + FUSION, key, "fuses the three directions", fuse["cnn"])


def group_appearances(recipe: JsonObject) -> dict[str, JsonValue]:
    """Return the appearances of the groups that have one of their own, in plain JSON."""
    groups = recipe.get("groups") or {}
    return {name: g["appearance"] for name, g in sorted(groups.items()) if g.get("appearance")}


def group_prefix(group: str) -> str:
    """Return the prefix of a group's own models; "" for those of the recipe itself."""
    return f"groups/{group}/" if group else ""


@dataclass(frozen=True)
class ModelSet:
    """The models of a recipe.

    Attributes:
        folders: Their folders, by the prefix of their role.
        untrained: The names of families that paint without weights, by the group whose appearance
            names one; "" is the recipe itself.
        groups: The groups with an appearance of their own.
        has_common: Whether the recipe has an appearance (or latents) for all other groups.
    """

    folders: dict[str, Path]
    untrained: Mapping[str, str]
    groups: tuple[str, ...] = ()
    has_common: bool = True

    @staticmethod
    def of(recipe: Recipe) -> "ModelSet":
        """Find the models of a recipe.

        Raises:
            FactoryError: If a model does not exist.
        """
        roles = list_roles(recipe.data)
        folders = {role.prefix: find_model(role.name, role.key) for role in roles}
        own_looks = group_appearances(recipe.data)
        looks = {"": recipe.data.get("appearance"), **own_looks}
        families = {group: untrained_family(look) for group, look in looks.items()}
        untrained = {group: family.name for group, family in families.items() if family}
        has_common = recipe.spec.appearance is not None or recipe.spec.latents is not None
        return ModelSet(folders, untrained, tuple(own_looks), has_common)

    @property
    def card(self) -> JsonObject:
        """The card of the model that makes the images, or of the family without weights."""
        return self.painting_cards[self._first].painter

    @property
    def _first(self) -> str:
        """The group whose models stand for all where the recipe itself has no appearance."""
        return "" if self.has_common else self.groups[0]

    @property
    def painting_cards(self) -> dict[str, PaintingCards]:
        """The cards by group: "" for the recipe itself, then groups with their own appearance."""
        names = (*([""] if self.has_common else []), *self.groups)
        return {name: self._painting_cards(name) for name in names}

    def _painting_cards(self, group: str) -> PaintingCards:
        prefix = group_prefix(group)
        fusion = self.folders.get(prefix + FUSION)
        family = untrained_family(self.untrained.get(group))
        card = (
            dict(family.untrained_card or {}) if family else _read_card(self.folders[prefix + MAIN])
        )
        return PaintingCards(card, _read_card(fusion) if fusion else None)

    @property
    def gate_card(self) -> JsonObject | None:
        """The card of the model that judges the images, if there is one."""
        return _read_card(self.folders[GATE]) if GATE in self.folders else None

    @property
    def bytes(self) -> int:
        """The size of all weight files that a renderer loads."""
        files = [file for f in self.folders.values() for file in f.glob("*.safetensors")]
        return sum(file.stat().st_size for file in files)

    @property
    def weights(self) -> dict[str, str]:
        """The sha256 of every weight file, as in a dataset's record."""
        return {
            f"{prefix}{name}": digest
            for prefix, folder in self.folders.items()
            for name, digest in _read_card(folder)["sha256"].items()
        }

    def refuse_others(self, dataset: Dataset, recipe: Recipe) -> None:
        """Refuse a dataset that was made with other weights of the same names.

        Raises:
            DatasetError: If the weights differ.
        """
        if dataset.record["weights"] != self.weights:
            raise DatasetError(
                f"{dataset.path}: made by this recipe with other weights of "
                f"{recipe.spec.model}; choose another output or pass --overwrite"
            )

    def loader(self, device: str) -> "Callable[[int], Renderer]":
        """Return a function that loads the renderer, given its number of threads.

        Args:
            device: "cpu" or "cuda".
        """
        gate = self.folders.get(GATE)
        return functools.partial(
            load_renderer,
            self._painting_files(self._first),
            device,
            gate=gate.resolve() if gate else None,
            groups={group: self._painting_files(group) for group in self.groups},
        )

    def _painting_files(self, group: str) -> PaintingFiles:
        prefix = group_prefix(group)
        fusion = self.folders.get(prefix + FUSION)
        model = self.untrained.get(group) or self.folders[prefix + MAIN].resolve()
        return PaintingFiles(model, fusion.resolve() if fusion else None)


def load_renderer(
    painting: PaintingFiles,
    device: str,
    threads: int,
    gate: Path | None = None,
    groups: Mapping[str, PaintingFiles] | None = None,
) -> "Renderer":
    """Load a renderer; see `factory.rendering.renderer.Renderer`. Torch is imported here."""
    from factory.rendering.renderer import Renderer

    return Renderer(painting.model, threads, device, painting.fusion, gate, groups)


def _read_card(folder: Path) -> JsonObject:
    from factory.models.checkpoint import read_card

    return dict(read_card(folder))
