"""Is the phantom the size and shape of a normal fetal brain? Its measures beside the targets.

    python benchmarks/phantom_table.py [--seeds 10] [--spacing 1.0] [--markdown FILE]

Mean ± sd over the seeds, measured on the label maps by factory.anatomy.measures. A target stands
after "/": the published curve, for the head less the allowance for the skull
(factory.storage.subjects.growth_curves).
"""

import argparse
from pathlib import Path

import numpy as np

from factory.anatomy import measures as measure
from factory.storage.subjects.growth_curves import (
    ATRIAL_WIDTH_MM,
    intracranial_mm,
    transcerebellar_mm,
)
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA, Subject


def measures(subject: Subject) -> dict[str, float | None]:
    """Measure a subject; return the values by the name of the row."""
    where = (subject.label, subject.grid.spacing, subject.table)
    atria = measure.atrial_width_mm(*where)
    return {
        **{f"{name} ml": ml for name, ml in measure.volumes_ml(*where).items()},
        "biparietal mm": measure.biparietal_mm(*where),
        "occipito-frontal mm": measure.occipito_frontal_mm(*where),
        "transcerebellar mm": measure.transcerebellar_mm(*where),
        "atrial width mm, left": atria["left"],
        "atrial width mm, right": atria["right"],
        "gyrification": measure.gyrification(*where),
        **{f"components {n}": c for n, c in measure.components(subject.label, FETA).items()},
    }


def targets(weeks: float) -> dict[str, float]:
    """Return the published values at an age, by the name of the row."""
    width, length = intracranial_mm(weeks)
    return {
        "biparietal mm": width,
        "occipito-frontal mm": length,
        "transcerebellar mm": transcerebellar_mm(weeks),
        "atrial width mm, left": ATRIAL_WIDTH_MM,
        "atrial width mm, right": ATRIAL_WIDTH_MM,
    }


def cell(name: str, values: np.ndarray, target: float | None) -> str:
    """Return mean ± sd and the target as text; of numbers of components, their range."""
    if name.startswith("components"):
        low, high = int(values.min()), int(values.max())
        return f"{low}" if low == high else f"{low}–{high}"
    digits = 2 if name == "gyrification" else 1
    text = f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"
    return text if target is None else f"{text} / {target:.1f}"


def table(weeks: list[float], seeds: int, spacing: float) -> str:
    """Measure phantoms of each age; return the Markdown table."""
    columns: list[dict[str, str]] = []
    for age in weeks:
        rows = [measures(phantom(age, seed, spacing)) for seed in range(seeds)]
        aim = targets(age)
        columns.append(
            {
                name: cell(name, np.array([row[name] for row in rows], float), aim.get(name))
                for name in rows[0]
            }
        )
    lines = ["| | " + " | ".join(f"{age:g} weeks" for age in weeks) + " |"]
    lines.append("|---" * (len(weeks) + 1) + "|")
    for name in columns[0]:
        lines.append(f"| {name} | " + " | ".join(column[name] for column in columns) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weeks", type=float, nargs="+", default=[20, 24, 28, 32, 36])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--spacing", type=float, default=1.0, help="mm")
    parser.add_argument("--markdown", type=Path, help="write the table to this file, too")
    options = parser.parse_args()
    text = table(options.weeks, options.seeds, options.spacing)
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
