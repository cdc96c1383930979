"""StyleGAN2-ADA: draws images together with their labels from latents (Gonçalves et al.)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from factory.families.base import Card, Family, Painter
from factory.families.stylegan2.recipe import StyleGanTraining
from factory.storage.json_value import JsonValue
from factory.training.recipe import Training

if TYPE_CHECKING:
    import torch


class StyleGan2(Family):
    """StyleGAN2-ADA as a model family; see factory.families.base.Family."""

    name: ClassVar[str] = "stylegan2"
    Recipe: ClassVar[type[Training]] = StyleGanTraining
    paints: ClassVar[bool] = True
    draws_subjects: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("stylegan2", "ada", "goncalves")
    uses: ClassVar[Mapping[str, str]] = {"": "cardiac-latents --set latents.model={}"}

    def painter(
        self, folder: Path, card: Card, device: "torch.device", fusion: Path | None
    ) -> Painter:
        """Return a painter that gives each subject the image drawn together with its labels."""
        from factory.families.stylegan2.painter import GeneratedImagePainter

        return GeneratedImagePainter(folder, device)

    def makes_images(self, card: Card) -> bool:
        """Return whether the model draws images, and not label maps alone."""
        return bool(card["config"]["image_channels"])

    def headline(self, rows: Sequence[Mapping[str, JsonValue]]) -> str | None:
        """Return the FID against held-out slices, or the KID if there are too few for a FID."""
        for row in rows:
            if row.get("against") == "held_out":
                name = "fid" if row["fid"] is not None else "kid"
                return f"held-out {name.upper()} {row[name]:.3g}"
        return None


FAMILY = StyleGan2()
