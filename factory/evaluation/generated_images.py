"""The two sets that are held against each other: a dataset's images, and real ones.

Real images come from a folder (BIDS, stacks as the M&Ms challenge lays them out, or any *.nii.gz),
from the subjects of a render recipe, or from a training recipe. Both sets are read one at a time.
What cannot be used is left out, and said in `remarks`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from factory.errors import FactoryError
from factory.evaluation.image_set import ImageSet, Volume
from factory.lookup import find_model
from factory.models.checkpoint import WeightsError, read_card
from factory.storage.dataset.dataset import Dataset
from factory.storage.subjects.slices import Plane, planes_of

BRIGHT = 99.5


@dataclass(frozen=True)
class GeneratedImages:
    """A dataset's images, and what made them."""

    dataset: Dataset

    @cached_property
    def standing(self) -> list[int]:
        """The samples to judge: the accepted ones. Raises FactoryError where there is none."""
        found = [] if self.cases.empty else [int(i) for i in self.cases["sample"][self.accepted]]
        if not found:
            some = "nothing stands yet" if self.cases.empty else "no sample is accepted"
            raise FactoryError(f"{self.dataset.path}: {some}, so there is nothing to compare")
        return found

    @property
    def left_out(self) -> list[str]:
        """What is said of the samples that are not judged."""
        count, whole = int((~self.accepted).sum()), self.dataset.layout.samples
        said = [f"left out: {count} samples that are not accepted, rejected or vacant"]
        if not self.dataset.is_complete():
            return [f"not complete: {len(self.cases)} of {whole} samples stand", *said[: count > 0]]
        return said[: count > 0]

    @cached_property
    def cases(self) -> pd.DataFrame:
        return self.dataset.cases()

    @property
    def accepted(self) -> pd.Series:
        """bool by case: neither rejected by a gate nor a vacant place."""
        if "accepted" in self.cases:
            return self.cases["accepted"].ne(False)
        return self.cases["sample"].notna()

    @cached_property
    def card(self) -> dict[str, Any]:
        """Of the model that made the images; {} where it is not here any more."""
        spec = self.dataset.record.get("recipe", {}).get("resolved", {})
        named = (spec.get("appearance") or spec.get("latents") or {}).get("model")
        try:
            return read_card(find_model(named)) if named else {}
        except (FactoryError, WeightsError):
            return {}

    @property
    def spacing_mm(self) -> float:
        """Between voxels of a plane."""
        return float(self.dataset.sample(self.standing[0]).spacing_mm[2])

    def images(self, resolution: int | None = None) -> ImageSet:
        """resolution: of slices brought to squares of as many pixels, else volumes as they are."""
        labels = self.dataset.record.get("recipe", {}).get("resolved", {}).get("subjects") or {}
        thick = resolution is not None or self.dataset.layout.shape[0] == 1
        thick = thick or bool(labels.get("short_axis"))

        def source(index: int) -> Callable[[], list[Volume]]:
            return lambda: self.volumes(index, resolution)

        sources = [source(i) for i in self.standing]
        return ImageSet(self.dataset.path, sources, thick, remarks=dict.fromkeys(self.left_out))

    def volumes(self, index: int, resolution: int | None) -> list[Volume]:
        sample = self.dataset.sample(index)
        image, label = sample.arrays["image"], sample.arrays["label"]
        name, owner = f"sample {index}", str(sample.columns.get("subject", index))
        if resolution is None:
            inside = label > 0 if label.any() else image > 0
            return [Volume(name, owner, bright(image, inside), inside)]
        found = planes_of(name, image, label, resolution)
        return [replace(v, owner=owner) for v in planes_as_volumes(found)]


def bright(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The image divided by its 99.5th percentile inside, from 0 to 1.2; 0 where it is dark."""
    unit = float(np.percentile(image[inside], BRIGHT)) if inside.any() else 0.0
    return (np.clip(image / unit, 0, 1.2) if unit > 0 else np.zeros_like(image)).astype(np.float32)


def planes_as_volumes(planes: list[Plane]) -> list[Volume]:
    """Slices [C, H, W] in [-1, 1] as volumes of one slice, of several channels their mean."""
    found = []
    for number, plane in enumerate(planes):
        image = (plane.image.mean(0, keepdims=True) + 1) / 2
        inside = (
            image > 0 if plane.label is None or not plane.label.any() else plane.label[None] > 0
        )
        found.append(Volume(f"{plane.subject}, slice {number}", plane.subject, image, inside))
    return found
