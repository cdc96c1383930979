"""The painter without a network."""

import numpy as np
import torch

from factory.case import Case
from factory.errors import RenderError
from factory.families.base import StyleEnds
from factory.families.contrast.draw import ChannelContrast, draw_channels
from factory.families.contrast.layers import Layered, divide_labels, extend_contrast
from factory.families.contrast.paint import Look, paint_labels, scale_to_unit
from factory.families.contrast.texture import texture_of_image
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import Subject


class ContrastPainter:
    """Paints label maps by the contrast that a case holds.

    Attributes:
        card: It says that the painter takes any label table.
    """

    def __init__(self, card: JsonObject, device: torch.device) -> None:
        """Keep the device that paints."""
        self.card = card
        self.device = device

    def paint(
        self,
        case: Case,
        label: np.ndarray,
        subject: Subject,
        style_ends: StyleEnds | None = None,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Paint a case; see `factory.families.base.Painter.paint`.

        Raises:
            RenderError: Layers or a texture by image are asked for, but there is no image.
        """
        section = case.appearance.contrast or {}
        names = label_names(subject)
        layers = section.get("layers") or {}
        image = (
            subject.image if subject.image is None or subject.image.ndim == 3 else subject.image[0]
        )
        try:
            layered = divide_labels(label, subject.grid.spacing, names, layers, image)
        except ValueError as error:
            raise RenderError(f"{case.id}: {error}") from None
        texture = None
        if section.get("texture") == "image":
            if image is None:
                raise RenderError(f"{case.id}: texture by image, but the subject has no image")
            texture = texture_of_image(image, layered.label)
        channels = [
            self._paint_channel(section, names, layered, subject, channel, label, texture)
            for channel in draw_channels(section, names, *_seed_and_regions(case))
        ]
        return (np.stack(channels) if section.get("channels") else channels[0]), None

    def _paint_channel(
        self,
        section: JsonObject,
        names: tuple[str, ...],
        layered: Layered,
        subject: Subject,
        channel: ChannelContrast,
        label: np.ndarray,
        texture: np.ndarray | None,
    ) -> np.ndarray:
        """Paint one channel, float32 [z, y, x]."""
        contrast, generator = channel.contrast, channel.generator
        if layered.parents:
            contrast = extend_contrast(contrast, names, section["layers"], layered, generator)
        look = Look(
            texture_scales_mm=tuple(section["texture_scales_mm"]),
            partial_volume=section["partial_volume"],
            blur_mm=section["blur_mm"],
            slice_mm=section["slice_mm"],
            plane=section["plane"],
        )
        spacing = subject.grid.spacing
        image = paint_labels(
            layered.label, spacing, contrast, look, generator, self.device, texture
        )
        if channel.is_hounsfield:
            return image
        return scale_to_unit(image, label, section["gamma"], is_scaled=channel.is_fitted)


def _seed_and_regions(case: Case) -> tuple[int, dict[str, tuple[str, ...]]]:
    """Return the seed of a case's style, and the regions of its dataset."""
    return case.appearance.style_seed, dict(case.table.regions) if case.table else {}


def label_names(subject: Subject) -> tuple[str, ...]:
    """Return the names of the labels that a case's label map is painted from, lesions too."""
    return subject.table.names


def contrast_columns(case: Case, subject: Subject) -> JsonObject:
    """Return what was drawn for a case: the means and spreads, in the order of the labels."""
    section = case.appearance.contrast or {}
    names = label_names(subject)
    columns: JsonObject = {}
    for channel in draw_channels(section, names, *_seed_and_regions(case)):
        suffix = f"_{channel.name}" if channel.name else ""
        columns[f"contrast_means{suffix}"] = [round(float(v), 5) for v in channel.contrast.means]
        columns[f"contrast_sds{suffix}"] = [round(float(v), 5) for v in channel.contrast.sds]
    return columns
