"""The source `nifti`: label maps, and images where there are any, in any folder of .nii.gz."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from pydantic import model_validator

from factory.config.section import Section, problem
from factory.config.types import Text
from factory.storage.subjects.records import Record
from factory.subjects.files import FileSource, RecipeMapping, mapping_labels, mapping_tissues


class Nifti(Section):
    """Any folder of .nii.gz, by patterns with {subject}."""

    path: Text
    labels: Text
    images: Text | None = None
    mapping: RecipeMapping = "feta"

    @model_validator(mode="after")
    def _check_patterns(self) -> "Nifti":
        for key in ("labels", "images"):
            pattern = getattr(self, key)
            if pattern is not None and "{subject}" not in pattern:
                words = "a file name with {subject} in it"
                raise problem("value {value}; allowed: {words}", pattern, at=(key,), words=words)
        return self


class NiftiSource(FileSource):
    """Brains in NIfTI files (factory.storage.subjects.nifti)."""

    name: ClassVar[str] = "nifti"
    Section: ClassVar[type[Section]] = Nifti

    def records(self, section: Nifti) -> Sequence[Record]:
        """List the subjects of the section's folder."""
        from factory.storage.subjects.nifti import list_nifti_subjects

        return list_nifti_subjects(section.path, section.labels, section.images, section.mapping)

    def tissues(self, section: Nifti) -> set[str]:
        """Return the tissues that the section's mapping names."""
        return mapping_tissues(section.mapping)

    def extra_labels(self, section: Nifti) -> Iterable[tuple[str, str]]:
        """Return the corpus callosum where the section's mapping names it."""
        return mapping_labels(section.mapping)

    def remarks(self, section: Nifti, records: Sequence[Record]) -> Iterable[str]:
        """Return remarks on the files of the subjects, one line each."""
        from factory.storage.subjects.remarks import list_file_remarks

        return list_file_remarks(records)

    def lacks_images(self, section: Nifti) -> str | None:
        """Return "nifti without images" where the section has no pattern of images."""
        return "nifti without images" if section.images is None else None


SOURCE = NiftiSource()
