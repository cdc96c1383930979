"""Write a contrast that is fitted to real images as a YAML file, with a picture of the fit."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from factory.errors import FactoryError
from factory.families.contrast.draw import draw_channels
from factory.families.contrast.fit import (
    Measured,
    draw_fit,
    fit_population,
    load_pairs,
    measure_brightness,
    measure_images,
)
from factory.families.contrast.presets import HOUNSFIELD_RANGE
from factory.families.contrast.section import Fitted
from factory.storage.json_value import JsonObject
from factory.storage.subjects.label_mappings import LabelMapping
from factory.storage.subjects.types import Subject

PAINTINGS = 3
"""How often the picture paints each label map, to show the spread between painted images."""


@dataclass(frozen=True)
class FitReport:
    """What was fitted.

    Attributes:
        file: The YAML file.
        picture: The picture of the fit.
        fitted: Its content, in plain JSON.
        distances: By label, the distance between the real and the painted histogram, in units of
            brightness, or in Hounsfield units (Wasserstein-1).
    """

    file: str
    picture: str
    fitted: JsonObject
    distances: dict[str, float]

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        labels = self.fitted["labels"]
        width = max(map(len, labels))
        head = f"{'label':{width}}    mean  between people   inside   real to painted"
        digits = 1 if self.fitted.get("units") else 3
        rows = [
            f"{name:{width}}  {row['mean']:6.{digits}f}  {row['mean_spread']:14.{digits}f}   "
            f"{row['sd']:6.{digits}f}   {self.distances.get(name, float('nan')):15.{digits}f}"
            for name, row in labels.items()
        ]
        people = f"fitted to {self.fitted['people']} subjects; {self.file}; picture {self.picture}"
        return [head, *rows, people]

    def to_json(self) -> JsonObject:
        """Return the report as plain JSON."""
        return {
            "file": self.file,
            "picture": self.picture,
            "fitted": self.fitted,
            "distances": self.distances,
        }


def write_fit(
    path: str,
    labels: str,
    images: str,
    mapping: str | LabelMapping,
    others: str | None,
    output: str,
) -> FitReport:
    """Fit a contrast to the images of a folder, and write OUTPUT and a picture beside it.

    Args:
        path: The folder.
        labels: The pattern of label maps, with {subject}.
        images: The pattern of images, with {subject}.
        mapping: See factory.storage.subjects.label_mappings.
        others: What a value becomes that the mapping lacks; None refuses it.
        output: The YAML file to write.

    Raises:
        SubjectError: There are no subjects, or one cannot be read.
        FactoryError: The file cannot be written.
    """
    if Path(output).suffix != ".yaml":
        raise FactoryError(f"--output: value {output}; allowed: a file ending in .yaml")
    subjects = list(load_pairs(path, labels, images, mapping, others))
    measured = measure_brightness(subjects)
    fitted = Fitted.model_validate(fit_population(measured, f"{path}: {images}"))
    content = fitted.model_dump(mode="json", exclude_none=True)
    painted = measure_images(_paint(subjects, content), measured.is_hounsfield)
    picture = str(Path(output).with_suffix(".png"))
    try:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        draw_fit(measured, [painted], picture)
        yaml: Any = YAML(typ="safe", pure=True)  # its attributes have no types
        yaml.default_flow_style, yaml.width = None, 2000  # a label or a row of numbers a line
        yaml.sort_base_mapping_type_on_output = False
        with Path(output).open("w", encoding="utf-8") as stream:
            brightness = "the 99.5th percentile of an image's labelled voxels is 1"
            units = "Hounsfield units" if measured.is_hounsfield else brightness
            stream.write(f"# Units: {units}.\n")
            yaml.dump(content, stream)
    except OSError as error:
        raise FactoryError(f"{output}: cannot be written: {error.strerror or error}") from None
    return FitReport(output, picture, content, _distances(measured, painted))


def _paint(subjects: Iterable[Subject], fitted: JsonObject) -> Iterable[tuple[Subject, np.ndarray]]:
    """Yield every subject PAINTINGS times, with an image painted by a fitted contrast."""
    import torch

    from factory.families.contrast.paint import Look, paint_labels

    cpu = torch.device("cpu")
    for index, subject in enumerate(subjects):
        for painting in range(PAINTINGS):
            names = subject.table.names
            seed = index * PAINTINGS + painting
            channel = draw_channels({"fitted": fitted}, names, seed)[0]
            spacing = subject.grid.spacing
            image = paint_labels(
                subject.label, spacing, channel.contrast, Look(), channel.generator, cpu
            )
            limits = HOUNSFIELD_RANGE if channel.is_hounsfield else (0, None)
            yield subject, np.clip(image, *limits)


def _distances(measured: Measured, painted: Measured) -> dict[str, float]:
    """Return the Wasserstein-1 distance of the histograms of each label."""
    distances = {}
    for index, name in enumerate(measured.names):
        if name in painted.names:
            other = painted.histograms[painted.names.index(name)]
            gaps = np.cumsum(measured.histograms[index] - other)
            width = float(measured.edges[1] - measured.edges[0])
            distances[name] = round(float(np.abs(gaps).sum()) * width, 4)
    return distances
