"""StyleGAN2-ADA for `factory train`: its training, its card and its scores."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch

from factory.config.loading import CheckedDocument
from factory.errors import FactoryError, RecipeError
from factory.families.feature_extractors import find_extractor
from factory.families.stylegan2.data import (
    PlaneSampler,
    find_label_table,
    list_image_channels,
    read_recipe_planes,
    split_by_subject,
)
from factory.families.stylegan2.recipe import StyleGanTraining
from factory.families.stylegan2.snapshots import (
    BEST_FILE,
    SampleJudge,
    Snapshots,
    generator_entries,
    read_snapshot_scores,
    snapshot_folder,
    spacing_entry,
)
from factory.families.stylegan2.train import build_networks, train
from factory.models.checkpoint import load_weights, read_card, save_model
from factory.models.stylegan2.network import Generator, StyleGanConfig
from factory.storage.json_value import JsonObject
from factory.storage.subjects.slices import TABLES, Plane
from factory.training.data import training_table
from factory.training.loop import load_checkpoint
from factory.training.run import Run

PART = "stylegan2"

SIDED = re.compile("left|right|^lv|^rv")
"""Names of labels that are wrong in a mirror image."""


def check(recipe: StyleGanTraining) -> None:
    """Check that a recipe can be trained. See factory.families.base.Job."""
    if recipe.batch % (2 * recipe.workers):
        raise RecipeError(
            f"batch {recipe.batch}: allowed: a multiple of {2 * recipe.workers}, since path "
            f"lengths are taken of half a batch on {recipe.workers} worker(s)"
        )
    find_extractor(recipe.metrics.extractor)
    source = recipe.slices
    names = list(getattr(source.png or source.nifti, "label_names", None) or ())
    names += [n for key, table in TABLES.items() if getattr(source, key) for n in table.names]
    if source.subjects:
        names += training_table(source.subjects).names
    sided = [name for name in names if SIDED.search(name)]
    if source.mirror and source.paired and sided:
        raise RecipeError(
            f"slices.mirror: value true; the label {sided[0]} is one of a side; allowed: false, or "
            "paired: false"
        )


def parts(recipe: StyleGanTraining) -> tuple[str, ...]:
    """Return the only part: both networks are trained together."""
    return (PART,)


def work(recipe: StyleGanTraining, part: str, run: Run) -> None:
    """Train the networks as one of the workers; rank 0 takes the snapshots."""
    planes, _ = read_and_split(recipe)
    table = find_label_table(recipe.slices, planes)
    labels = len(table.names) if table else 0
    config = network_config(recipe, planes, labels)
    sampler = PlaneSampler(planes, labels, recipe.slices, recipe.seed)
    start = None
    if recipe.start:
        start = load_start(Path(recipe.start), config, build_networks(recipe, config).ema)
    if run.rank == 0:
        snapshot = Snapshots(recipe, planes, table, run.folder).take
        train(recipe, config, sampler, run, start, snapshot)
    else:
        train(recipe, config, sampler, run, start, lambda generator, kimg: None)


def read_and_split(recipe: StyleGanTraining) -> tuple[list[Plane], list[Plane]]:
    """Return the slices to train on, and those of held-out subjects."""
    planes = read_recipe_planes(recipe.slices, recipe.resolution)
    return split_by_subject(planes, recipe.slices.hold_out)


def network_config(recipe: StyleGanTraining, planes: list[Plane], labels: int) -> StyleGanConfig:
    """Return the configuration of the networks.

    Args:
        recipe: The training recipe.
        planes: The training slices, whose image channels are counted.
        labels: Number of labels, including the background; 0 for images alone.
    """
    channels = len(planes[0].image) if recipe.slices.image else 0
    return StyleGanConfig(recipe.resolution, channels, labels, **recipe.model.model_dump())


def load_start(folder: Path, config: StyleGanConfig, network: Generator) -> Generator:
    """Load the generator from which a new training starts.

    Args:
        folder: Its model folder.
        config: The configuration that the recipe asks for.
        network: A generator of this configuration, which receives the weights.

    Raises:
        RecipeError: The model has another configuration.
        WeightsError: The folder does not contain a model.
    """
    card = read_card(folder)
    for name, value in asdict(config).items():
        if card["config"].get(name) != value:
            raise RecipeError(
                f"start: {folder} has {name} {card['config'].get(name)}, the recipe {value}"
            )
    load_weights(folder, "generator", network, card)
    return network


def export(loaded: CheckedDocument[StyleGanTraining], output: Path) -> Path:
    """Write the model folder: the best snapshot by FID, or by KID if there are too few slices.

    The best ones by the other scores stay in OUTPUT/stylegan2/snapshots.

    Raises:
        FactoryError: There is no snapshot after the start.
    """
    recipe = loaded.spec
    folder = output / PART
    best = json.loads((folder / BEST_FILE).read_text(encoding="utf-8"))
    if not best:
        raise FactoryError(f"{folder}: no snapshot beyond the start; nothing to export")
    kimg = best.get("fid", best.get("kid"))
    snapshot = snapshot_folder(folder, kimg)
    planes, held_out = read_and_split(recipe)
    table = find_label_table(recipe.slices, planes)
    config = network_config(recipe, planes, len(table.names) if table else 0)
    networks = build_networks(recipe, config)
    hours = load_checkpoint(folder, networks.by_name())["hours"]
    load_weights(snapshot, "generator", networks.ema, read_card(snapshot))
    rows = read_snapshot_scores(folder)
    card: JsonObject = {
        "name": recipe.name,
        **generator_entries(recipe, config, table, list_image_channels(recipe.slices, planes)),
        "training": {
            **spacing_entry(recipe),
            "kimg": kimg,
            "kimg_trained": rows[-1]["kimg"],
            "best": best,
            "subjects": sorted({plane.subject for plane in planes}),
            "slices": len(planes),
            "held_out": sorted({plane.subject for plane in held_out}),
            "scores": [r for i, r in enumerate(rows) if i in (0, len(rows) // 2, len(rows) - 1)],
            "hours": round(hours, 3),
            "recipe": remove_slice_paths(loaded.data),
            "torch": torch.__version__,
        },
        "loss_curve": Run(folder).loss_curve(),
    }
    save_model(output / "model", {"generator": networks.ema}, card)
    return output / "model"


def remove_slice_paths(recipe: JsonObject) -> JsonObject:
    """Return a recipe without folders of the machine; of the slices only `hold_out` is left."""
    others = {key: value for key, value in recipe.items() if key != "output"}
    slices = {key: value for key, value in recipe["slices"].items() if key == "hold_out"}
    return {**others, "slices": slices}


def score(folder: Path, recipe: StyleGanTraining, output: Path) -> pd.DataFrame:
    """Score a model against the training and the held-out slices; see SampleJudge.score_table."""
    planes, held_out = read_and_split(recipe)
    table = find_label_table(recipe.slices, planes)
    output.mkdir(parents=True, exist_ok=True)
    judge = SampleJudge(recipe, planes, table)
    card = read_card(folder)
    generator = Generator(StyleGanConfig(**card["config"]), torch.Generator().manual_seed(0))
    load_weights(folder, "generator", generator, card)
    features = judge.extract(judge.compared(judge.draw(generator)))
    return judge.score_table(features, held_out)


def text(table: pd.DataFrame) -> list[str]:
    """Return the table of scores as lines of plain text."""
    return str(table.to_string(index=False)).splitlines()
