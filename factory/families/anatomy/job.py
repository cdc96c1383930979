"""The anatomy generator for `factory train`: its training, its card and its scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factory.config.loading import CheckedDocument
from factory.errors import RecipeError
from factory.families.anatomy.model_files import AnatomyModel, save_anatomy
from factory.families.anatomy.modes import compute_modes
from factory.families.anatomy.preparation import check_edits, prepare_subjects
from factory.families.anatomy.recipe import AnatomyTraining
from factory.families.anatomy.registration import Person
from factory.families.anatomy.train import common_lattice, covariate_of, find_reference, train
from factory.models.anatomy import NodeLattice, PersonMaps, map_to_common
from factory.models.checkpoint import read_card
from factory.storage.subjects.types import Subject
from factory.training.cards import label_table_entry, match_labels, origin_entry, subjects_entry
from factory.training.data import held_out_subjects, subject_records, training_subjects
from factory.training.loop import load_checkpoint
from factory.training.run import Run

PART = "registration"


def check(recipe: AnatomyTraining) -> None:
    """Check that a recipe can be trained. See factory.families.base.Job."""
    if recipe.workers > 1:
        raise RecipeError(
            f"workers: {recipe.workers}; people are registered one after another; allowed: 1"
        )
    check_edits(recipe.anatomy)
    subject_records(recipe.subjects)


def parts(recipe: AnatomyTraining) -> tuple[str, ...]:
    """Return the only part, the registration of the people."""
    return (PART,)


def work(recipe: AnatomyTraining, name: str, run: Run) -> None:
    """Register the people."""
    train(recipe, load_people(recipe), run)


def load_people(recipe: AnatomyTraining) -> list[Subject]:
    """Load the training subjects at the recipe's first spacing, after the recipe's edits."""
    subjects = training_subjects(recipe.subjects, recipe.subjects.spacing_mm[0])
    return prepare_subjects(subjects, recipe)


def export(loaded: CheckedDocument[AnatomyTraining], output: Path) -> Path:
    """Write the model folder: the people's label maps, their maps, and the modes."""
    recipe = loaded.spec
    subjects = load_people(recipe)
    people = [Person.of(subject.label, subject.grid.spacing) for subject in subjects]
    reference = find_reference(subjects, people)
    lattice = common_lattice(people[reference], recipe.registration.lattice_mm)
    maps = PersonMaps(len(people), lattice)
    state = load_checkpoint(output / PART, {"maps": maps})
    ages = [covariate_of(subject) for subject in subjects]
    has_ages = all(age is not None for age in ages)
    mode_lattice, mask = tissue_lattice(people, maps, recipe.deformations.lattice_mm)
    phases = [subject.metadata.get("phase") for subject in subjects]
    groups = None if None in phases else [str(phase) for phase in phases]
    residual = remove_mean(maps.velocity, ages if has_ages else None, groups)
    modes = compute_modes(residual, lattice, mask, recipe.deformations, mode_lattice)
    table = subjects[0].table
    card = {
        "name": recipe.name,
        "family": "anatomy",
        "label_table": label_table_entry(table),
        "licence": recipe.licence,
        **({"growth": recipe.growth} if recipe.growth else {}),
        "mirror": recipe.deformations.mirror,
        "training": {
            **subjects_entry(recipe.subjects, subjects),
            "reference": subjects[reference].id,
            "hours": round(state["hours"], 3),
            **origin_entry(loaded.data),
        },
        "loss_curve": Run(output / PART).loss_curve(),
    }
    model = AnatomyModel(
        card,
        tuple(people),
        tuple(age for age in ages if age is not None) if has_ages else (),
        lattice,
        maps.logarithm,
        maps.velocity,
        mode_lattice,
        modes,
        tuple(groups or ()),
    )
    save_anatomy(output / "model", model)
    return output / "model"


@torch.no_grad()
def tissue_lattice(
    people: list[Person], maps: PersonMaps, step_mm: float
) -> tuple[NodeLattice, torch.Tensor]:
    """Return a lattice of the common space, and where on it anybody has tissue, with a margin."""
    lattice = NodeLattice.covering(tuple((2 * maps.lattice.half_mm).tolist()), step_mm)
    far = torch.zeros(3)
    for index, person in enumerate(people):
        corners = np.argwhere(person.label > 0)[::97]
        points = torch.from_numpy((corners - person.centre) * person.spacing).float()
        common = map_to_common(points, maps.logarithm[index], maps.velocity[index], maps.lattice)
        far = torch.maximum(far, common.abs().amax(0))
    return lattice, (lattice.points() / (far * 1.15)).square().sum(-1) < 1


def remove_mean(
    velocity: torch.Tensor, ages: list[float | None] | None, groups: list[str] | None = None
) -> torch.Tensor:
    """Return velocities without their mean, that of their group, or their course with age."""
    columns = [np.ones(len(velocity))]
    if groups is not None:
        columns = [np.array([g == one for g in groups], float) for one in sorted(set(groups))]
    if ages is not None:
        years = np.asarray(ages, float)
        years = (years - years.mean()) / max(float(years.std()), 1e-6)
        columns += [years, years**2][: max(0, len(velocity) - 3)]
    design = torch.from_numpy(np.stack(columns, 1)).float()
    flat = velocity.flatten(1)
    fitted = design @ (torch.linalg.pinv(design) @ flat)
    residual: torch.Tensor = (flat - fitted).reshape(velocity.shape)
    return residual


def score(folder: Path, recipe: AnatomyTraining, output: Path) -> pd.DataFrame | None:
    """Score a model by its best fits to held-out people."""
    from factory.families.anatomy.scoring import evaluate

    subjects = held_out_subjects(recipe.subjects, recipe.subjects.spacing_mm[0])
    subjects = prepare_subjects(subjects, recipe)
    subjects = match_labels(read_card(folder), subjects, "subjects")
    return evaluate(folder, subjects, output) if subjects else None


def text(table: pd.DataFrame) -> list[str]:
    """Return the lines of a table of scores: each person's Dice by affine map, fit and warp."""
    rows = table[table["label"] == "mean"]
    lines = [f"{'':24}  affine     fit    dense"]
    for row in rows.itertuples():
        lines.append(f"{row.subject:24} {row.affine:7.3f} {row.fit:7.3f}  {row.dense:7.3f}")
    return lines
