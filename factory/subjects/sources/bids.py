"""The source `bids`: image and label pairs in the layout of the FeTA challenge (BIDS)."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from factory.config.section import Section
from factory.config.types import LabelName, Text
from factory.storage.subjects.label_mappings import LabelMapping
from factory.storage.subjects.records import Record
from factory.subjects.files import MappedSource, RecipeMapping, full_mapping


class Bids(Section):
    """Image and label pairs in the layout of the FeTA challenge.

    Without a mapping, the dataset's dseg.tsv says what its labels are.
    """

    path: Text
    rec: Text | None = None
    mapping: RecipeMapping | None = None
    others: LabelName | None = None
    participants: tuple[Text, ...] | None = None


class BidsSource(MappedSource):
    """Brains in a BIDS dataset (factory.storage.subjects.bids)."""

    name: ClassVar[str] = "bids"
    Section: ClassVar[type[Section]] = Bids

    def records(self, section: Bids) -> Sequence[Record]:
        """List the subjects of the section's folder."""
        from factory.storage.subjects.bids import list_bids_subjects

        mapping = self.mapping(section)
        return list_bids_subjects(section.path, section.rec, mapping, section.participants)

    def mapping(self, section: Bids) -> str | LabelMapping | None:
        """Return the section's mapping, or the dataset's dseg.tsv where that can be read."""
        table = Path(section.path) / "dseg.tsv"
        mapping = section.mapping
        if mapping is None and table.is_file():
            mapping = str(table)
        return full_mapping(mapping, section.others)

    def remarks(self, section: Bids, records: Sequence[Record]) -> Iterable[str]:
        """Return what is left out, and remarks on the files of the subjects."""
        from factory.storage.subjects.bids import list_bids_remarks
        from factory.storage.subjects.remarks import list_file_remarks

        return [
            *list_bids_remarks(section.path, section.rec, section.participants),
            *list_file_remarks(records),
        ]


SOURCE = BidsSource()
