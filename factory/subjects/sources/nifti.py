"""The source `nifti`: label maps, and images where there are any, in any folder of .nii.gz."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from pydantic import model_validator

from factory.config.section import Section, problem
from factory.config.types import LabelName, Text
from factory.storage.subjects.records import Record
from factory.subjects.files import MappedSource, RecipeMapping, full_mapping


class Nifti(Section):
    """Any folder of .nii.gz, by patterns with {subject}."""

    path: Text
    labels: Text
    images: Text | None = None
    mapping: RecipeMapping = "feta"
    others: LabelName | None = None

    @model_validator(mode="after")
    def _check_patterns(self) -> "Nifti":
        for key in ("labels", "images"):
            pattern = getattr(self, key)
            if pattern is not None and "{subject}" not in pattern:
                words = "a file name with {subject} in it"
                raise problem("value {value}; allowed: {words}", pattern, at=(key,), words=words)
        return self


class NiftiSource(MappedSource):
    """Brains in NIfTI files (factory.storage.subjects.nifti)."""

    name: ClassVar[str] = "nifti"
    Section: ClassVar[type[Section]] = Nifti

    def records(self, section: Nifti) -> Sequence[Record]:
        """List the subjects of the section's folder."""
        from factory.storage.subjects.nifti import list_nifti_subjects

        mapping = full_mapping(section.mapping, section.others) or section.mapping
        return list_nifti_subjects(section.path, section.labels, section.images, mapping)

    def remarks(self, section: Nifti, records: Sequence[Record]) -> Iterable[str]:
        """Return remarks on the files of the subjects, one line each."""
        from factory.storage.subjects.remarks import list_file_remarks

        return list_file_remarks(records)

    def lacks_images(self, section: Nifti) -> str | None:
        """Return "nifti without images" where the section has no pattern of images."""
        return "nifti without images" if section.images is None else None


SOURCE = NiftiSource()
