"""The subjects of a training recipe, and the ranges of their ages and label sizes."""

from collections.abc import Iterable

from factory.errors import RecipeError
from factory.imaging.label_ranges import label_sizes
from factory.storage.json_value import JsonObject
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.label_mappings import mapping_table
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.records import Record
from factory.storage.subjects.short_axis import list_short_axis_subjects
from factory.storage.subjects.types import CALLOSUM, FETA, Subject
from factory.training.recipe import TrainingSubjects


def training_subjects(section: TrainingSubjects, spacing_mm: float | None) -> list[Subject]:
    """Load the subjects to train on.

    Args:
        section: The recipe's `subjects`.
        spacing_mm: Voxel size of all volumes (in stacks: in plane); None keeps that of the files.
    """
    records = subject_records(section)
    return [load_subject(r, spacing_mm) for r in records if person_id(r) not in section.hold_out]


def training_subjects_at_all_spacings(section: TrainingSubjects) -> list[Subject]:
    """Load the subjects to train on at each spacing of the recipe, one spacing after another."""
    return [s for spacing in section.spacing_mm for s in training_subjects(section, spacing)]


def held_out_subjects(section: TrainingSubjects, spacing_mm: float | None = None) -> list[Subject]:
    """Load the subjects that are never trained on.

    Args:
        section: The recipe's `subjects`.
        spacing_mm: Voxel size of all volumes (in stacks: in plane); None keeps that of the files.
    """
    records = subject_records(section)
    return [load_subject(r, spacing_mm) for r in records if person_id(r) in section.hold_out]


def scoring_spacing_mm(section: TrainingSubjects) -> float | None:
    """Return the spacing at which a model is scored: the files' (None), or a stack's first one."""
    return section.spacing_mm[0] if section.layout == "short_axis" else None


def person_id(record: Record) -> str:
    """Return the person of a record; a person's records are trained on or held out together."""
    return str(record.get("person", record["id"]))


def subject_records(section: TrainingSubjects) -> list[Record]:
    """List the records of all subjects of a training recipe, held out or not.

    Raises:
        RecipeError: `hold_out` names an unknown person or everybody, or the labels are unsuitable.
    """
    records: list[Record]
    if section.layout == "short_axis":
        records = [*list_short_axis_subjects(section.path)]
    else:
        records = [*list_bids_subjects(section.path, section.rec, section.mapping)]
    if mapping_table(section.mapping) is not FETA:
        raise RecipeError(f"subjects.mapping: {CALLOSUM}; allowed: {', '.join(FETA.names)}")
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
