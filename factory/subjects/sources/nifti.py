"""The source `nifti`: label maps, and images where there are any, in any folder of .nii.gz."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from pydantic import model_validator

from factory.config.section import Section
from factory.config.subject_files import (
    ImageFiles,
    RecipeMapping,
    check_patterns,
    full_mapping,
)
from factory.config.types import LabelName, Text
from factory.storage.subjects.records import Record
from factory.subjects.files import MappedSource, Participants, add_table, select_persons


class Nifti(Section):
    """Any folder of .nii.gz, by patterns with {subject}.

    Other names in braces in `labels` are covariates, e.g. "{subject}_{age_years}y_seg.nii.gz", and
    so are the columns of the table `participants`, beside participant_id; a list of `participants`
    takes these subjects alone.
    `images` has one pattern, or of images of several channels one for each by the channel's name.
    """

    path: Text
    labels: Text
    images: ImageFiles | None = None
    mapping: RecipeMapping = "feta"
    others: LabelName | None = None
    participants: Participants | None = None

    @model_validator(mode="after")
    def _check_patterns(self) -> "Nifti":
        check_patterns(self.labels, self.images)
        return self


class NiftiSource(MappedSource):
    """Brains in NIfTI files (factory.storage.subjects.nifti)."""

    name: ClassVar[str] = "nifti"
    Section: ClassVar[type[Section]] = Nifti

    def records(self, section: Nifti) -> Sequence[Record]:
        """List the subjects of the section's folder."""
        from factory.storage.subjects.nifti import list_nifti_subjects

        mapping = full_mapping(section.mapping, section.others) or section.mapping
        records = list_nifti_subjects(section.path, section.labels, section.images, mapping)
        records = select_persons(records, section.participants, section.path)
        return add_table(records, section.participants)

    def covariates(self, section: Nifti) -> tuple[str, ...]:
        """Return the names in braces of the labels' pattern, and the columns of the table."""
        from factory.storage.subjects.nifti import pattern_names

        return (*pattern_names(section.labels), *super().covariates(section))

    def channels(self, section: Nifti) -> tuple[str, ...]:
        """Return the names of the images' channels, in alphabetical order."""
        return tuple(sorted(section.images)) if isinstance(section.images, dict) else ()

    def remarks(self, section: Nifti, records: Sequence[Record]) -> Iterable[str]:
        """Return remarks on the files of the subjects, one line each."""
        from factory.storage.subjects.remarks import list_file_remarks

        return list_file_remarks(records)

    def lacks_images(self, section: Nifti) -> str | None:
        """Return "nifti without images" where the section has no pattern of images."""
        return "nifti without images" if section.images is None else None


SOURCE = NiftiSource()
