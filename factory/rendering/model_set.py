"""The trained models that a recipe names. Their cards are read, their weights are not loaded."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from factory.families.registry import untrained_family
from factory.lookup import find_model
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.dataset import Dataset
from factory.storage.errors import DatasetError
from factory.storage.json_value import JsonObject
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
    if "model" in look and isinstance(look, Mapping):
        yield Role(MAIN, "appearance.model", "paints the images", look["model"])
    fuse = look.get("fuse") if isinstance(look, Mapping) else None
    if isinstance(fuse, Mapping) and fuse.get("cnn"):
        yield Role(FUSION, "appearance.fuse.cnn", "fuses the three directions", fuse["cnn"])
    for name, source in SOURCES.items():
        parent = recipe if source.key else recipe.get("subjects") or {}
        section = parent.get(source.key or name) or {}
        for key in source.model_keys:
            if section.get(key):
                main = source.is_drawn and not look
                prefix = MAIN if main else f"{source.key or name}/"
                does = "makes anatomies and images" if main else "makes the anatomies"
                yield Role(prefix, f"{source.place}.{key}", does, section[key])
    if gate := recipe.get("gate"):
        yield Role(GATE, "gate.model", "judges the images", gate["model"])


@dataclass(frozen=True)
class ModelSet:
    """The models of a recipe.

    Attributes:
        folders: Their folders, by the prefix of their role.
        untrained: The name of the family that paints without weights, if the recipe names one.
    """

    folders: dict[str, Path]
    untrained: str | None = None

    @staticmethod
    def of(recipe: Recipe) -> "ModelSet":
        """Find the models of a recipe.

        Raises:
            FactoryError: If a model does not exist.
        """
        roles = list_roles(recipe.data)
        folders = {role.prefix: find_model(role.name, role.key) for role in roles}
        family = untrained_family(recipe.data.get("appearance"))
        return ModelSet(folders, family.name if family else None)

    @property
    def card(self) -> JsonObject:
        """The card of the model that makes the images, or of the family without weights."""
        if family := untrained_family(self.untrained):
            return dict(family.untrained_card or {})
        return _read_card(self.folders[MAIN])

    @property
    def fusion_card(self) -> JsonObject | None:
        """The card of the model that fuses the orientations, if there is one."""
        return _read_card(self.folders[FUSION]) if FUSION in self.folders else None

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
        fusion, gate = self.folders.get(FUSION), self.folders.get(GATE)
        return functools.partial(
            load_renderer,
            self.untrained or self.folders[MAIN].resolve(),
            device,
            fusion=fusion.resolve() if fusion else None,
            gate=gate.resolve() if gate else None,
        )


def load_renderer(
    model: Path | str,
    device: str,
    threads: int,
    fusion: Path | None = None,
    gate: Path | None = None,
) -> "Renderer":
    """Load a renderer; see `factory.rendering.renderer.Renderer`. Torch is imported here."""
    from factory.rendering.renderer import Renderer

    return Renderer(model, threads, device, fusion, gate)


def _read_card(folder: Path) -> JsonObject:
    from factory.models.checkpoint import read_card

    return dict(read_card(folder))
