"""The source `bids`: image and label pairs in the layout of the FeTA challenge (BIDS)."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from factory.config.section import Section
from factory.config.types import Text
from factory.storage.subjects.records import Record
from factory.subjects.files import FileSource, RecipeMapping, mapping_labels, mapping_tissues


class Bids(Section):
    """Image and label pairs in the layout of the FeTA challenge.

    Without a mapping, the dataset's dseg.tsv says what its labels are.
    """

    path: Text
    rec: Text | None = None
    mapping: RecipeMapping | None = None
    participants: tuple[Text, ...] | None = None


class BidsSource(FileSource):
    """Brains in a BIDS dataset (factory.storage.subjects.bids)."""

    name: ClassVar[str] = "bids"
    Section: ClassVar[type[Section]] = Bids

    def records(self, section: Bids) -> Sequence[Record]:
        """List the subjects of the section's folder."""
        from factory.storage.subjects.bids import list_bids_subjects

        return list_bids_subjects(section.path, section.rec, section.mapping, section.participants)

    def tissues(self, section: Bids) -> set[str]:
        """Return the tissues that the section's mapping names."""
        return mapping_tissues(section.mapping)

    def extra_labels(self, section: Bids) -> Iterable[tuple[str, str]]:
        """Return the corpus callosum where the section's mapping names it."""
        return mapping_labels(section.mapping)

    def remarks(self, section: Bids, records: Sequence[Record]) -> Iterable[str]:
        """Return what is left out, and remarks on the files of the subjects."""
        from factory.storage.subjects.bids import list_bids_remarks
        from factory.storage.subjects.remarks import list_file_remarks

        return [
            *list_bids_remarks(section.path, section.rec, section.participants),
            *list_file_remarks(records),
        ]


SOURCE = BidsSource()
