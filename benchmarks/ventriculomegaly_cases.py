"""Does the atrium measure what was asked for, and does each certificate hold, over many cases?

    OMP_NUM_THREADS=1 python benchmarks/ventriculomegaly_cases.py OUTPUT [--data FOLDER]
        [--count 200] [--spacing 1.0] [--seed 1]

Phantoms of 22 to 34 weeks, and the subjects of a BIDS folder where there is one, every fourth
case; widths drawn within ISUOG's grades, or above what a subject has already; both modes in turn.
Rows are written to OUTPUT/cases.csv one by one; run again, it continues where it stopped.
In the end it writes OUTPUT/table.md and OUTPUT/scatter.png; --table writes them for the rows that
exist.
"""

import argparse
import csv
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from factory.anatomy.edits.ventriculomegaly.edit import MODES, ventriculomegaly
from factory.anatomy.measures import atrial_width_mm, components, euler_number, volumes_ml
from factory.errors import AnatomyError
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA, Subject

GRADES = {"mild": (10.0, 13.0), "moderate": (13.0, 15.0), "severe": (15.0, 20.0)}
SOLID = ("grey_matter", "white_matter", "deep_grey_matter", "brainstem", "cerebellum")
CASE = ("case", "subject", "weeks", "mode", "grade", "side", "spacing_mm", "present_mm")
WIDTH = ("requested_mm", "achieved_mm", "error_mm", "seconds", "evaluations", "refused")
FLOW = ("jacobian_min", "jacobian_max", "parenchyma_loss", "external_csf_left", "voxels_held")
SHAPE = ("intracranial_change", "mantle_before_mm", "mantle_mm", "worst_tissue", "worst_change")
COUNTS = ("components_changed", "euler_changed")
COLUMNS = CASE + WIDTH + FLOW + SHAPE + COUNTS


def case(number: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return one row; the random choices depend only on the seed and the case's number."""
    rng = np.random.Generator(np.random.Philox(key=[options.seed, number]))
    grade = list(GRADES)[int(rng.integers(3))]
    share, weeks, seed = float(rng.random()), int(rng.integers(22, 35)), int(rng.integers(10**6))
    side = str(rng.choice(["both", "both", "left", "right"]))
    subject = drawn_subject(number, weeks, seed, options)
    spacing = subject.grid.spacing
    before = atrial_width_mm(subject.label, spacing, FETA)
    main = ("left", "right") if side == "both" else (side,)
    present = max(before[s] or 0.0 for s in main)
    low, high = GRADES[grade]
    requested = low + share * (high - low)
    if requested < present + 0.5:
        grade, requested = "above present", present + 1 + 4 * share
    mode = MODES[number % 2]
    row = {
        "case": number,
        "subject": subject.id,
        "weeks": weeks if "phantom" in subject.id else "",
        "mode": mode,
        "grade": grade,
        "side": side,
        "spacing_mm": spacing[1],
        "present_mm": present,
        "requested_mm": requested,
    }
    start = time.process_time()
    try:
        label, _, record = ventriculomegaly(subject.label, spacing, FETA, requested, mode, side)
    except AnatomyError as error:
        return row | {"seconds": time.process_time() - start, "refused": str(error)}
    row["seconds"] = time.process_time() - start
    achieved = max(atrial_width_mm(label, spacing, FETA)[s] or 0.0 for s in main)
    row |= {"achieved_mm": achieved, "error_mm": achieved - requested}
    row |= {name: record[name] for name in record if name in COLUMNS}
    row["voxels_held"] = record.get("voxels_held_by_topology", "")
    return row | changes(subject.label, label, spacing)


def drawn_subject(number: int, weeks: int, seed: int, options: argparse.Namespace) -> Subject:
    """Return the subject of a case: a phantom, or a real one if finished is data."""
    if number % 8 in (3, 6) and options.data.is_dir():
        real = list_bids_subjects(options.data, None, None, None)
        return load_subject(real[number // 4 % len(real)], options.spacing)
    return phantom(weeks, seed, options.spacing)


def changes(
    old: np.ndarray, new: np.ndarray, spacing: tuple[float, float, float]
) -> dict[str, Any]:
    """Check the certificate again, from the arrays."""
    volumes = [volumes_ml(a, spacing, FETA) for a in (old, new)]
    share = {t: volumes[1][t] / volumes[0][t] - 1 for t in SOLID if volumes[0][t]}
    worst = max(share, key=lambda t: abs(share[t]))
    row: dict[str, Any] = {"worst_tissue": worst, "worst_change": share[worst]}
    row["intracranial_change"] = (new > 0).sum() / (old > 0).sum() - 1
    for name, count in (("components_changed", components), ("euler_changed", euler_number)):
        before, after = count(old, FETA), count(new, FETA)
        row[name] = sum(before[t] != after[t] for t in before)
    return row


def read(path: Path) -> list[dict[str, str]]:
    """Read the rows of a file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        # A row cut short by a kill is made again.
        return [row for row in rows if row[COLUMNS[-1]] is not None]


def numbers(rows: list[dict[str, str]], name: str) -> np.ndarray:
    """Return the values of a column that are not empty."""
    return np.array([float(row[name]) for row in rows if row[name]])


def table(rows: list[dict[str, str]]) -> str:
    """Return the results as Markdown."""
    lines = [f"{len(rows)} cases", "", "| | " + " | ".join(MODES) + " |", "|---|---|---|"]
    of = {mode: [r for r in rows if r["mode"] == mode] for mode in MODES}
    accepted_rows = {mode: [r for r in of[mode] if r["achieved_mm"]] for mode in MODES}

    def line(what: str, cells: list[str]) -> None:
        lines.append(f"| {what} | {' | '.join(cells)} |")

    def worst(what: str, name: str, pick: Any, form: str) -> None:
        values = [numbers(accepted_rows[m], name) for m in MODES]
        line(what, [format(pick(v), form) if len(v) else "–" for v in values])

    line("cases", [str(len(of[m])) for m in MODES])
    line("refused", [str(len(of[m]) - len(accepted_rows[m])) for m in MODES])
    worst("mean error, mm", "error_mm", lambda v: np.abs(v).mean(), ".3f")
    worst("largest error, mm", "error_mm", lambda v: np.abs(v).max(), ".3f")
    beyond = [
        sum(abs(float(r["error_mm"])) > float(r["spacing_mm"]) / 2 for r in accepted_rows[m])
        for m in MODES
    ]
    line("beyond half a voxel", [str(n) for n in beyond])
    worst("seconds, median", "seconds", np.median, ".1f")
    worst("evaluations, most", "evaluations", np.max, ".0f")
    worst("Jacobian, least", "jacobian_min", np.min, ".3f")
    worst("Jacobian, largest", "jacobian_max", np.max, ".2f")
    worst("a solid tissue's volume, worst change", "worst_change", spread, ".1%")
    worst("parenchyma lost, most", "parenchyma_loss", np.max, ".1%")
    worst("external CSF left, least", "external_csf_left", np.min, ".1%")
    worst("intracranial volume, worst change", "intracranial_change", spread, ".2%")
    worst("mantle, least, mm", "mantle_mm", np.min, ".1f")
    worst("tissues whose components changed (dilate may)", "components_changed", np.sum, ".0f")
    worst("tissues whose Euler number changed (dilate may)", "euler_changed", np.sum, ".0f")
    lines += ["", "Refused, and why:"]
    for mode in MODES:
        why = Counter(reason(r["refused"]) for r in of[mode] if r["refused"])
        lines += [f"- {mode}: {n} × {text}" for text, n in why.most_common()]
    return "\n".join(lines) + "\n"


def spread(values: np.ndarray) -> float:
    """Return the value that is farthest from 0."""
    return float(values[np.abs(values).argmax()])


def reason(message: str) -> str:
    """Return the reason in an error message, without its numbers."""
    if "(" in message:
        return message.rpartition("(")[2].rstrip(")")
    words = message.rpartition(":")[2].split()
    return " ".join(w for w in words if not any(c.isdigit() for c in w))


def scatter(rows: list[dict[str, str]], path: Path) -> None:
    """Plot achieved over requested widths as a PNG."""
    figure, panel = plt.subplots(figsize=(6, 6))
    for mode, marker in zip(MODES, "ox", strict=True):
        accepted_rows = [r for r in rows if r["mode"] == mode and r["achieved_mm"]]
        panel.scatter(
            numbers(accepted_rows, "requested_mm"),
            numbers(accepted_rows, "achieved_mm"),
            marker=marker,
            label=mode,
        )
    ends = panel.get_xlim()
    panel.plot(ends, ends, color="grey", linewidth=0.8, zorder=0)
    panel.set_xlabel("atrial width asked for, mm")
    panel.set_ylabel("atrial width measured, mm")
    panel.legend()
    figure.savefig(path, dpi=120, bbox_inches="tight")


def render(path: Path, options: argparse.Namespace) -> None:
    """Write the cases that are missing in a file."""
    finished = read(path)
    missing = sorted(set(range(options.count)) - {int(row["case"]) for row in finished})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(finished)
        file.flush()
        for number in missing:
            writer.writerow(case(number, options))
            file.flush()


def main() -> None:
    """Make the cases, and write table and plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    data = Path(__file__).parents[2] / "shared" / "data" / "fetal-spina-bifida"
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--spacing", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="only the table of the finished cases")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "cases.csv"
    settings = {k: getattr(options, k) for k in ("spacing", "seed")}
    settings_file = options.output / "asked.json"
    if settings_file.exists() and json.loads(settings_file.read_text()) != settings:
        parser.error(
            f"{options.output} holds cases of {settings_file.read_text()}; take another folder"
        )
    settings_file.write_text(json.dumps(settings))
    if not options.table:
        render(path, options)
    rows = read(path)
    (options.output / "table.md").write_text(table(rows))
    scatter(rows, options.output / "scatter.png")
    print(table(rows))


if __name__ == "__main__":
    main()
