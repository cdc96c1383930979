"""The trained models that a recipe names: found, read and checked, none of their weights loaded."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.lookup import find_model
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.dataset import Dataset
from factory.storage.errors import DatasetError

if TYPE_CHECKING:
    from factory.rendering.renderer import Renderer


@dataclass(frozen=True)
class Networks:
    """Folders of a recipe's models: what makes images, what fuses them, and what makes anatomies,
    by interpolation or from latents; and what judges images."""

    model: Path
    fusion: Path | None = None
    interpolation: Path | None = None
    latents: Path | None = None
    gate: Path | None = None

    @staticmethod
    def of(recipe: Recipe) -> "Networks":
        """Raises FactoryError where one is not there."""
        spec = recipe.spec
        painted, part, latents = bool(spec.appearance), spec.interpolate, spec.latents
        return Networks(
            find_model(spec.model, "appearance.model" if painted else "latents.model"),
            find_model(spec.fusion, "appearance.fuse.cnn") if spec.fusion else None,
            find_model(part.model, "interpolate.model") if part else None,
            find_model(latents.model, "latents.model") if latents and painted else None,
            find_model(spec.gate.model, "gate.model") if spec.gate else None,
        )

    @property
    def card(self) -> dict[str, Any]:
        return _card(self.model)

    @property
    def fusion_card(self) -> dict[str, Any] | None:
        return _card(self.fusion) if self.fusion else None

    @property
    def gate_card(self) -> dict[str, Any] | None:
        return _card(self.gate) if self.gate else None

    @property
    def bytes(self) -> int:
        """Of the weight files that a renderer loads."""
        folders = (self.model, self.fusion, self.gate)
        return sum(path.stat().st_size for f in folders if f for path in f.glob("*.safetensors"))

    @property
    def weights(self) -> dict[str, str]:
        """sha256 of every weight file, as a dataset keeps them."""
        named = {
            "interpolate/": self.interpolation,
            "latents/": self.latents,
            "fusion/": self.fusion,
            "gate/": self.gate,
        }
        found = dict(self.card["sha256"])
        for prefix, folder in named.items():
            if folder:
                found |= {f"{prefix}{k}": digest for k, digest in _card(folder)["sha256"].items()}
        return found

    def refuse_others(self, dataset: Dataset, recipe: Recipe) -> None:
        """Raises DatasetError where a dataset was made with other weights of the same names."""
        if dataset.record["weights"] != self.weights:
            raise DatasetError(
                f"{dataset.path}: made by this recipe with other weights of "
                f"{recipe.spec.model}; choose another output or pass --overwrite"
            )

    def loader(self, device: str) -> "Callable[[int], Renderer]":
        """What a renderer's process calls with its threads, once."""
        fusion = self.fusion.resolve() if self.fusion else None
        gate = self.gate.resolve() if self.gate else None
        return functools.partial(
            load_renderer, self.model.resolve(), device, fusion=fusion, gate=gate
        )


def load_renderer(
    model: Path, device: str, threads: int, fusion: Path | None = None, gate: Path | None = None
) -> "Renderer":
    from factory.rendering.renderer import Renderer

    return Renderer(model, threads, device, fusion, gate)


def _card(folder: Path) -> dict[str, Any]:
    from factory.models.checkpoint import read_card

    return dict(read_card(folder))
