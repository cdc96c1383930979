"""The subject's own image, moved by the edits: a painter without weights."""

from typing import TYPE_CHECKING, ClassVar

from factory.families.base import Card, Family, Painter
from factory.storage.json_value import JsonObject

if TYPE_CHECKING:
    import torch


class Original(Family):
    """The family of `appearance: original`; see factory.families.base.Family."""

    name: ClassVar[str] = "original"
    paints: ClassVar[bool] = True
    untrained_card: ClassVar[Card | None] = {"name": "original", "family": "original"}
    carries_edits: ClassVar[bool] = True
    seconds_per_megavoxel: ClassVar[float] = 0.1

    def image_channels(
        self, card: Card, appearance: JsonObject, subject_channels: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Return the names of the channels of the subjects' own images."""
        return subject_channels

    def untrained_painter(self, device: "torch.device") -> Painter:
        """Return a painter that gives each subject its own image."""
        from factory.families.original.painter import OwnImagePainter

        return OwnImagePainter(dict(self.untrained_card or {}))


FAMILY = Original()
