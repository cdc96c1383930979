"""Do edits of structures, adult heads and fetal brains give what they are asked for?

    OMP_NUM_THREADS=1 python benchmarks/edits_achieved.py OUTPUT [--data FOLDER] [--count 200]
        [--fetuses FOLDER] [--edits displace_volume thin_share …] [--seconds 540]

Two organs in a body, of random shapes and one of three voxel sizes, are edited to random sizes;
where FOLDER (../shared/data/adult-heads) exists, its heads are edited at 2 mm. The fetuses of
../shared/data/fetal-spina-bifida, one case each, get normal ventricles and a normal cerebellum at
two voxel sizes; "smaller" is in a head that gives way. Rows are written to
OUTPUT/cases.csv one by one; run again, it continues where it stopped, as it does after --seconds.
In the end it writes OUTPUT/table.md and OUTPUT/scatter.png.
"""

import argparse
import csv
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from factory.anatomy.edits.atrophy.edit import atrophy
from factory.anatomy.edits.cerebellar_growth.edit import cerebellar_growth
from factory.anatomy.edits.displace.edit import displace
from factory.anatomy.edits.move.edit import move
from factory.anatomy.edits.resize.edit import resize
from factory.anatomy.edits.rotate.edit import rotate
from factory.anatomy.edits.thin.edit import thin
from factory.anatomy.edits.ventriculomegaly.edit import ventriculomegaly
from factory.anatomy.edits.ventriculomegaly.evans import reach_evans_index
from factory.anatomy.edits.white_matter_lesions.edit import white_matter_lesions
from factory.anatomy.measures import components, euler_number, evans_index
from factory.errors import AnatomyError
from factory.imaging.types import Spacing
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.growth_curves import ATRIAL_WIDTH_MM, transcerebellar_mm
from factory.storage.subjects.label_mappings import apply_mapping, mapping_table
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.nifti import read_volume, to_whole_numbers
from factory.storage.subjects.types import LabelTable, Subject

COLUMNS = (
    "edit",
    "case",
    "requested",
    "achieved",
    "jacobian_min",
    "topology",
    "seconds",
    "refused",
)
SPACINGS = ((1.0, 1.0, 1.0), (3.0, 1.0, 1.0), (0.4, 0.4, 0.4))
ORGANS = LabelTable(("background", "body", "shell", "kidney", "spleen"), ((0, 0, 0),) * 5)
LESION = "white_matter_lesion"
Rng = np.random.Generator
Row = dict[str, Any]


def organs(rng: Rng) -> tuple[np.ndarray, Spacing]:
    """Return a body with a kidney and a spleen in a shell, and its spacing."""
    shape = (32, 44, 48)
    where = np.indices(shape)
    label = np.zeros(shape, np.uint8)

    def fill(value: int, centre: np.ndarray, half: np.ndarray) -> None:
        squares = [((w - c) / h) ** 2 for w, c, h in zip(where, centre, half, strict=True)]
        label[sum(squares) < 1] = value

    fill(1, np.array([15.5, 21.5, 23.5]), np.array([15.0, 20.0, 22.0]))
    fill(3, np.array([15.5, 21.5, 15.0]) + rng.uniform(-1, 1, 3), rng.uniform(5, 7.5, 3))
    middle = np.array([15.5, 21.5, 33.0]) + rng.uniform(-1, 1, 3)
    inner = rng.uniform(3, 4, 3)
    fill(2, middle, inner + rng.uniform(3, 4))
    fill(4, middle, inner)
    return label, SPACINGS[int(rng.integers(len(SPACINGS)))]


def topology(old: np.ndarray, new: np.ndarray, table: LabelTable) -> str:
    """Return whether each label has the components and Euler number that it had."""
    same = components(old, table) == components(new, table)
    return "same" if same and euler_number(old, table) == euler_number(new, table) else "changed"


def of_displaced(rng: Rng, key: str, low: float, high: float) -> Row:
    """Return a row of displace."""
    label, spacing = organs(rng)
    size = float(rng.uniform(low, high))
    scale = spacing[1] if key in ("mm", "width_mm") else 1.0
    values: dict[str, Any] = {key: size * scale}
    new, _, record = displace(label, spacing, ORGANS, "kidney", **values)
    names = ("width_mm", "width_mm") if key == "width_mm" else ("volume_ml", "volume_ml")
    return {
        "requested": record[f"requested_{names[0]}"],
        "achieved": record[f"achieved_{names[1]}"],
        "jacobian_min": record["jacobian_min"],
        "topology": topology(label, new, ORGANS),
    }


def of_thinned(rng: Rng, key: str, low: float, high: float) -> Row:
    """Return a row of thin."""
    label, spacing = organs(rng)
    size = float(rng.uniform(low, high)) * (spacing[1] if key == "thickness_mm" else 1.0)
    into = str(rng.choice(["body", "spleen"]))
    values: dict[str, Any] = {key: size}
    _, _, record = thin(label, spacing, ORGANS, "shell", into, **values)
    return {"requested": record[f"requested_{key}"], "achieved": record[f"achieved_{key}"]}


def of_resized(rng: Rng) -> Row:
    """Return a row of resize."""
    label, spacing = organs(rng)
    share = float(rng.uniform(0.4, 1.8))
    _, _, record = resize(label, spacing, ORGANS, "kidney", share=share, into=["body"])
    return {"requested": record["requested_volume_ml"], "achieved": record["achieved_volume_ml"]}


def of_moved(rng: Rng) -> Row:
    """Return a row of move: the length of the way that the centre of mass goes."""
    label, spacing = organs(rng)
    way = rng.uniform(-3, 3, 3) * spacing[1]  # right, anterior, superior
    new, _, _ = move(label, spacing, ORGANS, "kidney", *map(float, way))
    centres = [np.argwhere(values == 3).mean(0) * spacing for values in (label, new)]
    return {
        "requested": float(np.linalg.norm(way)),
        "achieved": float(np.linalg.norm(centres[1] - centres[0])),
    }


def of_rotated(rng: Rng) -> Row:
    """Return a row of rotate: the volume, which a turn should keep."""
    label, spacing = organs(rng)
    axis, degrees = str(rng.choice(["right", "anterior", "superior"])), float(rng.uniform(-60, 60))
    new, _, record = rotate(label, spacing, ORGANS, "kidney", axis, degrees)
    after_ml = float((new == 3).sum() * np.prod(spacing) / 1000)
    return {"requested": record["before_volume_ml"], "achieved": after_ml}


@functools.lru_cache(maxsize=2)
def adult_head(path: Path) -> tuple[np.ndarray, LabelTable]:
    """Return an adult head at 2 mm, [z, y, x], with a label for lesions."""
    mapping = "synthseg-heads"
    names = (*mapping_table(mapping).names, LESION)
    label = apply_mapping(to_whole_numbers(read_volume(path)[0], path), mapping, path)[
        ::2, ::2, ::2
    ]
    return np.ascontiguousarray(label), LabelTable(names, ((0, 0, 0),) * len(names))


def head_of(rng: Rng, folder: Path) -> tuple[np.ndarray, LabelTable]:
    """Return one of the heads of a folder."""
    paths = sorted(folder.glob("*.nii.gz"))
    return adult_head(paths[int(rng.integers(len(paths)))])


def of_index(rng: Rng, folder: Path) -> Row:
    """Return a row of ventriculomegaly by Evans' index."""
    label, table = head_of(rng, folder)
    present = evans_index(label, (2.0, 2.0, 2.0), table) or 0.0
    target = present + float(rng.uniform(-0.04, 0.1))
    new, _, record = reach_evans_index(label, (2.0, 2.0, 2.0), table, target)
    return {
        "requested": target,
        "achieved": record["achieved_evans_index"],
        "jacobian_min": record["jacobian_min"],
        "topology": topology(label, new, table),
    }


def of_atrophy(rng: Rng, folder: Path) -> Row:
    """Return a row of atrophy of a hippocampus, thalamus or putamen."""
    label, table = head_of(rng, folder)
    side = rng.choice(["left", "right"])
    name = f"{side}_{rng.choice(['hippocampus', 'thalamus', 'putamen'])}"
    share, into = float(rng.uniform(0.4, 1)), [None, "csf"][int(rng.integers(2))]
    _, _, record = atrophy(label, (2.0, 2.0, 2.0), table, name, share, into)
    return {"requested": record["requested_volume_ml"], "achieved": record["achieved_volume_ml"]}


def of_lesions(rng: Rng, folder: Path) -> Row:
    """Return a row of white-matter lesions."""
    label, table = head_of(rng, folder)
    place = str(rng.choice(["anywhere", "periventricular", "deep"]))
    ml, number, seed = float(rng.uniform(0.5, 20)), int(rng.integers(1, 30)), int(rng.integers(99))
    arguments = (label, (2.0, 2.0, 2.0), table, seed, ml, number, place)
    _, _, record = white_matter_lesions(*arguments)
    counted = "same" if record["achieved_number"] == number else "changed"
    return {"requested": ml, "achieved": record["achieved_volume_ml"], "topology": counted}


@functools.lru_cache(maxsize=2)
def fetuses(folder: Path, spacing_mm: float) -> list[Subject]:
    """Return the subjects of a BIDS folder in the order of their ages."""
    return [load_subject(r, spacing_mm) for r in list_bids_subjects(folder, None, None, None)]


def changed_parts(old: np.ndarray, new: np.ndarray, table: LabelTable) -> str:
    """Return the labels whose components or Euler number changed, or "same"."""
    pairs = [(count(old, table), count(new, table)) for count in (components, euler_number)]
    changed = {name for a, b in pairs for name in a if a[name] != b[name]}
    return " ".join(sorted(changed)) or "same"


def of_narrowed(number: int, folder: Path, spacing_mm: float, head_growth: float) -> Row:
    """Return a row of ventriculomegaly to the normal atrial width."""
    subject = fetuses(folder, spacing_mm)[number]
    new, _, record = ventriculomegaly(
        subject.label, subject.grid.spacing, subject.table, ATRIAL_WIDTH_MM,
        mode="displace", head_growth=head_growth,
    )  # fmt: skip
    return {
        "requested": ATRIAL_WIDTH_MM,
        "achieved": record["achieved_atrial_width_mm"],
        "jacobian_min": record["jacobian_min"],
        "topology": changed_parts(subject.label, new, subject.table),
    }


def of_cerebellum(number: int, folder: Path, spacing_mm: float) -> Row:
    """Return a row of cerebellar_growth to the norm of the age."""
    subject = fetuses(folder, spacing_mm)[number]
    weeks = float(str(subject.metadata["gestational_age_weeks"]))
    where = (subject.label, subject.grid.spacing, subject.table)
    new, _, record = cerebellar_growth(*where, transcerebellar_mm=transcerebellar_mm(weeks))
    return {
        "requested": record["requested_transcerebellar_mm"],
        "achieved": record["achieved_transcerebellar_mm"],
        "jacobian_min": record["jacobian_min"],
        "topology": changed_parts(subject.label, new, subject.table),
    }


ORGAN_EDITS: dict[str, Callable[[Rng], Row]] = {
    "displace_volume": functools.partial(of_displaced, key="share", low=0.4, high=2.2),
    "displace_mm": functools.partial(of_displaced, key="mm", low=-1.5, high=2.0),
    "displace_width": functools.partial(of_displaced, key="width_mm", low=7, high=15),
    "resize": of_resized,
    "move": of_moved,
    "rotate": of_rotated,
    "thin_share": functools.partial(of_thinned, key="share", low=0.05, high=0.5),
    "thin_thickness": functools.partial(of_thinned, key="thickness_mm", low=1.5, high=3),
}
HEAD_EDITS: dict[str, Callable[[Rng, Path], Row]] = {
    "evans_index": of_index,
    "atrophy": of_atrophy,
    "white_matter_lesions": of_lesions,
}
FETAL_EDITS: dict[str, Callable[[int, Path], Row]] = {
    "narrow_0.8": functools.partial(of_narrowed, spacing_mm=0.8, head_growth=0.0),
    "narrow_smaller_0.8": functools.partial(of_narrowed, spacing_mm=0.8, head_growth=1.0),
    "cerebellum_0.8": functools.partial(of_cerebellum, spacing_mm=0.8),
    "narrow_1.6": functools.partial(of_narrowed, spacing_mm=1.6, head_growth=0.0),
    "narrow_smaller_1.6": functools.partial(of_narrowed, spacing_mm=1.6, head_growth=1.0),
    "cerebellum_1.6": functools.partial(of_cerebellum, spacing_mm=1.6),
}
FETUSES = 15


def main() -> None:
    """Make the rows that are missing, the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/adult-heads"))
    parser.add_argument("--fetuses", type=Path, default=Path("../shared/data/fetal-spina-bifida"))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=540)
    parser.add_argument("--edits", nargs="*", default=[*ORGAN_EDITS, *HEAD_EDITS, *FETAL_EDITS])
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    path, end = options.output / "cases.csv", time.monotonic() + options.seconds
    if not path.exists():
        path.write_text(",".join(COLUMNS) + "\n")
    done = {(row["edit"], int(row["case"])) for row in read(path)}
    folders = dict.fromkeys(FETAL_EDITS, options.fetuses) | dict.fromkeys(HEAD_EDITS, options.data)
    edits = [e for e in options.edits if e in ORGAN_EDITS or folders[e].is_dir()]
    with path.open("a") as file:
        writer = csv.DictWriter(file, COLUMNS)
        cases = [
            (n, e) for e in edits for n in range(FETUSES if e in FETAL_EDITS else options.count)
        ]
        for number, edit in sorted(cases, key=lambda c: (c[1] in FETAL_EDITS, c[0])):
            if (edit, number) not in done and time.monotonic() < end:
                writer.writerow(make_row(edit, number, folders.get(edit, options.data)))
                file.flush()
    write_table(read(path), options.output)


def make_row(edit: str, number: int, folder: Path) -> Row:
    """Return one row; the random choices depend only on the edit and the case's number."""
    rng = np.random.Generator(np.random.Philox(key=[sum(map(ord, edit)), number]))
    if edit in FETAL_EDITS:
        fetuses(folder, float(edit.rsplit("_", 1)[1]))  # reading is not timed
    start = time.perf_counter()
    try:
        if edit in FETAL_EDITS:
            row = FETAL_EDITS[edit](number, folder)
        else:
            row = ORGAN_EDITS[edit](rng) if edit in ORGAN_EDITS else HEAD_EDITS[edit](rng, folder)
    except AnatomyError as error:
        row = {"refused": str(error)}
    seconds = round(time.perf_counter() - start, 3)
    return {"edit": edit, "case": number, "seconds": seconds, **row}


def read(path: Path) -> list[Row]:
    """Return the rows of a file."""
    with path.open() as file:
        return list(csv.DictReader(file))


def write_table(rows: list[Row], output: Path) -> None:
    """Write and print the table, and draw requested against achieved values."""
    names = list(dict.fromkeys(row["edit"] for row in rows))
    lines = [
        "| edit | cases | refused | median error | largest error | topology changed "
        "| least Jacobian | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines_of_panels = -(-len(names) // 4)
    size = (14, 3.5 * lines_of_panels)
    figure, axes = plt.subplots(lines_of_panels, 4, figsize=size, squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    for name, axis in zip(names, axes.flat, strict=False):
        mine = [row for row in rows if row["edit"] == name]
        reached = [row for row in mine if not row["refused"]]
        asked, came = (np.array([float(row[k]) for row in reached]) for k in COLUMNS[2:4])
        error = np.abs(came - asked) if len(asked) else np.array([np.nan])
        least = min(
            (float(row["jacobian_min"]) for row in reached if row["jacobian_min"]), default=0
        )
        changed = sum(row["topology"] not in ("same", "") for row in reached)
        seconds = float(np.median([float(row["seconds"]) for row in mine]))
        lines.append(
            f"| {name} | {len(mine)} | {len(mine) - len(reached)} | {np.median(error):.3g} "
            f"| {error.max():.3g} | {changed} | {least:.3g} | {seconds:.2g} |"
        )
        axis.plot(asked, came, ".", markersize=3)
        axis.set(title=name, xlabel="requested", ylabel="achieved")
    figure.tight_layout()
    figure.savefig(output / "scatter.png", dpi=110)
    (output / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
