"""The trained models that a recipe names: found, read and checked, none of their weights loaded."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.lookup import find_model
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.dataset import Dataset
from factory.storage.errors import DatasetError
from factory.subjects.registry import SOURCES

if TYPE_CHECKING:
    from factory.rendering.renderer import Renderer

MAIN = ""
FUSION = "fusion/"
GATE = "gate/"


@dataclass(frozen=True)
class Role:
    """A model that a recipe names.

    Attributes:
        prefix: What its weights are filed under in a dataset's record; MAIN makes the images.
        key: Where the recipe names it.
        does: What it is there for, in words.
        name: What the recipe calls it, a name or a folder.
    """

    prefix: str
    key: str
    does: str
    name: str


def roles(recipe: Mapping[str, Any]) -> Iterator[Role]:
    """Every model that a recipe names, and what for; one of them makes the images.

    recipe: as `Recipe.data` or a dataset's record has it, plain JSON.
    """
    look = recipe.get("appearance") or {}
    if look:
        yield Role(MAIN, "appearance.model", "paints the images", look["model"])
    fuse = look.get("fuse")
    if isinstance(fuse, Mapping) and fuse.get("cnn"):
        yield Role(FUSION, "appearance.fuse.cnn", "fuses the three directions", fuse["cnn"])
    for name, source in SOURCES.items():
        under = recipe if source.key else recipe.get("subjects") or {}
        section = under.get(source.key or name) or {}
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
    """Folders of a recipe's models, by the prefix of their role."""

    folders: dict[str, Path]

    @staticmethod
    def of(recipe: Recipe) -> "ModelSet":
        """Raises FactoryError where one is not there."""
        every = roles(recipe.data)
        return ModelSet({role.prefix: find_model(role.name, role.key) for role in every})

    @property
    def card(self) -> dict[str, Any]:
        """The card of the model that makes the images."""
        return _card(self.folders[MAIN])

    @property
    def fusion_card(self) -> dict[str, Any] | None:
        return _card(self.folders[FUSION]) if FUSION in self.folders else None

    @property
    def gate_card(self) -> dict[str, Any] | None:
        return _card(self.folders[GATE]) if GATE in self.folders else None

    @property
    def bytes(self) -> int:
        """Of the weight files that a renderer loads."""
        files = [file for f in self.folders.values() for file in f.glob("*.safetensors")]
        return sum(file.stat().st_size for file in files)

    @property
    def weights(self) -> dict[str, str]:
        """sha256 of every weight file, as a dataset keeps them."""
        return {
            f"{prefix}{name}": digest
            for prefix, folder in self.folders.items()
            for name, digest in _card(folder)["sha256"].items()
        }

    def refuse_others(self, dataset: Dataset, recipe: Recipe) -> None:
        """Raises DatasetError where a dataset was made with other weights of the same names."""
        if dataset.record["weights"] != self.weights:
            raise DatasetError(
                f"{dataset.path}: made by this recipe with other weights of "
                f"{recipe.spec.model}; choose another output or pass --overwrite"
            )

    def loader(self, device: str) -> "Callable[[int], Renderer]":
        """What a renderer's process calls with its threads, once."""
        fusion, gate = self.folders.get(FUSION), self.folders.get(GATE)
        return functools.partial(
            load_renderer,
            self.folders[MAIN].resolve(),
            device,
            fusion=fusion.resolve() if fusion else None,
            gate=gate.resolve() if gate else None,
        )


def load_renderer(
    model: Path, device: str, threads: int, fusion: Path | None = None, gate: Path | None = None
) -> "Renderer":
    from factory.rendering.renderer import Renderer

    return Renderer(model, threads, device, fusion, gate)


def _card(folder: Path) -> dict[str, Any]:
    from factory.models.checkpoint import read_card

    return dict(read_card(folder))
