"""The CNN fusion for `factory train`: folds of SPADE, what they paint unseen, and the network."""

from pathlib import Path

import pandas as pd
import torch

from factory.config.loading import CheckedDocument
from factory.errors import RecipeError
from factory.families.cnn_fusion.crossfit import fold_recipe, learning_records, pairs_of, unseen_by
from factory.families.cnn_fusion.data import PatchSampler
from factory.families.cnn_fusion.recipe import CnnFusionTraining
from factory.families.cnn_fusion.train import Patches, network, train
from factory.families.spade import job as spade_job
from factory.lookup import find_model
from factory.models.checkpoint import load_state, read_card, save_model
from factory.training.cards import remove_paths
from factory.training.data import held_out_subjects, person_id, subject_records, training_subjects
from factory.training.run import Run

HELD_OUT_PATCHES = 48
"""Held-out patches scored while training."""

FUSION = "fusion"
"""The last part: the network itself."""


def check(recipe: CnnFusionTraining) -> None:
    if recipe.niter + recipe.niter_decay == 0:
        raise RecipeError("niter and niter_decay are both 0: nothing to train")
    card = read_card(find_model(recipe.spade.model, "spade.model"))
    if card["family"] != "spade":
        raise RecipeError(
            f"spade.model: {recipe.spade.model}: family {card['family']!r}; allowed: a SPADE model"
        )
    seen = set(recipe.subjects.hold_out) & set(card["training"]["subjects"])
    if seen:
        raise RecipeError(
            f"spade.model: {recipe.spade.model} has learnt from {', '.join(sorted(seen))}, which "
            "subjects.hold_out keeps from it"
        )
    learnt = learning_records(recipe)
    if len(learnt) < recipe.spade.folds:
        raise RecipeError(
            f"spade.folds: {recipe.spade.folds} blocks of {len(learnt)} subjects; "
            f"allowed: at most {len(learnt)}"
        )
    for fold in folds(recipe):
        spade = fold_recipe(recipe, fold, Path(recipe.output)).spec
        spade_job.check(spade)
        if spade.batch % recipe.workers:
            raise RecipeError(
                f"{recipe.spade.recipe}: batch {spade.batch} cannot be shared evenly by "
                f"{recipe.workers} workers"
            )


def folds(recipe: CnnFusionTraining) -> range:
    return range(0) if recipe.same_subject else range(1, recipe.spade.folds + 1)


def parts(recipe: CnnFusionTraining) -> list[str]:
    """fold-1/sagittal, fold-1/coronal, …, fusion."""
    found = []
    for fold in folds(recipe):
        spade = fold_recipe(recipe, fold, Path(recipe.output)).spec
        found += [f"fold-{fold}/{part}" for part in spade_job.parts(spade)]
    return [*found, FUSION]


def work(recipe: CnnFusionTraining, part: str, run: Run) -> None:
    """One worker's share of one orientation of a fold, or of the fusion."""
    if part == FUSION:
        work_on_fusion(recipe, run)
        return
    name, orientation = part.split("/")
    output = run.folder.parents[1]
    if not (output / name / "model" / "card.json").exists():
        spade = fold_recipe(recipe, int(name.removeprefix("fold-")), output)
        spade_job.work(spade.spec, orientation, run)


def work_on_fusion(recipe: CnnFusionTraining, run: Run) -> None:
    output = run.folder.parent
    pairs = []
    if recipe.same_subject:
        model = find_model(recipe.spade.model, "spade.model")
        pairs = pairs_of(model, learning_records(recipe), recipe, output / "volumes", run)
    for fold in folds(recipe):
        folder = output / f"fold-{fold}"
        model = folder / "model"
        if run.rank == 0 and not (model / "card.json").exists():
            spade_job.export(fold_recipe(recipe, fold, output), folder)
        run.wait()
        pairs += pairs_of(model, unseen_by(recipe, fold), recipe, output / "volumes", run)
    sampler = PatchSampler(
        pairs, recipe.model.patch, turned=True, seed=recipe.seed, least_error=recipe.least_error
    )
    train(recipe, sampler, held_out_patches(recipe, sampler, run), run)


def held_out_patches(recipe: CnnFusionTraining, sampler: PatchSampler, run: Run) -> Patches:
    """Patches to watch the training by: of held-out subjects painted by the model that the fusion
    is for; of what is learnt from, where none is held out."""
    held = [r for r in subject_records(recipe.subjects) if person_id(r) in recipe.subjects.hold_out]
    if held:
        folder = run.folder.parent / "volumes"
        pairs = pairs_of(find_model(recipe.spade.model, "spade.model"), held, recipe, folder, run)
        sampler = PatchSampler(pairs, recipe.model.patch, turned=False, seed=recipe.seed)
    return sampler.batch(0, HELD_OUT_PATCHES)


def export(loaded: CheckedDocument[CnnFusionTraining], output: Path) -> Path:
    """Write OUTPUT/model: cnn.safetensors and its card; returns that folder."""
    recipe = loaded.spec
    spade = read_card(find_model(recipe.spade.model, "spade.model"))
    cnn = network(recipe, len(spade["orientations"]))
    folder = output / FUSION
    state = load_state(folder / "checkpoint.safetensors", {"cnn": cnn}, {})
    curve = Run(folder).loss_curve(points=10**9)
    described = remove_paths(loaded.data)
    described["spade"] |= {"recipe": Path(recipe.spade.recipe).name, "model": spade["name"]}
    learnt = learning_records(recipe)
    spacings = recipe.subjects.spacing_mm
    card = {
        "name": recipe.name,
        "family": "cnn_fusion",
        "config": {"volumes": len(spade["orientations"]), **recipe.model.model_dump()},
        "spade": {"name": spade["name"], "sha256": spade["sha256"]},
        "orientations": spade["orientations"],
        "licence": recipe.licence,
        "training": {
            "subjects": [r["id"] for r in learnt],
            "held_out": list(recipe.subjects.hold_out),
            "unseen_by_fold": {
                f"fold-{fold}": [r["id"] for r in unseen_by(recipe, fold)] for fold in folds(recipe)
            },
            "same_subject": recipe.same_subject,
            "spacing_mm": [min(spacings), max(spacings)],
            "patches_a_step": recipe.batch,
            "steps": state["step"],
            "hours": round(state["hours"], 3),
            "scores": {
                "start": curve[0],
                "middle": curve[len(curve) // 2],
                "end": curve[-1],
            },
            "recipe": described,
            "torch": torch.__version__,
        },
        "loss_curve": Run(folder).loss_curve(),
    }
    save_model(output / "model", {"cnn": cnn}, card)
    return output / "model"


def score(folder: Path, recipe: CnnFusionTraining, output: Path) -> pd.DataFrame | None:
    """The fusion against the mean of the same networks on held-out subjects, as stored; on those
    it has learnt from in a demonstration on the same subject."""
    from factory.families.cnn_fusion.scoring import evaluate

    subjects, title = held_out_subjects(recipe.subjects), ""
    if recipe.same_subject and not subjects:
        subjects = training_subjects(recipe.subjects, recipe.subjects.spacing_mm[0])
        title = ", same subject"
    model = find_model(recipe.spade.model, "spade.model")
    return evaluate(model, folder, subjects, output, title) if subjects else None


def text(table: pd.DataFrame) -> list[str]:
    from factory.families.cnn_fusion.scoring import markdown

    return markdown(table).splitlines()
