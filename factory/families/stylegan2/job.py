"""StyleGAN2-ADA for `factory train`: its slices, its card, its scores."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from factory.config.loading import CheckedDocument
from factory.errors import FactoryError, RecipeError
from factory.families.feature_extractors import find_extractor, images_to_compare
from factory.families.stylegan2.data import (
    PlaneSampler,
    find_label_table,
    read_planes,
    split_by_subject,
)
from factory.families.stylegan2.recipe import StyleGanTraining
from factory.families.stylegan2.snapshots import (
    SampleJudge,
    Snapshots,
    generator_entries,
    spacing_entry,
)
from factory.families.stylegan2.train import build_networks, train
from factory.models.checkpoint import load_state, load_weights, read_card, save_model
from factory.models.stylegan2.network import Generator, StyleGanConfig
from factory.storage.subjects.slices import TABLES, Plane
from factory.training.run import Run

PART = "stylegan2"
SIDED = re.compile("left|right|^lv|^rv")
"""Names of labels that a mirror would make untrue."""


def check(recipe: StyleGanTraining) -> None:
    if recipe.batch % (2 * recipe.workers):
        raise RecipeError(
            f"batch {recipe.batch}: allowed: a multiple of {2 * recipe.workers}, since path "
            f"lengths are taken of half a batch on {recipe.workers} worker(s)"
        )
    find_extractor(recipe.metrics.extractor)
    source = recipe.slices
    known = [table.names for name, table in TABLES.items() if getattr(source, name)]
    given = getattr(source.png or source.nifti, "label_names", None)
    sided = [name for name in [*(given or ()), *(known[0] if known else ())] if SIDED.search(name)]
    if source.mirror and source.paired and sided:
        raise RecipeError(
            f"slices.mirror: value true; the label {sided[0]} is one of a side; allowed: false, or "
            "paired: false"
        )


def parts(recipe: StyleGanTraining) -> tuple[str, ...]:
    return (PART,)


def work(recipe: StyleGanTraining, part: str, run: Run) -> None:
    planes, _ = split_by_subject(
        read_planes(recipe.slices, recipe.resolution), recipe.slices.hold_out
    )
    table = find_label_table(recipe.slices, planes)
    labels = len(table.names) if table else 0
    config = network_config(recipe, planes, labels)
    sampler = PlaneSampler(planes, labels, recipe.slices, recipe.seed)
    start = None
    if recipe.start:
        start = load_start(Path(recipe.start), config, build_networks(recipe, config)["ema"])
    snapshots = Snapshots(recipe, planes, table, run.folder) if run.rank == 0 else None
    train(recipe, config, sampler, run, start, snapshots or (lambda *_: None))


def network_config(recipe: StyleGanTraining, planes: list[Plane], labels: int) -> StyleGanConfig:
    channels = len(planes[0].image) if recipe.slices.image else 0
    return StyleGanConfig(recipe.resolution, channels, labels, **recipe.model.model_dump())


def load_start(folder: Path, config: StyleGanConfig, into: torch.nn.Module) -> torch.nn.Module:
    """The generator of a model folder. Raises RecipeError where it is another's shape."""
    card = read_card(folder)
    differing = [k for k, v in asdict(config).items() if card["config"].get(k) != v]
    if differing:
        name = differing[0]
        raise RecipeError(
            f"start: {folder} has {name} {card['config'].get(name)}, the recipe "
            f"{getattr(config, name)}"
        )
    return load_weights(folder, "generator", into, card)


def export(loaded: CheckedDocument[StyleGanTraining], output: Path) -> Path:
    """OUTPUT/model: the best snapshot by FID, or by KID where there are too few slices for it.
    The best by the other metrics stay in OUTPUT/stylegan2/snapshots."""
    recipe = loaded.spec
    folder = output / PART
    best = json.loads((folder / "best.json").read_text(encoding="utf-8"))
    if not best:
        raise FactoryError(f"{folder}: no snapshot beyond the start; nothing to export")
    kimg = best.get("fid", best.get("kid"))
    chosen = folder / "snapshots" / f"kimg-{kimg:08.2f}"
    planes, held = split_by_subject(
        read_planes(recipe.slices, recipe.resolution), recipe.slices.hold_out
    )
    table = find_label_table(recipe.slices, planes)
    config = network_config(recipe, planes, len(table.names) if table else 0)
    modules = build_networks(recipe, config)
    hours = load_state(folder / "checkpoint.safetensors", modules, {})["hours"]
    generator = modules["ema"]
    load_weights(chosen, "generator", generator, read_card(chosen))
    rows = pd.read_csv(folder / "scores.csv")
    rows = rows.astype(object).where(rows.notna(), None).to_dict("records")
    slices = {k: v for k, v in loaded.data["slices"].items() if k == "hold_out"}
    card: dict[str, Any] = {
        "name": recipe.name,
        **generator_entries(recipe, config, table),
        "training": {
            **spacing_entry(recipe),
            "kimg": kimg,
            "kimg_trained": rows[-1]["kimg"],
            "best": best,
            "subjects": sorted({p.subject for p in planes}),
            "slices": len(planes),
            "held_out": sorted({p.subject for p in held}),
            "scores": [r for i, r in enumerate(rows) if i in (0, len(rows) // 2, len(rows) - 1)],
            "hours": round(hours, 3),
            "recipe": {**{k: v for k, v in loaded.data.items() if k != "output"}, "slices": slices},
            "torch": torch.__version__,
        },
        "loss_curve": Run(folder).loss_curve(),
    }
    save_model(output / "model", {"generator": generator}, card)
    return output / "model"


def score(folder: Path, recipe: StyleGanTraining, output: Path) -> pd.DataFrame:
    """The model against the slices learnt from, and held-out ones where there are any; real
    against real split in half beside."""
    planes, held = split_by_subject(
        read_planes(recipe.slices, recipe.resolution), recipe.slices.hold_out
    )
    table = find_label_table(recipe.slices, planes)
    output.mkdir(parents=True, exist_ok=True)
    judged = SampleJudge(recipe, planes, table)
    card = read_card(folder)
    config = StyleGanConfig(**card["config"])
    rng = torch.Generator().manual_seed(0)
    generator = load_weights(folder, "generator", Generator(config, rng), card)
    assert isinstance(generator, Generator)
    made = judged.extract(images_to_compare(*judged.draw(generator), judged.names))
    return judged.table(made, held)


def text(table: pd.DataFrame) -> list[str]:
    return str(table.to_string(index=False)).splitlines()
