"""Image and label pairs in the layout of the FeTA challenge (BIDS)."""

from collections.abc import Iterable, Sequence
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
        from factory.storage.subjects.bids import list_bids_subjects

        mapping: Any = section.mapping
        return list_bids_subjects(
            section.path, section.rec, mapping, _requested_participants(section)
        )

    def tissues(self, section: Bids) -> set[str]:
        return mapping_tissues(section.mapping)

    def extra_labels(self, section: Bids) -> Iterable[tuple[str, str]]:
        return mapping_labels(section.mapping)

    def remarks(self, section: Bids, records: Sequence[Record]) -> Iterable[str]:
        from factory.storage.subjects.bids import list_bids_remarks
        from factory.storage.subjects.remarks import list_file_remarks

        left_out = list_bids_remarks(section.path, section.rec, _requested_participants(section))
        return [*left_out, *list_file_remarks(records)]


def _requested_participants(section: Bids) -> list[str] | None:
    return None if section.participants is None else list(section.participants)


SOURCE = BidsSource()
