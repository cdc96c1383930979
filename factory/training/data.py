"""The subjects of a training recipe, their label table, and the ranges of their ages and sizes."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from factory.config.subject_files import full_mapping
from factory.errors import RecipeError
from factory.imaging.label_ranges import label_sizes
from factory.storage.json_value import JsonObject
from factory.storage.subjects.bids import find_mapping, list_bids_subjects
from factory.storage.subjects.label_mappings import (
    LabelMapping,
    mapping_table,
)
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.nifti import list_nifti_subjects
from factory.storage.subjects.records import Record
from factory.storage.subjects.short_axis import HEART, list_short_axis_subjects
from factory.storage.subjects.survey import survey_subject
from factory.storage.subjects.types import (
    CALLOSUM,
    FETA,
    FETA_WITH_CALLOSUM,
    LabelTable,
    Subject,
)
from factory.training.recipe import TrainingSubjects
from factory.training.tables import map_subject


def training_subjects(section: TrainingSubjects, spacing_mm: float | None) -> list[Subject]:
    """Load the subjects to train on.

    Args:
        section: The recipe's `subjects`.
        spacing_mm: Voxel size of all volumes (in stacks: in plane); None keeps that of the files.
    """
    records = [r for r in subject_records(section) if person_id(r) not in section.hold_out]
    return load_subjects(section, records, spacing_mm)


def training_subjects_at_all_spacings(section: TrainingSubjects) -> list[Subject]:
    """Load the subjects to train on at each spacing of the recipe, one spacing after another."""
    return [s for spacing in section.spacing_mm for s in training_subjects(section, spacing)]


def held_out_subjects(section: TrainingSubjects, spacing_mm: float | None = None) -> list[Subject]:
    """Load the subjects that are never trained on.

    Args:
        section: The recipe's `subjects`.
        spacing_mm: Voxel size of all volumes (in stacks: in plane); None keeps that of the files.
    """
    records = [r for r in subject_records(section) if person_id(r) in section.hold_out]
    return load_subjects(section, records, spacing_mm)


def load_subjects(
    section: TrainingSubjects, records: Iterable[Record], spacing_mm: float | None
) -> list[Subject]:
    """Load subjects of a training recipe, their labels in the table of the training.

    Args:
        section: The recipe's `subjects`.
        records: Records of the subjects.
        spacing_mm: Voxel size of all volumes (in stacks: in plane); None keeps that of the files.
    """
    table = training_table(section)
    return [map_subject(load_subject(record, spacing_mm), table) for record in records]


def training_table(section: TrainingSubjects) -> LabelTable:
    """Return the label table of a training.

    It is FETA's, that of hearts, or else the labels that occur in any subject, held out or not, in
    the order of the mapping. In the last case the label maps are read, once in each process.

    Raises:
        SubjectError: A subject cannot be read.
        RecipeError: The mapping takes the corpus callosum out of FETA's white matter.
    """
    if section.layout == "short_axis":
        return HEART
    table = mapping_table(training_mapping(section))
    if table is FETA:
        return FETA
    if table is FETA_WITH_CALLOSUM:
        raise RecipeError(f"subjects.mapping: {CALLOSUM}; allowed: {', '.join(FETA.names)}")
    surveys = [survey_subject(json.dumps(record)) for record in list_records(section)]
    present = {table.names[0], *(name for survey in surveys for name in survey.names)}
    labels = zip(table.names, table.colours, strict=True)
    names, colours = zip(*(pair for pair in labels if pair[0] in present), strict=True)
    return LabelTable(names, colours)


def training_mapping(section: TrainingSubjects) -> str | LabelMapping | None:
    """Return the mapping of a recipe's subjects as readers take it.

    Raises:
        SubjectError: There is none.
    """
    mapping = section.mapping
    if section.layout == "bids":
        mapping = find_mapping(Path(section.path), mapping)  # type: ignore[assignment]
    return full_mapping(mapping, section.others)


def subject_channels(section: TrainingSubjects) -> tuple[str, ...]:
    """Return the names of the channels of a recipe's images; () for one without a name."""
    images = section.images
    if isinstance(images, dict):
        return tuple(sorted(images))
    return images if isinstance(images, tuple) else ()


def scoring_spacing_mm(section: TrainingSubjects) -> float | None:
    """Return the spacing at which a model is scored: the files' (None), or a stack's first one."""
    return section.spacing_mm[0] if section.layout == "short_axis" else None


def person_id(record: Record) -> str:
    """Return the person of a record; a person's records are trained on or held out together."""
    return str(record.get("person", record["id"]))


def list_records(section: TrainingSubjects) -> list[Record]:
    """List the records of all subjects of a training recipe, held out or not."""
    if section.layout == "short_axis":
        return [*list_short_axis_subjects(section.path)]
    mapping, images = training_mapping(section), section.images
    if section.layout == "bids":
        suffixes = images if isinstance(images, tuple) else None
        return [*list_bids_subjects(section.path, section.rec, mapping, None, suffixes)]
    assert section.labels is not None
    assert mapping is not None
    patterns = None if isinstance(images, tuple) else images
    return [*list_nifti_subjects(section.path, section.labels, patterns, mapping)]


def subject_records(section: TrainingSubjects) -> list[Record]:
    """List the records of all subjects, and check that the recipe fits them.

    Raises:
        SubjectError: A subject cannot be read, or has a label value that the mapping lacks.
        RecipeError: `hold_out` names an unknown person or everybody, or the labels are unsuitable.
    """
    records = list_records(section)
    training_table(section)
    persons = list(dict.fromkeys(person_id(record) for record in records))
    for name in section.hold_out:
        if name not in persons:
            raise RecipeError(
                f"subjects.hold_out: {name!r} is not in {section.path}: {', '.join(persons)}"
            )
    if len(persons) == len(section.hold_out):
        raise RecipeError(
            f"subjects.hold_out: all {len(persons)} subjects are held out; none is left"
        )
    return records


def check_slice_orientations(section: TrainingSubjects, orientations: Sequence[str]) -> None:
    """Check that slices are cut only where the subjects have voxels to see in them.

    Args:
        section: The recipe's `subjects`.
        orientations: The orientations of the training slices.

    Raises:
        RecipeError: Stacks or single slices are cut across.
    """
    if tuple(orientations) == ("axial",):
        return
    listed = ", ".join(orientations)
    if section.layout == "short_axis":
        raise RecipeError(
            f"orientations: {listed}; allowed for stacks: axial, the only direction in which their "
            "slices are thin enough"
        )
    if section.layout == "bids" and training_table(section) is FETA:
        return
    for record in list_records(section):
        if survey_subject(json.dumps(record)).box_mm[0] == 0:
            raise RecipeError(
                f"orientations: {listed}; {record['id']} is a single slice; allowed: axial"
            )


def check_images(section: TrainingSubjects) -> None:
    """Check that a recipe says where the images of its subjects are.

    Raises:
        RecipeError: It does not.
    """
    if section.layout == "nifti" and section.images is None:
        raise RecipeError(
            "subjects.images: missing; this training learns from images; allowed: a file name with "
            "{subject} in it"
        )


def subject_ranges(subjects: list[Subject]) -> JsonObject:
    """Return the ranges of subjects' ages, and of the volume and depth of each label.

    Returns:
        {"labels": {name: {measure: [low, high]}}} and, where ages are known,
        "gestational_age_weeks": [low, high].
    """
    names = subjects[0].table.names
    all_ages = [s.metadata.get("gestational_age_weeks") for s in subjects]
    ages = [age for age in all_ages if age is not None]
    sizes = [label_sizes(s.label, s.grid.spacing, len(names)) for s in subjects]
    labels = {}
    for value, name in enumerate(names[1:], start=1):
        by_subject = [subject_sizes[value] for subject_sizes in sizes]
        labels[name] = {
            key: value_range([size[key] for size in by_subject]) for key in by_subject[0]
        }
    ranges: JsonObject = {"labels": labels}
    if ages:
        ranges["gestational_age_weeks"] = value_range(ages)
    return ranges


def value_range(values: Iterable[float]) -> list[float]:
    """Return the lowest and the highest value, rounded to three decimals."""
    ordered = list(values)
    return [round(float(min(ordered)), 3), round(float(max(ordered)), 3)]
