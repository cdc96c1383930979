"""What every format says of the dataset it is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.layout import Layout
from factory.storage.errors import ExportError

UNSTATED = "not stated"


@dataclass(frozen=True)
class DatasetSummary:
    """A dataset in words. name: letters and digits, from its path. licence: as its owner says.
    contrast: of the images, as BIDS has it."""

    name: str
    layout: Layout
    record: Mapping[str, Any]
    licence: str = UNSTATED
    contrast: str = "T2w"

    @staticmethod
    def of(
        dataset: Dataset, licence: str | None = None, contrast: str | None = None
    ) -> "DatasetSummary":
        """Raises ExportError for a contrast that cannot be part of a file's name."""
        contrast = contrast or "T2w"
        if not (contrast.isascii() and contrast.isalnum()):
            raise ExportError(f"--contrast {contrast}: allowed: letters and digits, e.g. T1w")
        stem = dataset.path.rstrip("/").rpartition("/")[2].partition(".")[0]
        words = "".join(c if c.isascii() and c.isalnum() else " " for c in stem).split()
        name = "".join(word[:1].upper() + word[1:] for word in words) or "Synthetic"
        return DatasetSummary(name, dataset.layout, dataset.record, licence or UNSTATED, contrast)

    @property
    def recipe_digest(self) -> str:
        return str(self.record["recipe_digest"])

    def description(self, samples: int) -> str:
        tissues = ", ".join(self.layout.table.names[1:])
        return (
            f"{samples} synthetic images with labels ({tissues}), rendered by the "
            f"synthetic-dataset-factory from the recipe of digest {self.recipe_digest[:12]}"
        )
