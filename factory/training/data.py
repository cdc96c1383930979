"""The image and label pairs of a training recipe, and what is worth recording of them."""

from factory.errors import RecipeError
from factory.imaging.label_ranges import label_sizes
from factory.storage.subjects.bids import bids_subjects
from factory.storage.subjects.label_mappings import table_of
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.short_axis import short_axis_subjects
from factory.storage.subjects.types import CALLOSUM, FETA, Subject
from factory.training.recipe import TrainingSubjects


def training_subjects(part: TrainingSubjects, spacing_mm: float | None) -> list[Subject]:
    """Those to learn from, at one spacing (None: as stored)."""
    return [load_subject(r, spacing_mm) for r in records(part) if person(r) not in part.hold_out]


def held_out_subjects(part: TrainingSubjects, spacing_mm: float | None = None) -> list[Subject]:
    """Those never learnt from, at one spacing (None: as stored)."""
    return [load_subject(r, spacing_mm) for r in records(part) if person(r) in part.hold_out]


def own_spacing(part: TrainingSubjects) -> float | None:
    """The spacing to score and measure at: as stored (None); of stacks the first learnt at."""
    return part.spacing_mm[0] if part.layout == "short_axis" else None


def person(record: dict) -> str:
    """Whose a record is: several of one person are learnt from or held out together."""
    return record.get("person", record["id"])


def records(part: TrainingSubjects) -> list[dict]:
    """Every subject's record. Raises RecipeError where hold_out names one that is not there."""
    if part.layout == "short_axis":
        found = short_axis_subjects(part.path)
    else:
        found = bids_subjects(part.path, part.rec, part.mapping)
    if table_of(part.mapping) is not FETA:
        raise RecipeError(f"subjects.mapping: {CALLOSUM}; allowed: {', '.join(FETA.names)}")
    ids = list(dict.fromkeys(person(r) for r in found))
    for name in part.hold_out:
        if name not in ids:
            raise RecipeError(
                f"subjects.hold_out: {name!r} is not in {part.path}: {', '.join(ids)}"
            )
    if len(ids) == len(part.hold_out):
        raise RecipeError(f"subjects.hold_out: all {len(ids)} subjects are held out; none is left")
    return found


def seen_ranges(subjects: list[Subject]) -> dict:
    """Ranges of age, and of volume and depth a label, that a training saw, for its card."""
    table = subjects[0].table
    about = [s.metadata.get("gestational_age_weeks") for s in subjects]
    ages = [age for age in about if age is not None]
    labels = {}
    every = [label_sizes(s.label, s.grid.spacing, len(table.names)) for s in subjects]
    for value, name in enumerate(table.names[1:], start=1):
        sizes = [of[value] for of in every]
        labels[name] = {key: span([size[key] for size in sizes]) for key in sizes[0]}
    seen: dict = {"labels": labels}
    if ages:
        seen["gestational_age_weeks"] = span(ages)
    return seen


def span(values: list) -> list[float]:
    return [round(float(min(values)), 3), round(float(max(values)), 3)]
