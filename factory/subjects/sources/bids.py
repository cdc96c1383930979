"""Image and label pairs in the layout of the FeTA challenge (BIDS)."""

from collections.abc import Iterable
from typing import Any, ClassVar

from factory.config.section import Section
from factory.config.types import Text
from factory.subjects.files import FileSource, Mapping, mapping_labels, mapping_tissues
from factory.subjects.source import Record


class Bids(Section):
    """Image and label pairs in the layout of the FeTA challenge; without a mapping, the
    dataset's dseg.tsv says what its labels are."""

    path: Text
    rec: Text | None = None
    mapping: Mapping | None = None
    participants: tuple[Text, ...] | None = None


class BidsSource(FileSource):
    name: ClassVar[str] = "bids"
    Section: ClassVar[type[Section]] = Bids

    def records(self, section: Bids) -> list[Record]:
        from factory.storage.subjects.bids import bids_subjects

        wanted = None if section.participants is None else list(section.participants)
        mapping: Any = section.mapping
        return bids_subjects(section.path, section.rec, mapping, wanted)

    def tissues(self, section: Bids) -> set[str]:
        return mapping_tissues(section.mapping)

    def extra_labels(self, section: Bids) -> Iterable[tuple[str, str]]:
        return mapping_labels(section.mapping)


SOURCE = BidsSource()
