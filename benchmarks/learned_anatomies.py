"""What an anatomy generator reaches: checks, diversity, novelty and speed of its individuals.

    python benchmarks/learned_anatomies.py RECIPE MODEL OUTPUT --data FOLDER
        [--count 200] [--spacing 1.0] [--weeks 21 34]

RECIPE is the training recipe, MODEL the folder of the trained model, and FOLDER the people, held
out or not. Printed and written to OUTPUT/table.md, beside what the people themselves have:

The people have undergone the edits of the training recipe.

- the share of label maps whose labels have as many pieces, and as many holes, as those of people
  (between the 3rd and the 97th percentile of the people), the mean over the labels; for fetuses the
  share whose diameters and atrial width lie between the norms' 3rd and 97th percentile of the age;
- diversity: the mean Dice of two individuals, their centres laid on one another; for fetuses the
  standard deviations of the diameters at 28 weeks;
- novelty: the Dice of an individual with the nearest person of the training, beside that of a
  person with the nearest other one;
- seconds of one core for an individual, and the size of the model's files.

OUTPUT/montage.png shows twelve individuals, and twelve people beneath them. The best fits to
held-out people are `factory evaluate`'s.
"""

import argparse
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from factory.anatomy.measures.atrium import atrial_width_mm
from factory.anatomy.measures.connectivity import components, euler_number
from factory.anatomy.measures.diameters import (
    biparietal_mm,
    occipito_frontal_mm,
    transcerebellar_mm,
)
from factory.families.anatomy.drawing import draw_labels
from factory.families.anatomy.model_files import load_anatomy
from factory.families.anatomy.preparation import prepare_subjects
from factory.families.anatomy.sampling import AnatomySampler
from factory.families.registry import load_training
from factory.storage.subjects.growth_curves import (
    ATRIAL_WIDTH_MM,
    ATRIAL_WIDTH_SD_MM,
    biparietal_sd_mm,
    intracranial_mm,
    occipito_frontal_sd_mm,
)
from factory.storage.subjects.growth_curves import (
    transcerebellar_mm as transcerebellar_norm_mm,
)
from factory.storage.subjects.types import LabelTable
from factory.training.data import held_out_subjects, training_subjects

LOW, HIGH = 3.0, 97.0
"""Percentiles between which a value is like the people's or the norms'."""

Z = 1.88
"""Standard deviations of a normal distribution to either of these percentiles."""

TRANSCEREBELLAR_SD = 0.06
"""Of the mean: about that of Hill et al., Obstet Gynecol 1990."""

COARSE_MM = 2.5
"""The spacing at which label maps are compared with one another."""


@dataclass(frozen=True)
class Map:
    """A label map, drawn or a person's.

    Attributes:
        label: [z, y, x], cropped to what is labelled.
        spacing: mm (z, y, x).
        age: Weeks, or None.
    """

    label: np.ndarray
    spacing: tuple[float, float, float]
    age: float | None

    @property
    def centred(self) -> np.ndarray:
        """The labels at COARSE_MM in a box of 256 mm around their centre of mass."""
        centre = np.argwhere(self.label > 0).mean(0)
        steps = np.arange(-128, 128, COARSE_MM)
        indices = [
            np.rint(c + steps / s).astype(int) for c, s in zip(centre, self.spacing, strict=True)
        ]
        result = np.zeros((len(steps),) * 3, self.label.dtype)
        inside = [(i >= 0) & (i < n) for i, n in zip(indices, self.label.shape, strict=True)]
        picked = [i[k] for i, k in zip(indices, inside, strict=True)]
        result[np.ix_(*inside)] = self.label[np.ix_(*picked)]
        return result


def dice(a: np.ndarray, b: np.ndarray, labels: int) -> float:
    """Return the mean Dice of the labels that either map has."""
    count_a, count_b = (np.bincount(m.ravel(), minlength=labels)[1:] for m in (a, b))
    both = np.bincount(a[(a == b)].ravel(), minlength=labels)[1:]
    total = count_a + count_b
    return float((2 * both[total > 0] / total[total > 0]).mean())


def draw_maps(
    sampler: AnatomySampler, count: int, spacing: float, weeks: Sequence[float] | None
) -> list[Map]:
    """Draw individuals, their ages spread evenly."""
    maps = []
    for seed in range(count):
        age = None if weeks is None else weeks[0] + (weeks[1] - weeks[0]) * (seed + 0.5) / count
        label = draw_labels(sampler.draw(seed, age, 1.0), sampler.model.lattice, spacing)
        maps.append(Map(label, (spacing,) * 3, age))
    return maps


def topology_rows(drawn: Sequence[Map], people: Sequence[Map], table: LabelTable) -> list[str]:
    """Return the shares of maps whose pieces and holes are like those of people."""
    rows = []
    for title, measure in (("pieces", components), ("Euler number", euler_number)):
        values = [[measure(np.pad(m.label, 1), table) for m in maps] for maps in (drawn, people)]
        shares = []
        for name in table.names[1:]:
            of_people = [counts.get(name, 0) for counts in values[1]]
            low, high = np.percentile(of_people, [LOW, HIGH])
            shares.append(
                [np.mean([low <= c.get(name, 0) <= high for c in of_kind]) for of_kind in values]
            )
        mean = np.mean(shares, 0)
        worst = min(zip(shares, table.names[1:], strict=True), key=lambda s: s[0][0] - s[0][1])
        rows.append(f"{title} like people's | {mean[0]:.0%} | {mean[1]:.0%}")
        rows.append(f"the same, worst label ({worst[1]}) | {worst[0][0]:.0%} | {worst[0][1]:.0%}")
    return rows


def norm_deviations(m: Map, table: LabelTable) -> dict[str, float]:
    """Return how many standard deviations a fetus's measures are from the norms of its age."""
    assert m.age is not None
    width, length = intracranial_mm(m.age)
    cerebellum = transcerebellar_norm_mm(m.age)
    atria = [w for w in atrial_width_mm(m.label, m.spacing, table).values() if w is not None]
    return {
        "biparietal": ((biparietal_mm(m.label, m.spacing, table) or 0) - width)
        / biparietal_sd_mm(m.age),
        "occipito-frontal": ((occipito_frontal_mm(m.label, m.spacing, table) or 0) - length)
        / occipito_frontal_sd_mm(m.age),
        "transcerebellar": ((transcerebellar_mm(m.label, m.spacing, table) or 0) - cerebellum)
        / (TRANSCEREBELLAR_SD * cerebellum),
        "atrial width": (max(atria, default=0) - ATRIAL_WIDTH_MM) / ATRIAL_WIDTH_SD_MM,
    }


def norm_rows(drawn: Sequence[Map], people: Sequence[Map], table: LabelTable) -> list[str]:
    """Return the shares of fetuses within the norms, and the spreads of their measures."""
    kinds = [[norm_deviations(m, table) for m in maps] for maps in (drawn, people)]
    rows = []
    for name in kinds[0][0]:
        values = [np.array([d[name] for d in kind]) for kind in kinds]
        shares = [f"{np.mean(np.abs(v) <= Z):.0%}" for v in values]
        rows.append(f"{name} within the norms | {shares[0]} | {shares[1]}")
        spread = [f"{v.mean():+.1f} ± {v.std():.1f}" for v in values]
        rows.append(f"{name}, standard deviations of the norm | {spread[0]} | {spread[1]}")
    return rows


def likeness_rows(drawn: Sequence[Map], people: Sequence[Map], labels: int) -> list[str]:
    """Return how alike individuals are, and how alike the nearest person of the training is."""
    few = [m.centred for m in drawn[:: max(1, len(drawn) // 24)][:24]]
    real = [m.centred for m in people]
    pairs = [dice(a, b, labels) for a, b in itertools.combinations(few, 2)]
    real_pairs = [dice(a, b, labels) for a, b in itertools.combinations(real, 2)]
    nearest = [max(dice(a, b, labels) for b in real) for a in few]
    others = [
        max(dice(a, b, labels) for k, b in enumerate(real) if k != i) for i, a in enumerate(real)
    ]
    return [
        f"Dice of two individuals, mean | {np.mean(pairs):.3f} | {np.mean(real_pairs):.3f}",
        f"Dice with the nearest other person, mean | {np.mean(nearest):.3f} | "
        f"{np.mean(others):.3f}",
        f"the same, greatest | {np.max(nearest):.3f} | {np.max(others):.3f}",
    ]


def draw_planes(m: Map, table: LabelTable, side: int) -> np.ndarray:
    """Return the axial, coronal and sagittal plane through the middle, one below the other."""
    colours = np.array(table.colours, np.uint8)
    middles = [int(np.median(a)) for a in np.nonzero(m.label)]
    tiles = []
    for axis, middle in enumerate(middles):
        plane = colours[m.label.take(middle, axis)[::-1]]
        tile = np.zeros((side, side, 3), np.uint8)
        n, k = (min(a, side) for a in plane.shape[:2])
        top, left = (side - n) // 2, (side - k) // 2
        tile[top : top + n, left : left + k] = plane[:n, :k]
        tiles.append(tile)
    return np.concatenate(tiles)


def write_montage(
    file: Path, drawn: Sequence[Map], people: Sequence[Map], table: LabelTable
) -> None:
    """Write a picture of twelve individuals, and of people beneath them."""
    side = max(max(m.label.shape) for m in (*drawn, *people)) + 4
    rows = []
    for maps in (drawn, sorted(people, key=lambda m: m.age or 0)):
        few = [maps[i] for i in np.linspace(0, len(maps) - 1, 12).round().astype(int)]
        rows.append(np.concatenate([draw_planes(m, table, side) for m in few], 1))
    Image.fromarray(np.concatenate(rows)).save(file)


def main() -> None:
    """Draw, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--spacing", type=float, default=1.0)
    parser.add_argument("--weeks", type=float, nargs=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recipe = load_training(arguments.recipe, [f"subjects.path={arguments.data}"]).spec
    section = recipe.subjects
    sampler, spacing = AnatomySampler(load_anatomy(arguments.model)), arguments.spacing
    subjects = [*training_subjects(section, spacing), *held_out_subjects(section, spacing)]
    subjects = prepare_subjects(subjects, recipe)
    people = [
        Map(s.label, s.grid.spacing, s.metadata.get("gestational_age_weeks")) for s in subjects
    ]
    begin = time.process_time()
    drawn = draw_maps(sampler, arguments.count, spacing, arguments.weeks)
    seconds = (time.process_time() - begin) / arguments.count
    size = sum(file.stat().st_size for file in arguments.model.iterdir()) / 1e6
    rows = ["measure | individuals | people", "--- | --- | ---"]
    rows += topology_rows(drawn, people, sampler.table)
    if arguments.weeks:
        rows += norm_rows(drawn, people, sampler.table)
    rows += likeness_rows(drawn, people, len(sampler.table.names))
    rows.append(f"seconds of one core at {spacing:g} mm | {seconds:.2f} |")
    rows.append(f"megabytes of the model | {size:.2f} |")
    text = "\n".join(f"| {row} |" for row in rows) + "\n"
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "table.md").write_text(text)
    print(text)
    write_montage(arguments.output / "montage.png", drawn, people, sampler.table)


if __name__ == "__main__":
    main()
