"""Paint any label map without a network: a mean and a spread of brightness for each label."""

from typing import TYPE_CHECKING, ClassVar

from factory.case import Case
from factory.families.base import Card, Family, Painter
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import Subject

if TYPE_CHECKING:
    import torch


class ContrastFamily(Family):
    """The family of `appearance: {contrast: ...}`; see factory.families.base.Family."""

    name: ClassVar[str] = "contrast"
    paints: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = (
        "Billot et al.: SynthSeg, Medical Image Analysis 2023 (random contrast)",
        "Stanisz et al., Magnetic Resonance in Medicine 2005 (relaxation times)",
    )
    untrained_card: ClassVar[Card | None] = {"name": "contrast", "family": "contrast"}
    seconds_per_megavoxel: ClassVar[float] = 0.15

    def untrained_painter(self, device: "torch.device") -> Painter:
        """Return the painter; what it paints is in each case."""
        from factory.families.contrast.inference import ContrastPainter

        return ContrastPainter(dict(self.untrained_card or {}), device)

    def drawn_columns(self, case: Case, subject: Subject) -> JsonObject:
        """Return the means and spreads of the labels, in their order, for each channel."""
        from factory.families.contrast.inference import contrast_columns

        return contrast_columns(case, subject)

    def image_channels(
        self, card: Card, appearance: JsonObject, subject_channels: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Return the names of the channels that the contrast names, in alphabetical order."""
        section = appearance.get("contrast") or {}
        return tuple(sorted(section.get("channels") or ()))

    def has_styles(self, card: Card) -> bool:
        """Return True: another style seed draws another contrast."""
        return True


FAMILY = ContrastFamily()
