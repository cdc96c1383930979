"""The description of a dataset that every export contains."""

from dataclasses import dataclass

from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.documents import DatasetRecord
from factory.storage.dataset.layout import Layout
from factory.storage.errors import ExportError, SubjectError
from factory.storage.subjects.label_mappings import resolve_mapping

UNSTATED = "not stated"
"""The licence of a dataset whose user states none."""


@dataclass(frozen=True)
class DatasetSummary:
    """A description of a dataset.

    Attributes:
        name: A name of letters and digits, from the dataset's path.
        layout: The layout of the dataset.
        record: The record of the dataset.
        licence: The licence that the user states.
        contrast: The contrast of the images, as BIDS names it.
    """

    name: str
    layout: Layout
    record: DatasetRecord
    licence: str = UNSTATED
    contrast: str = "T2w"

    @staticmethod
    def of(
        dataset: Dataset, licence: str | None = None, contrast: str | None = None
    ) -> "DatasetSummary":
        """Describe a dataset.

        Args:
            dataset: The dataset.
            licence: The licence to state; by default "not stated".
            contrast: The contrast of the images; by default "T2w".

        Raises:
            ExportError: The contrast cannot be part of a file's name.
        """
        contrast = contrast or "T2w"
        if not (contrast.isascii() and contrast.isalnum()):
            raise ExportError(f"--contrast {contrast}: allowed: letters and digits, e.g. T1w")
        stem = dataset.path.rstrip("/").rpartition("/")[2].partition(".")[0]
        words = "".join(c if c.isascii() and c.isalnum() else " " for c in stem).split()
        name = "".join(word[:1].upper() + word[1:] for word in words) or "Synthetic"
        return DatasetSummary(name, dataset.layout, dataset.record, licence or UNSTATED, contrast)

    @property
    def recipe_digest(self) -> str:
        """The digest of the dataset's recipe."""
        return self.record["recipe_digest"]

    def source_values(self) -> dict[str, list[int]]:
        """Return the values that each label had in the subjects' files, where the recipe says it.

        A table of labels that the recipe names is read again, if it is still there.
        """
        sections = self.record.get("recipe", {}).get("resolved", {}).get("subjects", {})
        values: dict[str, list[int]] = {}
        for section in sections.values():
            mapping = section.get("mapping") if isinstance(section, dict) else None
            if mapping is None:
                continue
            try:
                resolved = resolve_mapping(mapping)
            except SubjectError:
                continue
            for value, name in sorted(resolved.items()):
                if name in self.layout.table.names and value not in values.get(name, []):
                    values.setdefault(name, []).append(value)
        return values

    def description(self, samples: int) -> str:
        """Return one sentence about an export of so many samples."""
        tissues = ", ".join(self.layout.table.names[1:])
        return (
            f"{samples} synthetic images with labels ({tissues}), rendered by the "
            f"synthetic-dataset-factory from the recipe of digest {self.recipe_digest[:12]}"
        )
