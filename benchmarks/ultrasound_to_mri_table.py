"""How far MR drawn from ultrasound must be deformed to become real MR, model beside model.

    python benchmarks/ultrasound_to_mri_table.py --recipe recipes/train/ultrasound-to-mri.yaml
        --set ultrasound.path=… --set subjects.path=… --output FOLDER NAME=MODEL …

Each NAME=MODEL is a row: a folder that `factory train` made by the recipe or a change of it. The
heads and volumes scored are those that the recipe holds out; a model that learnt from one of them
is refused. Writes FOLDER/table.csv, table.md and table.png. The measure is that of
factory.metrics.deformation, and not comparable with the paper's figures.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factory.families.registry import load_training
from factory.families.ultrasound_to_mri.data import ultrasound_plane
from factory.families.ultrasound_to_mri.job import split_head_records
from factory.families.ultrasound_to_mri.painter import UltrasoundPainter, paint_planes
from factory.families.ultrasound_to_mri.scoring import (
    deformation_scores,
    draw_comparison,
    real_mri_rows,
    reference_planes,
)
from factory.metrics.deformation import COLUMNS, summary_row
from factory.storage.subjects.load import load_subject
from factory.training.data import held_out_subjects


def main() -> None:
    """Score all models, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="recipes/train/ultrasound-to-mri.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("models", nargs="+", metavar="NAME=MODEL")
    options = parser.parse_args()
    recipe = load_training(options.recipe, options.set).spec
    records = split_head_records(recipe.ultrasound)[1]
    heads = [load_subject(r, None) for r in records]
    us = np.stack([ultrasound_plane(head) for head in heads])
    against = reference_planes(held_out_subjects(recipe.subjects))
    rows = [(*r, "", "") for r in real_mri_rows(against)]
    rows.append((*summary_row("the ultrasound itself", deformation_scores(us, against)), "", ""))
    pictures = {}
    for argument in options.models:
        name, _, folder = argument.partition("=")
        painter = UltrasoundPainter(Path(folder), torch.device("cpu"))
        training = painter.card["training"]
        training_ids = set(training["subjects"]) | set(training["mri_subjects"])
        held_out = {r["id"] for r in records} | set(recipe.subjects.hold_out)
        if training_ids & held_out:
            parser.error(f"{name}: learnt from {', '.join(sorted(training_ids & held_out))}")
        pictures[name] = paint_planes(painter.generator, us)
        scores = deformation_scores(pictures[name], against)
        rows.append((*summary_row(name, scores), training["steps"], training["hours"]))
        print(name, rows[-1][1:], flush=True)
    table = pd.DataFrame(rows, columns=[*COLUMNS, "steps", "hours"])
    options.output.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.output / "table.csv", index=False)
    (options.output / "table.md").write_text(markdown(table), encoding="utf-8")
    draw_comparison(options.output / "table.png", us, pictures, [plane for plane, _ in against])
    print(markdown(table))


def markdown(table: pd.DataFrame) -> str:
    """Return the table as Markdown."""

    def cell(value: object) -> str:
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    lines = [list(table.columns), ["---"] * len(table.columns)]
    lines += [[cell(v) for v in values] for values in table.itertuples(index=False)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
