"""What every format says of the dataset it is made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from storage.dataset import Dataset
from storage.layout import Layout
from storage.stored_sample import StoredSample
from storage.subject import FETA_WITH_CALLOSUM

UNSTATED = "not stated"


@dataclass(frozen=True)
class About:
    """A dataset in words. name: letters and digits, from its path. licence: as its owner says."""

    name: str
    layout: Layout
    record: Mapping[str, Any]
    licence: str = UNSTATED

    @staticmethod
    def of(dataset: Dataset, licence: str | None = None) -> "About":
        stem = dataset.path.rstrip("/").rpartition("/")[2].partition(".")[0]
        words = "".join(c if c.isascii() and c.isalnum() else " " for c in stem).split()
        name = "".join(word[:1].upper() + word[1:] for word in words) or "Synthetic"
        return About(name, dataset.layout, dataset.record, licence or UNSTATED)

    @property
    def recipe_digest(self) -> str:
        return str(self.record["recipe_digest"])

    @property
    def weighting(self) -> str | None:
        """The contrast of the images, where the labels tell it: fetal brains are painted T2w."""
        brains = set(self.layout.table.names) <= set(FETA_WITH_CALLOSUM.names)
        return "T2w" if brains else None

    def description(self, samples: int) -> str:
        tissues = ", ".join(self.layout.table.names[1:])
        return (
            f"{samples} synthetic images with labels ({tissues}), rendered by the "
            f"synthetic-dataset-factory from the recipe of digest {self.recipe_digest[:12]}"
        )


@dataclass(frozen=True)
class Volume:
    """An image and its labels on one grid. name: "" for the sample itself, "stack_0" ... for what
    was scanned of it. images: float32 [z, y, x] by the name they are stored under. label: uint8
    [z, y, x] or None. affine, spacing_mm: as in StoredSample."""

    name: str
    images: Mapping[str, Any]
    label: Any
    affine: Any
    spacing_mm: tuple[float, ...]


def volumes(sample: StoredSample) -> Iterator[Volume]:
    """The sample on its own grid, then its stacks on theirs."""
    images = {name: values for name, values in sample.arrays.items() if name != "label"}
    spacing = tuple(sample.spacing_mm)
    yield Volume("", images, sample.arrays["label"], sample.affine, spacing)
    for k, stack in enumerate(sample.stacks):
        name = f"stack_{k}"
        spacing = tuple(stack.spacing_mm)
        yield Volume(name, {name: stack.image}, stack.label, stack.affine, spacing)
