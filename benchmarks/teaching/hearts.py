"""Protocol 2: hearts of one vendor teach a segmenter that is tested on those of another.

    python -m benchmarks.teaching.hearts OUTPUT --data ../shared/data
        [--steps 600 1800] [--seeds 3] [--sweep ROW] [--rows ROW …]

Trained on Philips people, tested on Siemens people, five of whom leave the test: a contrast is
fitted to them, and they are added as real ones in the rival row. SPADE is trained on the Philips
people. The gap is measured against "trained on Siemens" and "trained on both": the tested people
in two halves, each of which is tested by the segmenter of the other one. Every row of a
budget has the same steps, the same augmentation, and equal shares of its datasets. --sweep changes
the share of the synthetic samples of one row. Everything that is finished is kept in OUTPUT; the
same command goes on.
Printed and written to OUTPUT/table.md: the mean Dice of LV pool, myocardium and RV, and its 95 %
interval over seeds and people.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

import factory
from benchmarks.teaching.rows import Fold, Protocol, Row, sweep_rows, write_table
from benchmarks.teaching.segmenter import TrainingPlan
from benchmarks.teaching.spade import link_people, train_spade
from factory.execution.options import RenderOptions, RunOptions
from factory.families.contrast.fit_file import write_fit

SPACING_MM, FITTED_PEOPLE, SPADE_EPOCHS = 1.5, 5, 16
CLASSES = {"lv_pool": 1, "myocardium": 2, "rv": 3}

RECIPE = """
seed: 1
subjects:
  short_axis: {{path: {data}, participants: [{people}]}}
{more}
output: {{path: {output}, spacing_mm: {spacing}}}
"""

CONTRASTS = {
    "random": "{{preset: random, layers: {{background: {{count: 4, by: image, spread: 1}}}}}}",
    "random-own": (
        "{{preset: random, texture: image,"
        " labels: {{background: {{mean: {{uniform: [0.1, 0.6]}}, sd: {{uniform: [0.1, 0.3]}}}}}}}}"
    ),
    "fitted": "{{fitted: {fit}, layers: {{background: {{count: 4, by: image, spread: 1}}}}}}",
    "fitted-own": "{{fitted: {fit}, texture: image}}",
}
"""Contrasts with noise inside the labels, and with the texture of the Philips images ("own")."""

SPADE = """
appearance: {{model: {model}}}
replicates: 4
"""

ROWS = {
    "real alone": ("real",),
    "with random contrast": ("real", "random"),
    "with random contrast, own texture": ("real", "random-own"),
    "with fitted contrast": ("real", "fitted"),
    "with fitted contrast, own texture": ("real", "fitted-own"),
    "with SPADE": ("real", "spade"),
    "with five real": ("real", "five"),
    "with fitted contrast, own texture, and five real": ("real", "fitted-own", "five"),
    "with all": ("real", "random-own", "fitted-own", "spade", "five"),
}
"""The datasets of each row."""


def list_people(data: Path, vendor: str) -> list[str]:
    """Return the people of a vendor who have label maps, in alphabetical order."""
    table = pd.read_csv(data / "participants.csv")
    people = table.loc[table["VendorName"] == vendor, "External code"]
    return sorted(person for person in people if (data / person).is_dir())


def render_stacks(output: Path, name: str, people: Iterable[str], data: Path, more: str) -> str:
    """Render a dataset of some people unless it is there, and return its path."""
    path, recipe = output / f"{name}.zarr", output / f"{name}.yaml"
    text = RECIPE.format(
        data=data, people=", ".join(people), more=more, output=path, spacing=SPACING_MM
    )
    recipe.write_text(text)
    options = RenderOptions(run=RunOptions(serial=True, progress=False))
    factory.render(factory.load_recipe(recipe), options=options)
    return str(path)


def make_dataset(output: Path, data: Path, name: str) -> str:
    """Render or import the dataset of a name, and return its path."""
    philips, siemens = list_people(data, "Philips"), list_people(data, "Siemens")
    five, tested = siemens[:FITTED_PEOPLE], siemens[FITTED_PEOPLE:]
    people = {"five": five, "test": tested, "siemens-a": tested[::2], "siemens-b": tested[1::2]}
    more = "appearance: original"
    if name in CONTRASTS:
        fit = output / "siemens.yaml"
        folder = link_people(data, output / "five", five)
        labels, images = "{subject}/*_ED_sa_gt.nii.gz", "{subject}/*_ED_sa.nii.gz"
        write_fit(str(folder), labels, images, "mnms", None, str(fit))
        contrast = CONTRASTS[name].format(fit=fit)
        more = f"appearance: {{contrast: {contrast}}}\nreplicates: 4"
    if name == "spade":
        folder = link_people(data, output / "philips", philips)
        model = train_spade("cardiac-spade", folder, output / "spade", SPADE_EPOCHS)
        more = SPADE.format(model=model)
    return render_stacks(output, name, people.get(name, philips), data, more)


def rows_of_table() -> list[Row]:
    """Return the rows, and the one that the gap is measured against."""
    rows = [
        Row(name, (Fold(dict.fromkeys(train, 1 / len(train)), "test"),))
        for name, train in ROWS.items()
    ]
    ways = (("siemens-a", "siemens-b"), ("siemens-b", "siemens-a"))
    alone = tuple(Fold({one: 1.0}, other) for one, other in ways)
    both = tuple(Fold({"real": 0.5, one: 0.5}, other) for one, other in ways)
    return [*rows, Row("trained on Siemens", alone), Row("trained on both", both)]


def main() -> None:
    """Render, train every row with every seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--steps", type=int, nargs="+", default=[600])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", default=[], help="some rows by their names")
    parser.add_argument("--sweep", choices=(*CONTRASTS, "spade"))
    arguments = parser.parse_args()
    output: Path = arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    data = (arguments.data / "cardiac-mnms").resolve()
    protocol = Protocol(
        output,
        TrainingPlan(
            CLASSES, dimensions=2, patch=96, batch=8, width=16, foreground=0.9, augment=True
        ),
        list(CLASSES),
        lambda name: make_dataset(output, data, name),
        lambda subject: subject.partition("-")[0],
    )
    rows = [row for row in rows_of_table() if not arguments.rows or row.name in arguments.rows]
    if arguments.sweep:
        real, synthetic = Fold({"real": 1.0}, "test"), Fold({arguments.sweep: 1.0}, "test")
        rows = sweep_rows(arguments.sweep, [real], [synthetic])
    write_table(protocol, rows, arguments.steps, arguments.seeds, list(CLASSES))


if __name__ == "__main__":
    main()
