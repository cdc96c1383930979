"""How long does each measure and each edit of a label map take, on one core?

    OMP_NUM_THREADS=1 python benchmarks/anatomy_speed.py [--only measures edits warp] [--repeats 2]
        [--into DIR]

A phantom of 38 weeks at 0.8 mm, the largest head there is, in 192³ voxels; and what a sample of
the shipped recipes costs, 30 weeks at 1 mm in 112 × 128 × 112. Prints a table of processor
seconds, the least of some repeats since other work only adds, beside the target. A new operator
is timed once it has a line in EDITS. Written: anatomy_speed.json, .md and .png.
"""

import argparse
import functools
import importlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from report_table import bars, write_results

from factory.anatomy import measures as measure
from factory.anatomy.deformation import warp
from factory.anatomy.edits.deform.edit import LATTICE_MM, random_velocity
from factory.anatomy.edits.registry import OPERATORS
from factory.anatomy.lateral_ventricles import lateral_ventricles
from factory.anatomy.regions import midline_x
from factory.case import AddedLabel
from factory.errors import AnatomyError
from factory.schema.label_table import dataset_table
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import CALLOSUM, FETA, LabelTable

MEASURE_S = EDIT_S = 0.5
WARP_S = 1.0
"""Targets: a measure, a morphological edit, one evaluation of a warp."""

INTO = ["white_matter", "deep_grey_matter"]
EDITS: dict[str, list[tuple[str, float | None, dict[str, Any]]]] = {
    # operator: what it is called here, its target (a warp's is for one evaluation), parameters
    "dilate_ventricles": [("3 mm", EDIT_S, {"radius_mm": 3.0, "into": INTO})],
    "ventriculomegaly": [
        ("dilate to 13 mm", EDIT_S, {"atrial_width_mm": 13.0, "mode": "dilate"}),
        ("displace to 10 mm", WARP_S, {"atrial_width_mm": 10.0, "mode": "displace"}),
        ("displace to 13 mm", WARP_S, {"atrial_width_mm": 13.0, "mode": "displace"}),
    ],
    "deform": [("2 mm, 5°", WARP_S, {"warp_mm": 2.0, "rotation_degrees": (5.0, 0.0, 0.0)})],
    "microcephaly": [
        ("to 85 mm", WARP_S, {"biparietal_mm": 85.0}),
        ("to 75 mm", WARP_S, {"biparietal_mm": 75.0}),
    ],
    "grow": [("to 30 weeks", WARP_S, {"to_weeks": 30.0})],
    "asymmetry": [
        ("hemisphere by -0.2", WARP_S, {"side": "left", "hemisphere_share": -0.2}),
        ("ventricle by 0.5", WARP_S, {"side": "left", "ventricle_share": 0.5}),
    ],
    "cerebellar_growth": [("to 44 mm", EDIT_S, {"transcerebellar_mm": 44.0})],
    "cerebellar_hypoplasia": [("to 35 mm", WARP_S, {"transcerebellar_mm": 35.0})],
    "cortical_thinning": [
        ("by 0.3", EDIT_S, {"share": 0.3}),
        ("by 0.3 from inside", EDIT_S, {"share": 0.3, "gains": "white_matter"}),
        ("to 1.5 mm", EDIT_S, {"thickness_mm": 1.5}),
    ],
    "corpus_callosum_agenesis": [("all of it", EDIT_S, {"share": 1.0})],
    "external_csf": [("4 mm", EDIT_S, {"wider_mm": 4.0})],
    "lesion": [
        ("2 ml", EDIT_S, {"volume_ml": 2.0, "inside": INTO}),
        ("20 ml", EDIT_S, {"volume_ml": 20.0, "inside": INTO}),
        ("2 ml in 10", EDIT_S, {"volume_ml": 2.0, "inside": INTO, "number": 10}),
    ],
}

COUNTED = {
    "deform": "factory.anatomy.edits.deform.edit.compose",
    "grow": "factory.anatomy.deformation.velocity.exponential",
    "asymmetry": "factory.anatomy.deformation.velocity.exponential",
}
"""What an evaluation calls once, for warped edits whose record does not count them."""

WEEKS = 38
Head = tuple[np.ndarray, tuple[float, float, float]]


def head(weeks: float, spacing: float, shape: tuple[int, int, int]) -> Head:
    """Return the label map of a phantom, padded to a shape, and its spacing in mm."""
    label = phantom(weeks, 1, spacing).label
    room = [n - m for n, m in zip(shape, label.shape, strict=True)]
    return np.pad(label, [(r // 2, r - r // 2) for r in room]), (spacing,) * 3


def forget() -> None:
    """Measure and edit another head, so that caches of the last one do not help the next."""
    label, spacing = phantom(30, 1, 3.0).label, (3.0,) * 3
    measure.measure(label, spacing, FETA)
    OPERATORS["ventriculomegaly"].apply(label, spacing, FETA, atrial_width_mm=14.0, mode="displace")


def seconds(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the processor seconds of some work, the least of some repeats, and its result."""
    times, result = [], None
    for _ in range(repeats):
        forget()
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
    return min(times), result


@dataclass
class Rows:
    """The lines of the table, printed at once, with the seconds and targets behind them."""

    lines: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    targets: dict[str, float] = field(default_factory=dict)

    def say(self, line: str) -> None:
        """Print a line of the table."""
        self.lines.append(line)
        print(line, flush=True)

    def add(
        self, name: str, took: float, target: float | None, evaluations: int | None = None
    ) -> None:
        """Add a row; WARP_S is the target of one evaluation, any other target that of the whole."""
        each = took / evaluations if evaluations else None
        beside, counted = "" if target is None else f"{target:g}", took
        if each is not None and target == WARP_S:
            beside, counted = f"{target:g} an evaluation", each
        note = f"**missed, {counted / target:.1f} ×**" if target and counted > target else ""
        details = f"{evaluations} | {each:.2f}" if each is not None else " | "
        self.say(f"| {name} | {took:.2f} | {details} | {beside} | {note} |")
        self.seconds[name] = counted
        if target:
            self.targets[name] = target


def measures(rows: Rows, large: Head, small: Head, repeats: int) -> None:
    """Time every measure."""
    label, spacing = large
    where = label, spacing, FETA
    for name, work in {
        "volumes": lambda: measure.volumes_ml(*where),
        "lateral ventricles told apart": lambda: lateral_ventricles(*where),
        "atrial width": lambda: measure.atrial_width_mm(*where),
        "ventricle-to-brain ratio": lambda: measure.ventricle_brain_ratio(*where),
        "biparietal": lambda: measure.biparietal_mm(*where),
        "occipito-frontal": lambda: measure.occipito_frontal_mm(*where),
        "transcerebellar": lambda: measure.transcerebellar_mm(*where),
        "cortical thickness": lambda: measure.cortical_thickness_mm(*where),
        "gyrification": lambda: measure.gyrification(*where),
        "components": lambda: measure.components(label, FETA),
        "Euler numbers": lambda: measure.euler_number(label, FETA),
    }.items():
        rows.add(name, seconds(work, repeats)[0], MEASURE_S)
    for size, (array, voxel) in {"192³": large, "as shipped": small}.items():
        took, _ = seconds(functools.partial(measure.measure, array, voxel, FETA), repeats)
        rows.add(f"all measures of a sample, {size}", took, None)


def edits(rows: Rows, large: Head, repeats: int) -> None:
    """Time every edit."""
    label, spacing = large
    table = dataset_table(
        FETA, tuple(AddedLabel(name, "white_matter") for name in ("lesion", CALLOSUM))
    )
    for operator in OPERATORS:
        kind = OPERATORS[operator]
        extra: dict[str, Any] = {"seed": 1} if kind.random else {}
        extra |= {"age_weeks": WEEKS} if kind.takes_age else {}
        array = with_callosum(label, spacing, table) if CALLOSUM in kind.needs else label
        for what, target, parameters in EDITS.get(operator) or examples(operator):
            name = f"{operator}, {what}"
            try:
                arguments = {**parameters, **extra}
                evaluations, took = timed(
                    operator, functools.partial(apply, array, spacing, table, arguments), repeats
                )
            except AnatomyError as error:
                rows.say(f"| {name} | | | | | refused: {error} |")
                continue
            rows.add(name, took, target, evaluations)


def apply(
    label: np.ndarray,
    spacing: tuple[float, float, float],
    table: LabelTable,
    arguments: Mapping[str, Any],
    edit: Callable[..., Any],
) -> Any:
    """Apply an edit."""
    return edit(label, spacing, table, **arguments)


def examples(operator: str) -> list[tuple[str, float | None, dict[str, Any]]]:
    """Return the examples of an edit without a target of its own, at the middle strength."""
    examples = OPERATORS[operator].examples
    return [(e.text, None, dict(e.strengths[len(e.strengths) // 2])) for e in examples]


def timed(operator: str, work: Callable[[Any], Any], repeats: int) -> tuple[int | None, float]:
    """Return how many evaluations an edit took, None if it is not iterative, and its seconds."""
    edit = OPERATORS[operator].apply
    if operator not in COUNTED:
        took, result = seconds(lambda: work(edit), repeats)
        return result[2].get("evaluations") if len(result) > 2 else None, took
    module, _, name = COUNTED[operator].rpartition(".")
    real = getattr(importlib.import_module(module), name)
    with patch(COUNTED[operator], side_effect=real) as counter:
        took, _ = seconds(lambda: work(edit), repeats)
    return counter.call_count // repeats, took


def with_callosum(label: np.ndarray, spacing: tuple[float, ...], table: LabelTable) -> np.ndarray:
    """Label the white matter within 4 mm of the midline as a corpus callosum."""
    distance_mm = np.abs(np.arange(label.shape[2]) - midline_x(label)[:, :, None]) * spacing[2]
    white = (label == table.index("white_matter")) & (distance_mm < 4)
    return np.where(white, np.uint8(table.index(CALLOSUM)), label)


def warps(rows: Rows, large: Head, repeats: int) -> None:
    """Time the parts of a warp."""
    label, spacing = large
    shape = (label.shape[0], label.shape[1], label.shape[2])
    image = label.astype(np.float32)
    velocity = random_velocity(label > 0, spacing, 1, 2.0, 12.0)
    u = warp.exponential(velocity, LATTICE_MM)
    places = warp.source_voxels(u, shape, spacing, LATTICE_MM)
    evaluation = 0.0
    for name, work in {
        "exponential": lambda: warp.exponential(velocity, LATTICE_MM),
        "upsampling": lambda: warp.source_voxels(u, shape, spacing, LATTICE_MM),
        "label pulled": lambda: warp.pull_label(label, places),
    }.items():
        took, _ = seconds(work, repeats)
        evaluation += took
        rows.add(f"warp: {name}", took, None)
    rows.add("warp: an evaluation, the three together", evaluation, WARP_S)
    rows.add(
        "warp: image pulled", seconds(lambda: warp.pull_image(image, places), repeats)[0], None
    )
    took, _ = seconds(lambda: warp.jacobian_determinant(u, shape, spacing, LATTICE_MM), repeats)
    rows.add("warp: Jacobian at full resolution", took, None)


def main() -> None:
    """Time what the command line selects, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ("measures", "edits", "warp")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--into", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    large = head(WEEKS, 0.8, (192, 192, 192))
    rows = Rows()
    rows.say(f"192³ at 0.8 mm, {(large[0] > 0).mean():.0%} of it brain\n")
    rows.say("| one core | s the whole | evaluations | s an evaluation | target s | |")
    rows.say("|---|---|---|---|---|---|")
    if "measures" in options.only:
        measures(rows, large, head(30, 1.0, (112, 128, 112)), options.repeats)
    if "edits" in options.only:
        edits(rows, large, options.repeats)
    if "warp" in options.only:
        warps(rows, large, options.repeats)
    write_results(options.into, "anatomy_speed", rows.seconds, "\n".join(rows.lines))
    unit = "processor seconds; of edits that warp, an evaluation"
    bars(options.into / "anatomy_speed.png", rows.seconds, unit, rows.targets, log=True)


if __name__ == "__main__":
    main()
