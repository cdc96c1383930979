"""How large are the brains of a fetal atlas, week by week, compared with published norms?

    python benchmarks/atlas_beside_norms.py [../shared/data/fetal-spina-bifida] [--output FOLDER]

Prints the tables, and writes them and a plot to FOLDER (atlas.md, atlas.png). Every measure is
one of factory.anatomy.measures, at the voxel size of the atlas. The atlas shows fetuses with spina
bifida aperta, before (pre) and after (op) surgery: large ventricles, a small cerebellum and little
external CSF are expected. The norms are the curves of factory.storage.subjects.growth_curves, which
approximate the literature. Labels end at the inside of the skull, so the
diameters' norms are the sonographers' (outer to outer) less two thicknesses of skull, which is an
approximation. Ratio, thickness, folding and volumes have no norm there.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from factory.anatomy.measures import measure
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.growth_curves import (
    ATRIAL_WIDTH_MM,
    ATRIAL_WIDTH_SD_MM,
    biparietal_mm,
    intracranial_mm,
    occipito_frontal_mm,
    transcerebellar_mm,
)
from factory.storage.subjects.load import load_subject

ATLAS = Path(__file__).parents[2] / "shared" / "data" / "fetal-spina-bifida"
# ISUOG: mild from 10 to below 13 mm, moderate to 15, severe above.
GRADES = ((10.0, "none"), (13.0, "mild"), (math.nextafter(15.0, 16.0), "moderate"))
NORMS = {
    "atrial_width_mm": lambda weeks: ATRIAL_WIDTH_MM,
    "biparietal_mm": lambda weeks: intracranial_mm(weeks)[0],
    "occipito_frontal_mm": lambda weeks: intracranial_mm(weeks)[1],
    "transcerebellar_mm": transcerebellar_mm,
}
OUTER = {"biparietal_mm": biparietal_mm, "occipito_frontal_mm": occipito_frontal_mm}

Row = dict[str, Any]


def grade(width: float | None) -> str:
    """Return the ISUOG grade of an atrial width in mm."""
    if width is None:
        return "none"
    return next((name for below, name in GRADES if width < below), "severe")


def rows(folder: Path) -> list[Row]:
    """Measure every subject of a BIDS folder; return a row for each, by age."""
    records = []
    for record in list_bids_subjects(folder, None, None):
        subject = load_subject(record, None)
        columns = measure(subject.label, subject.grid.spacing, subject.table)
        weeks = record["gestational_age_weeks"]
        when = "op" if record["id"].endswith("op") else "pre"
        records.append({"weeks": weeks, "when": when, **columns})
    return sorted(records, key=lambda row: (row["weeks"], row["when"] == "op"))


def cell(value: float | int | None, digits: int) -> str:
    """Return a number as text, "–" if it is missing."""
    return "–" if value is None else f"{value:.{digits}f}"


def beside(row: Row, name: str) -> str:
    """Return a measure, and in brackets the norm and the relative difference."""
    norm = NORMS[name](row["weeks"])
    if row[name] is None:
        return f"– ({norm:.1f})"
    return f"{row[name]:.1f} ({norm:.1f}, {row[name] / norm - 1:+.0%})"


def table(head: list[str], lines: list[list[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join(
        "| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *lines]
    )


def tables(records: list[Row]) -> str:
    """Return all tables as Markdown."""
    tissues = [name.removeprefix("euler_") for name in records[0] if name.startswith("euler_")]
    who = [[f"{row['weeks']:g} {row['when']}"] for row in records]
    widths = [
        [
            f"{cell(row['atrial_width_left_mm'], 1)} / {cell(row['atrial_width_right_mm'], 1)}",
            grade(row["atrial_width_mm"]),
            *(beside(row, name) for name in list(NORMS)[1:]),
        ]
        for row in records
    ]
    shapes = [
        [
            cell(row["ventricle_brain_ratio"], 3),
            f"{cell(row['cortical_thickness_mm'], 2)} / {cell(row['cortical_thickness_p5_mm'], 2)}",
            cell(row["gyrification_index"], 2),
            cell(row["volume_ml_lateral_ventricles"], 1),
            *(cell(row[f"volume_ml_{tissue}"], 1) for tissue in tissues),
        ]
        for row in records
    ]
    pieces = [[f"{r[f'components_{t}']}, {r[f'euler_{t}']}" for t in tissues] for r in records]
    norm = f"{ATRIAL_WIDTH_MM} ± {ATRIAL_WIDTH_SD_MM}"
    return "\n\n".join(
        [
            f"Widths in mm, in brackets the norm inside the skull; atria: {norm} at every age.",
            table(
                [
                    "weeks",
                    "atria left / right",
                    "grade",
                    *(name[:-3].replace("_", "-") for name in list(NORMS)[1:]),
                ],
                [w + line for w, line in zip(who, widths, strict=True)],
            ),
            "Ventricle-to-brain ratio, thickness (mean / 5th percentile, mm), folding, ml.",
            table(
                ["weeks", "ratio", "thickness", "gyrification", "lateral ventricles", *tissues],
                [w + line for w, line in zip(who, shapes, strict=True)],
            ),
            "Components, Euler number.",
            table(["weeks", *tissues], [w + line for w, line in zip(who, pieces, strict=True)]),
        ]
    )


def plot(records: list[Row], path: Path) -> None:
    """Plot the measures over age beside the norms, as a PNG."""
    figure, axes = plt.subplots(2, 4, figsize=(17, 8), sharex=True)
    weeks = np.linspace(20.5, 34.5, 50)
    panels = [
        ("atrial_width_mm", "atrial width, the wider, mm"),
        ("biparietal_mm", "biparietal, mm"),
        ("occipito_frontal_mm", "occipito-frontal, mm"),
        ("transcerebellar_mm", "transcerebellar, mm"),
        ("ventricle_brain_ratio", "lateral ventricles / parenchyma"),
        ("cortical_thickness_mm", "cortical thickness, mm (bar: to 5th percentile)"),
        ("gyrification_index", "gyrification index"),
        ("volume_ml_external_csf", "external CSF, ml"),
    ]
    for panel, (name, title) in zip(axes.flat, panels, strict=True):
        for when, marker in (("pre", "o"), ("op", "s")):
            of = [r for r in records if r["when"] == when and r[name] is not None]
            at, value = [r["weeks"] for r in of], [r[name] for r in of]
            panel.plot(at, value, marker, color="#0072b2" if when == "pre" else "#d55e00",
                       label=f"atlas, {when}")  # fmt: skip
            if name == "cortical_thickness_mm":
                panel.vlines(at, [r["cortical_thickness_p5_mm"] for r in of], value, color="0.6")
        if name in NORMS:
            panel.plot(
                weeks,
                [NORMS[name](w) for w in weeks],
                "k-",
                label="norm, inner" if name in OUTER else "norm",
            )
        if name in OUTER:
            panel.plot(weeks, [OUTER[name](w) for w in weeks], "k:", label="norm, outer")
        panel.set_title(title, fontsize=11)
        panel.set_ylim(bottom=1 if name == "gyrification_index" else 0)
    atria = axes.flat[0]
    low, high = ATRIAL_WIDTH_MM - 2 * ATRIAL_WIDTH_SD_MM, ATRIAL_WIDTH_MM + 2 * ATRIAL_WIDTH_SD_MM
    atria.axhspan(low, high, color="0.85", zorder=0)
    for width, name in ((10, "mild"), (13, "moderate"), (15, "severe")):
        atria.axhline(width, color="0.6", linewidth=0.8)
        atria.text(31, width + 0.2, name, fontsize=8, color="0.4")
    for panel in axes.flat[:2]:
        panel.legend(fontsize=8, loc="lower right")
    for panel in axes[1]:
        panel.set_xlabel("gestational age, weeks")
    figure.suptitle("Spina bifida atlas beside norms (± 2 sd shaded); deviations are expected")
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def main() -> None:
    """Measure the atlas, and write tables and plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=ATLAS)
    parser.add_argument("--output", type=Path, default=Path())
    options = parser.parse_args()
    records = rows(options.folder)
    text = tables(records)
    print(text)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "atlas.md").write_text(text + "\n", encoding="utf-8")
    plot(records, options.output / "atlas.png")


if __name__ == "__main__":
    main()
