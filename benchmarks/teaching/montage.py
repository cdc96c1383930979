"""Painted images above real ones: what does a contrast lack?

    python -m benchmarks.teaching.montage OUTPUT --data ../shared/data [--only hearts]

Draws three pictures in OUTPUT: adult heads at 2 mm (presets t1w and random, with and without what
is around the brain, above the real T1w volume), hearts (random, and fitted to five Siemens people,
above these people), and fetal brains (fetal-t2w above the atlas that it is fitted to). What is
rendered stays in OUTPUT; the same command draws it anew.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import factory
from benchmarks.teaching.adult_heads import turn_files
from benchmarks.teaching.hearts import FITTED_PEOPLE, list_people
from benchmarks.teaching.spade import link_people
from factory.execution.options import RenderOptions, RunOptions
from factory.families.contrast.fit_file import write_fit

COLUMNS = 6

ADULT = """
subjects:
  nifti:
    path: {data}/adult-heads
    labels: "labels-1{{subject}}_dseg.nii.gz"
    mapping: synthseg-heads
regions:
  surroundings: [arteries, eyes, soft_tissue, rectus_muscles, mucosa, skin, spinal_cord, veins,
                 cortical_bone, cancellous_bone, optic_nerves, csf]
{anatomy}
appearance: {{contrast: {preset}}}
output: {{path: {path}, spacing_mm: 2.0}}
"""
STRIPPED = "anatomy: [{relabel: {structure: surroundings, to: background}}]"

ADULT_REAL = """
subjects:
  nifti:
    path: {folder}
    labels: "{{subject}}_dseg.nii.gz"
    images: "{{subject}}_T1w.nii.gz"
    mapping: freesurfer
appearance: original
output: {{path: {path}, spacing_mm: 2.0}}
"""

HEARTS = """
subjects: {{short_axis: {{path: {data}/cardiac-mnms, participants: [{people}]}}}}
appearance: {appearance}
output: {{path: {path}, spacing_mm: 1.5}}
"""

FETAL = """
subjects:
  bids:
    path: {data}/fetal-spina-bifida
    mapping: spina-bifida-atlas
    participants: [ga21pre, ga25pre, ga29op, ga34op]
appearance: {appearance}
output: {{path: {path}, spacing_mm: 0.8}}
"""


@dataclass(frozen=True)
class Row:
    """A row of slices.

    Attributes:
        title: What they are.
        slices: Images [row, column], in units of brightness.
    """

    title: str
    slices: list[np.ndarray]


def render_volumes(
    output: Path, name: str, text: str, **words: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Render a recipe into OUTPUT, and return its images and label maps [z, y, x]."""
    file, path = output / f"{name}.yaml", output / f"{name}.zarr"
    file.write_text("seed: 1\n" + text.format(path=path, **words))
    options = RenderOptions(overwrite=True, run=RunOptions(serial=True, progress=False))
    factory.render(factory.load_recipe(file), options=options)
    dataset = factory.open(str(path))
    samples = (dataset[index].arrays for index in range(len(dataset)))
    return [(sample["image"], sample["label"]) for sample in samples]


def cut_planes(volumes: list[tuple[np.ndarray, np.ndarray]], planes: int = 3) -> list[np.ndarray]:
    """Return slices through the middle of what is labelled, of some planes of each volume."""
    slices = []
    for image, label in volumes:
        inside = np.argwhere(label > 0)
        low, high = inside.min(0), inside.max(0) + 1
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        for axis in range(planes):
            at = (low[axis] + high[axis]) // 2
            rest = tuple(part for index, part in enumerate(box) if index != axis)
            slices.append(np.take(image, at, axis)[rest] if planes > 1 else np.take(image, at, 0))
    return slices[:COLUMNS]


def draw_rows(rows: list[Row], path: Path) -> None:
    """Draw rows of slices with their titles, black at 0 and white at 1."""
    figure, axes = plt.subplots(
        len(rows), COLUMNS, figsize=(2.2 * COLUMNS, 2.4 * len(rows)), layout="constrained"
    )
    for axis in axes.ravel():
        axis.set_axis_off()
    for row, panels in zip(rows, axes, strict=True):
        for panel, image in zip(panels, row.slices, strict=False):
            panel.imshow(image, cmap="gray", vmin=0, vmax=1, origin="lower")
        panels[0].set_title(row.title, loc="left", fontsize=10)
    figure.savefig(path, dpi=100)
    plt.close(figure)
    print(path)


def draw_adult(output: Path, data: Path) -> None:
    """Draw adult heads beside the real T1w volume."""
    rows = []
    for preset in ("t1w", "random"):
        for name, anatomy in (("heads", ""), ("brains", STRIPPED)):
            words = {"data": str(data), "anatomy": anatomy, "preset": preset}
            volumes = render_volumes(output, f"adult-{preset}-{name}", ADULT, **words)
            rows.append(Row(f"painted: {preset}, {name}", cut_planes(volumes)))
    turn_files(data, output / "turned")
    volumes = render_volumes(output, "adult-real", ADULT_REAL, folder=str(output / "turned"))
    rows.append(Row("real: T1w, one brain", cut_planes(volumes)))
    draw_rows(rows, output / "adult-heads.png")


def draw_hearts(output: Path, data: Path) -> None:
    """Draw hearts beside those of the five people that they are fitted to."""
    people = list_people(data / "cardiac-mnms", "Siemens")[:FITTED_PEOPLE]
    folder = link_people(data / "cardiac-mnms", output / "five", people)
    fitted = output / "siemens.yaml"
    labels, images = "{subject}/*_ED_sa_gt.nii.gz", "{subject}/*_ED_sa.nii.gz"
    print(*write_fit(str(folder), labels, images, "mnms", None, str(fitted)).lines(), sep="\n")
    layers = "layers: {background: {count: 4, by: image, spread: 1}}"
    appearances = {
        "painted: random, layers around the heart": "{contrast: {preset: random, LAYERS}}",
        "painted: fitted, without layers": f"{{contrast: {fitted}}}",
        "painted: fitted, layers around the heart": f"{{contrast: {{fitted: {fitted}, LAYERS}}}}",
        "painted: random, own texture": "{contrast: {preset: random, texture: image}}",
        "painted: fitted, own texture": f"{{contrast: {{fitted: {fitted}, texture: image}}}}",
        "real: five Siemens people": "original",
    }
    rows = []
    for number, (title, appearance) in enumerate(appearances.items()):
        words = {
            "data": str(data),
            "people": ", ".join(people),
            "appearance": appearance.replace("LAYERS", layers),
        }
        rows.append(
            Row(title, cut_planes(render_volumes(output, f"hearts-{number}", HEARTS, **words), 1))
        )
    draw_rows(rows, output / "hearts.png")


def draw_fetal(output: Path, data: Path) -> None:
    """Draw fetal brains beside the atlas that their contrast is fitted to."""
    rows = []
    for title, appearance in (
        ("painted: fetal-t2w", "{contrast: fetal-t2w}"),
        ("real: atlas", "original"),
    ):
        words = {"data": str(data), "appearance": appearance}
        volumes = render_volumes(output, f"fetal-{title[:4]}", FETAL, **words)
        rows.append(Row(f"{title}, first half", cut_planes(volumes[:2])))
        rows.append(Row(f"{title}, second half", cut_planes(volumes[2:])))
    draw_rows([rows[0], rows[2], rows[1], rows[3]], output / "fetal-brains.png")


DRAWINGS = {"adult-heads": draw_adult, "hearts": draw_hearts, "fetal-brains": draw_fetal}


def main() -> None:
    """Draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", choices=DRAWINGS, nargs="+", default=list(DRAWINGS))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        DRAWINGS[name](arguments.output.resolve(), arguments.data.resolve())


if __name__ == "__main__":
    main()
