"""The CNN fusion for `factory train`: SPADE trained in folds, then the network that fuses."""

from pathlib import Path

import pandas as pd

from factory.config.loading import CheckedDocument
from factory.errors import RecipeError
from factory.families.base import Card
from factory.families.cnn_fusion.crossfit import (
    block_records,
    fold_recipe,
    load_pairs,
    training_records,
)
from factory.families.cnn_fusion.data import VolumePatchSampler
from factory.families.cnn_fusion.recipe import CnnFusionTraining
from factory.families.cnn_fusion.train import Patches, build_network, train
from factory.families.spade import job as spade_job
from factory.lookup import find_model
from factory.models.checkpoint import read_card, save_model
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.records import Record
from factory.text import join_names
from factory.training.cards import (
    channels_entry,
    curve_summary,
    match_subjects,
    origin_entry,
)
from factory.training.data import (
    held_out_subjects,
    person_id,
    subject_records,
    training_subjects,
    training_table,
)
from factory.training.loop import load_checkpoint
from factory.training.run import Run
from factory.training.tables import card_table

HELD_OUT_PATCHES = 48
"""Held-out patches that are scored during the training."""

FUSION = "fusion"
"""The last part: the network that fuses."""


def check(recipe: CnnFusionTraining) -> None:
    """Check that a recipe can be trained, and its folds of SPADE. See factory.families.base.Job."""
    if recipe.niter + recipe.niter_decay == 0:
        raise RecipeError("niter and niter_decay are both 0: nothing to train")
    card = read_card(find_model(recipe.spade.model, "spade.model"))
    if card["family"] != "spade":
        raise RecipeError(
            f"spade.model: {recipe.spade.model}: family {card['family']!r}; allowed: a SPADE model"
        )
    leaked = set(recipe.subjects.hold_out) & set(card["training"]["subjects"])
    if leaked:
        raise RecipeError(
            f"spade.model: {recipe.spade.model} has learnt from {', '.join(sorted(leaked))}, which "
            "subjects.hold_out keeps from it"
        )
    records = training_records(recipe)
    check_spade_labels(recipe, card)
    if len(records) < recipe.spade.folds:
        raise RecipeError(
            f"spade.folds: {recipe.spade.folds} blocks of {len(records)} subjects; "
            f"allowed: at most {len(records)}"
        )
    for fold in fold_numbers(recipe):
        spade = fold_recipe(recipe, fold, Path(recipe.output)).spec
        spade_job.check(spade)
        if spade.batch % recipe.workers:
            raise RecipeError(
                f"{recipe.spade.recipe}: batch {spade.batch} cannot be shared evenly by "
                f"{recipe.workers} workers"
            )


def check_spade_labels(recipe: CnnFusionTraining, card: Card) -> None:
    """Check that the SPADE model of a recipe knows the labels of the recipe's subjects.

    Raises:
        RecipeError: It does not.
    """
    table, known_names = training_table(recipe.subjects), card_table(card).names
    if unknown := [name for name in table.names if name not in known_names]:
        hint = nearest_name_hint(unknown[0], known_names)
        raise RecipeError(
            f"spade.model: {recipe.spade.model} does not know the labels {', '.join(unknown)} of "
            f"the subjects; it was trained on {join_names(known_names)}{hint}"
        )


def fold_numbers(recipe: CnnFusionTraining) -> range:
    """Return the numbers of the folds, from 1; none in a demonstration on the same subject."""
    return range(0) if recipe.same_subject else range(1, recipe.spade.folds + 1)


def parts(recipe: CnnFusionTraining) -> list[str]:
    """List the parts: fold-1/sagittal, fold-1/coronal, …, fusion."""
    names = []
    for fold in fold_numbers(recipe):
        spade = fold_recipe(recipe, fold, Path(recipe.output)).spec
        names += [f"fold-{fold}/{orientation}" for orientation in spade_job.parts(spade)]
    return [*names, FUSION]


def work(recipe: CnnFusionTraining, part: str, run: Run) -> None:
    """Train one orientation of a fold, or the fusion, as one of the workers."""
    if part == FUSION:
        train_fusion(recipe, run)
        return
    name, orientation = part.split("/")
    output = run.folder.parents[1]
    if not (output / name / "model" / "card.json").exists():
        spade = fold_recipe(recipe, int(name.removeprefix("fold-")), output)
        spade_job.work(spade.spec, orientation, run)


def train_fusion(recipe: CnnFusionTraining, run: Run) -> None:
    """Export the folds' models, let each paint its block, and train the fusion on the pairs."""
    output = run.folder.parent
    pairs = []
    if recipe.same_subject:
        model = find_model(recipe.spade.model, "spade.model")
        pairs = load_pairs(model, training_records(recipe), recipe, output / "volumes", run)
    for fold in fold_numbers(recipe):
        folder = output / f"fold-{fold}"
        model = folder / "model"
        if run.rank == 0 and not (model / "card.json").exists():
            spade_job.export(fold_recipe(recipe, fold, output), folder)
        run.wait()
        pairs += load_pairs(model, block_records(recipe, fold), recipe, output / "volumes", run)
    sampler = VolumePatchSampler(
        pairs, recipe.model.patch, turned=True, seed=recipe.seed, least_error=recipe.least_error
    )
    train(recipe, sampler, held_out_patches(recipe, sampler, run), run)


def held_out_patches(recipe: CnnFusionTraining, sampler: VolumePatchSampler, run: Run) -> Patches:
    """Return patches that are scored during the training.

    They are of held-out subjects, painted by the model for which the fusion is trained. If the
    recipe holds none out, they are training patches from the sampler.
    """
    records = [r for r in subject_records(recipe.subjects) if is_held_out(r, recipe)]
    if records:
        folder = run.folder.parent / "volumes"
        model = find_model(recipe.spade.model, "spade.model")
        pairs = load_pairs(model, records, recipe, folder, run)
        sampler = VolumePatchSampler(pairs, recipe.model.patch, turned=False, seed=recipe.seed)
    return sampler.batch(0, HELD_OUT_PATCHES)


def is_held_out(record: Record, recipe: CnnFusionTraining) -> bool:
    """Return whether the recipe holds out the person of a record."""
    return person_id(record) in recipe.subjects.hold_out


def export(loaded: CheckedDocument[CnnFusionTraining], output: Path) -> Path:
    """Write the model folder from the checkpoint, and return it."""
    recipe = loaded.spec
    spade = read_card(find_model(recipe.spade.model, "spade.model"))
    cnn = build_network(recipe, len(spade["orientations"]))
    folder = output / FUSION
    state = load_checkpoint(folder, {"cnn": cnn})
    origin = origin_entry(loaded.data)
    origin["recipe"]["spade"] = {
        **origin["recipe"]["spade"],
        "recipe": Path(recipe.spade.recipe).name,
        "model": spade["name"],
    }
    spacings = recipe.subjects.spacing_mm
    card = {
        "name": recipe.name,
        "family": "cnn_fusion",
        "config": {"volumes": len(spade["orientations"]), **recipe.model.model_dump()},
        "spade": {"name": spade["name"], "sha256": spade["sha256"]},
        "orientations": spade["orientations"],
        "label_table": spade["label_table"],
        **channels_entry(spade.get("channels", ())),
        "licence": recipe.licence,
        "training": {
            "subjects": [r["id"] for r in training_records(recipe)],
            "held_out": list(recipe.subjects.hold_out),
            "unseen_by_fold": {
                f"fold-{fold}": [r["id"] for r in block_records(recipe, fold)]
                for fold in fold_numbers(recipe)
            },
            "same_subject": recipe.same_subject,
            "spacing_mm": [min(spacings), max(spacings)],
            "patches_a_step": recipe.batch,
            "steps": state["step"],
            "hours": round(state["hours"], 3),
            "scores": curve_summary(Run(folder).loss_curve(points=10**9)),
            **origin,
        },
        "loss_curve": Run(folder).loss_curve(),
    }
    save_model(output / "model", {"cnn": cnn}, card)
    return output / "model"


def score(folder: Path, recipe: CnnFusionTraining, output: Path) -> pd.DataFrame | None:
    """Compare the fusion with the mean of the same networks on held-out subjects.

    A demonstration on the same subject that holds none out is scored on its training subjects. See
    factory.families.base.Job.
    """
    from factory.families.cnn_fusion.scoring import evaluate

    subjects, title = held_out_subjects(recipe.subjects), ""
    if recipe.same_subject and not subjects:
        subjects = training_subjects(recipe.subjects, recipe.subjects.spacing_mm[0])
        title = ", same subject"
    model = find_model(recipe.spade.model, "spade.model")
    subjects = match_subjects(read_card(model), subjects, "spade.model")
    return evaluate(model, folder, subjects, output, title) if subjects else None


def text(table: pd.DataFrame) -> list[str]:
    """Return the lines of a table of scores, as Markdown."""
    from factory.families.cnn_fusion.scoring import markdown

    return markdown(table).splitlines()
