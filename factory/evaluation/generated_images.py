"""The images of a dataset as a set that can be compared with real ones.

Samples that cannot be used are left out, and the remarks say so.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from factory.errors import FactoryError
from factory.evaluation.image_set import ImageSet, Volume
from factory.imaging.intensities import intensity_span, intensity_zero
from factory.lookup import find_model
from factory.models.checkpoint import WeightsError, read_card
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.json_value import JsonObject
from factory.storage.subjects.slices import Plane, cut_planes
from factory.subjects.registry import subject_sections

BRIGHTEST = 1.2
"""Largest intensity that is compared, in multiples of the 99.5th percentile."""


@dataclass(frozen=True)
class GeneratedImages:
    """A dataset's images, and the model that made them."""

    dataset: Dataset

    @cached_property
    def cases(self) -> pd.DataFrame:
        """The dataset's table of cases."""
        return self.dataset.cases()

    @property
    def is_accepted(self) -> pd.Series:
        """For each case whether it was accepted: neither rejected by a gate nor vacant."""
        if "accepted" in self.cases:
            return self.cases["accepted"].ne(False)
        return self.cases["sample"].notna()

    @cached_property
    def accepted_samples(self) -> list[int]:
        """The indices of the accepted samples, which are those that are compared.

        Raises:
            FactoryError: If there is none.
        """
        if self.cases.empty:
            raise FactoryError(
                f"{self.dataset.path}: no sample is finished yet, so there is nothing to compare"
            )
        samples = [int(index) for index in self.cases["sample"][self.is_accepted]]
        if not samples:
            raise FactoryError(
                f"{self.dataset.path}: no sample is accepted, so there is nothing to compare"
            )
        return samples

    @property
    def remarks(self) -> list[str]:
        """Remarks on the samples that are not compared."""
        remarks = []
        if not self.dataset.is_complete():
            samples = self.dataset.layout.samples
            remarks.append(f"not complete: {len(self.cases)} of {samples} samples are finished")
        if count := int((~self.is_accepted).sum()):
            remarks.append(f"left out: {count} samples that are not accepted, rejected or vacant")
        if channel := self.dataset.layout.pictured_channel:
            remarks.append(f"compared: {channel}")
        return remarks

    def read_sample(self, index: int) -> StoredSample:
        """Read a sample, with the first channel alone of each image."""
        return self.dataset.sample(index).first_channels()

    @cached_property
    def resolved_recipe(self) -> JsonObject:
        """The resolved recipe of the dataset; {} if its record has none."""
        recipe: JsonObject = self.dataset.record.get("recipe", {}).get("resolved", {})
        return recipe

    @cached_property
    def card(self) -> JsonObject:
        """The card of the model that made the images; {} if it is not installed any more."""
        section = self.resolved_recipe.get("appearance") or self.resolved_recipe.get("latents")
        name = section.get("model") if isinstance(section, dict) else None
        try:
            return read_card(find_model(name)) if name else {}
        except (FactoryError, WeightsError):
            return {}

    @property
    def training_owners(self) -> set[str]:
        """The people that the model learnt from, by its card; empty if they are not known."""
        return set(self.card.get("training", {}).get("subjects", ()))

    @property
    def pixel_mm(self) -> float:
        """The distance between neighbouring voxels of a row, in mm."""
        return float(self.dataset.sample(self.accepted_samples[0]).spacing_mm[2])

    def images(self, resolution: int | None = None) -> ImageSet:
        """Return the accepted samples as a set of images.

        Args:
            resolution: If given, samples are split into square slices of so many pixels a side;
                else volumes stay as they are.
        """
        subjects = {name for name, _ in subject_sections(self.resolved_recipe)}
        thick = resolution is not None or self.dataset.layout.shape[0] == 1
        thick = thick or "short_axis" in subjects

        def make_source(index: int) -> Callable[[], list[Volume]]:
            return lambda: self.sample_volumes(index, resolution)

        sources = [make_source(index) for index in self.accepted_samples]
        return ImageSet(self.dataset.path, sources, thick, remarks=dict.fromkeys(self.remarks))

    def sample_volumes(self, index: int, resolution: int | None) -> list[Volume]:
        """Read one sample: a volume, or its slices if a resolution is given."""
        sample = self.read_sample(index)
        image, label = sample.arrays["image"], sample.arrays["label"]
        name, owner = f"sample {index}", str(sample.columns.get("subject", index))
        if resolution is None:
            inside = label > 0 if label.any() else image > 0
            return [Volume(name, owner, normalise_brightness(image, inside), inside)]
        planes = cut_planes(name, image, label, resolution)
        return [replace(volume, owner=owner) for volume in volumes_of_planes(planes)]


def normalise_brightness(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the image divided by its 99.5th percentile inside, clipped to 0 to 1.2, float32.

    Of a signed image the darkest intensity becomes 0. An image that is dark inside becomes 0
    everywhere.
    """
    span = float(intensity_span(image, inside)) if inside.any() else 0.0
    if span <= 0:
        return np.zeros(image.shape, np.float32)
    zero = intensity_zero(image, inside)
    return np.clip((image - zero) / span, 0, BRIGHTEST).astype(np.float32)


def volumes_of_planes(planes: list[Plane]) -> list[Volume]:
    """Return slices [C, H, W] in [-1, 1] as volumes of one slice, the mean of their channels."""
    volumes = []
    for number, plane in enumerate(planes):
        image = (plane.image.mean(0, keepdims=True) + 1) / 2
        inside = image > 0
        if plane.label is not None and plane.label.any():
            inside = plane.label[None] > 0
        volumes.append(Volume(f"{plane.subject}, slice {number}", plane.subject, image, inside))
    return volumes
