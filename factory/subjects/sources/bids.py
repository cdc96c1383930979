"""The source `bids`: image and label pairs in the layout of the FeTA challenge (BIDS)."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import model_validator

from factory.config.section import Section
from factory.config.subject_files import RecipeMapping, check_channel_names, full_mapping
from factory.config.types import ChannelName, LabelName, Text
from factory.storage.subjects.label_mappings import LabelMapping
from factory.storage.subjects.records import Record
from factory.subjects.files import (
    MappedSource,
    Participants,
    add_table,
    requested_persons,
)


class Bids(Section):
    """Image and label pairs in the layout of the FeTA challenge.

    Without a mapping, the dataset's dseg.tsv says what its labels are. `images` has the suffixes of
    the channels of images of several channels; without it, the T2w or else the T1w is the image.
    """

    path: Text
    rec: Text | None = None
    mapping: RecipeMapping | None = None
    others: LabelName | None = None
    participants: Participants | None = None
    images: tuple[ChannelName, ...] | None = None

    @model_validator(mode="after")
    def _check_channels(self) -> "Bids":
        if self.images is not None:
            check_channel_names(self.images, ("images",))
        return self


class BidsSource(MappedSource):
    """Brains in a BIDS dataset (factory.storage.subjects.bids)."""

    name: ClassVar[str] = "bids"
    Section: ClassVar[type[Section]] = Bids

    def records(self, section: Bids) -> Sequence[Record]:
        """List the subjects of the section's folder."""
        from factory.storage.subjects.bids import list_bids_subjects

        mapping = self.mapping(section)
        persons = requested_persons(section.participants)
        records = list_bids_subjects(section.path, section.rec, mapping, persons, section.images)
        return add_table(records, section.participants)

    def channels(self, section: Bids) -> tuple[str, ...]:
        """Return the names of the images' channels: their suffixes."""
        return section.images or ()

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
            *list_bids_remarks(section.path, section.rec, requested_persons(section.participants)),
            *list_file_remarks(records),
        ]


SOURCE = BidsSource()
