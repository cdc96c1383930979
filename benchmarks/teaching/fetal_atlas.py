"""Protocol 3: fetal brains before surgery teach a segmenter that is tested after it, and back.

    python -m benchmarks.teaching.fetal_atlas OUTPUT --data ../shared/data
        [--steps 600] [--seeds 3] [--sweep DATASET] [--rows ROW …]

The 15 weeks of the atlas of fetuses with spina bifida: 5 `pre` and 10 `op` weeks at 1.6 mm, left
out in turn. One side is 21 to 25 weeks old and has hardly any fluid around the brain, the other is
25 to 34 weeks old; rows come with and without edits of the anatomy towards the other side: its age,
wider or narrower ventricles, and for `pre` more fluid outside. Contrasts have the texture of the
subjects' own images. They are fitted to, and SPADE is trained on, the training side alone. Every
row has the same steps, the same augmentation, and equal shares of its datasets. --sweep changes the
share of the synthetic samples of one dataset.
Everything that is finished is kept in OUTPUT; the same command goes on. Printed and written to
OUTPUT/table.md: the mean Dice of the seven tissues, its 95 % interval over seeds and people, and
the Dice of the ventricles.
"""

import argparse
from pathlib import Path

import factory
from benchmarks.teaching.rows import Fold, Protocol, Row, sweep_rows, write_table
from benchmarks.teaching.segmenter import TrainingPlan
from benchmarks.teaching.spade import link_people, train_spade
from factory.execution.options import RenderOptions, RunOptions
from factory.families.contrast.fit_file import write_fit
from factory.storage.subjects.types import FETA

SPACING_MM, SPADE_EPOCHS = 1.6, 12
TISSUES = FETA.names[1:]
SIDES = ("pre", "op")

RECIPE = """
seed: 1
subjects: {{bids: {{path: {data}, rec: svrtk, mapping: spina-bifida-atlas}}}}
anatomy:{anatomy}
appearance: {appearance}
measures: [volume_ml]
replicates: {replicates}
output: {{path: {output}, spacing_mm: {spacing}}}
"""

DEFORM = """
  - deform: {warp_mm: {uniform: [0.5, 2]}}"""

VENTRICLES = {
    "pre": """
  - grow: {to_weeks: {uniform: [23, 34]}}
  - external_csf: {wider_mm: {uniform: [0, 4]}}
  - ventriculomegaly:
      atrial_width_mm: {uniform: [12, 20]}
      mode: displace
      parenchyma_loss_max: 0.35
      csf_min_share: 0.05
      head_growth: {uniform: [0, 1]}""",
    "op": """
  - grow: {to_weeks: {uniform: [21, 27]}}
  - resize: {structure: ventricles, share: {uniform: [0.3, 1]}, into: [white_matter]}""",
}
"""The edits of each training side: of the age, of the ventricles, and of the fluid outside."""

ROWS = {
    "real alone": ("real",),
    "with random contrast": ("real", "random"),
    "with random contrast, anatomy edited": ("real", "random-edited"),
    "with fitted contrast": ("real", "fitted"),
    "with fitted contrast, anatomy edited": ("real", "fitted-edited"),
    "with own images, deformed": ("real", "original"),
    "with own images, anatomy edited": ("real", "original-edited"),
    "with SPADE": ("real", "spade"),
    "with SPADE, anatomy edited": ("real", "spade-edited"),
    "with all, anatomy edited": (
        "real", "random-edited", "fitted-edited", "original-edited", "spade-edited",
    ),
}  # fmt: skip
"""The datasets of each row."""


def appearance_of(kind: str, output: Path, folder: Path, side: str) -> str:
    """Return the section `appearance` of a kind of dataset; fit or train what it needs."""
    if kind == "random":
        return "{contrast: {preset: random, texture: image}}"
    if kind == "fitted":
        file = output / f"{side}-fit.yaml"
        labels = "{subject}/anat/{subject}_rec-svrtk_dseg.nii.gz"
        images = "{subject}/anat/{subject}_rec-svrtk_T2w.nii.gz"
        write_fit(str(folder), labels, images, "spina-bifida-atlas", None, str(file))
        return f"{{contrast: {{fitted: {file}, texture: image}}}}"
    if kind == "spade":
        changes = [f"subjects.spacing_mm=[{SPACING_MM}]", "crop=64"]
        model = train_spade("fetal-spade", folder, output / f"{side}-spade", SPADE_EPOCHS, changes)
        return f"{{model: {model}, fuse: mean}}"
    return "original"


def make_dataset(output: Path, data: Path, name: str) -> str:
    """Render or import the dataset of a name such as `pre-random-edited`; return its path."""
    side, _, kind = name.partition("-")
    kind, _, edited = kind.partition("-")
    people = sorted(path.name for path in data.glob(f"sub-*{side}") if path.is_dir())
    folder = link_people(data, output / side, people)
    anatomy = " []" if kind == "real" else DEFORM + (VENTRICLES[side] if edited else "")
    path, recipe = output / f"{name}.zarr", output / f"{name}.yaml"
    recipe.write_text(
        RECIPE.format(
            data=folder,
            anatomy=anatomy,
            appearance=appearance_of(kind, output, folder, side),
            replicates=1 if kind == "real" else 60 // len(people),
            output=path,
            spacing=SPACING_MM,
        )
    )
    options = RenderOptions(keep_going=True, run=RunOptions(serial=True, progress=False))
    factory.render(factory.load_recipe(recipe), options=options)
    return str(path)


def folds_of(kinds: tuple[str, ...]) -> tuple[Fold, ...]:
    """Return the folds of a row: `pre` teaches `op`, and `op` teaches `pre`."""
    return tuple(
        Fold({f"{side}-{kind}": 1 / len(kinds) for kind in kinds}, f"{other}-real")
        for side, other in zip(SIDES, reversed(SIDES), strict=True)
    )


def main() -> None:
    """Render, train every row with every seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--steps", type=int, nargs="+", default=[600])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", default=[], help="some rows by their names")
    parser.add_argument("--sweep", help="a kind of dataset, such as original-edited")
    arguments = parser.parse_args()
    output: Path = arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    data = (arguments.data / "fetal-spina-bifida").resolve()
    classes = {name: value for value, name in enumerate(TISSUES, start=1)}
    protocol = Protocol(
        output,
        TrainingPlan(
            classes, dimensions=2, patch=64, batch=8, width=16, foreground=0.9, augment=True
        ),
        TISSUES,
        lambda name: make_dataset(output, data, name),
    )
    rows = [
        Row(name, folds_of(kinds))
        for name, kinds in ROWS.items()
        if not arguments.rows or name in arguments.rows
    ]
    if arguments.sweep:
        rows = sweep_rows(arguments.sweep, folds_of(("real",)), folds_of((arguments.sweep,)))
    write_table(protocol, rows, arguments.steps, arguments.seeds, ["ventricles"])


if __name__ == "__main__":
    main()
