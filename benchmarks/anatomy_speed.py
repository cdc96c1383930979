"""How long does each measure and each edit of a label map take, on one core?

    OMP_NUM_THREADS=1 python benchmarks/anatomy_speed.py [--only measures edits warp] [--repeats 2]

A phantom of 38 weeks at 0.8 mm, the largest head there is, in 192³ voxels; and what a sample of
the shipped recipes costs, 30 weeks at 1 mm in 112 × 128 × 112. Prints a table of processor
seconds, the least of some repeats since other work only adds, beside the target. A new operator
is timed once it has a line in EDITS.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from factory.anatomy import measure, warp
from factory.anatomy.deform import LATTICE_MM, random_velocity
from factory.anatomy.ventricles import lateral_ventricles
from factory.errors import AnatomyError
from factory.labels import table_of
from factory.operators import operator_class, operator_function, operator_names
from storage.phantom import phantom
from storage.subject import FETA

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
    "deform": [("2 mm, 5°", None, {"warp_mm": 2.0, "rotation_degrees": (5.0, 0.0, 0.0)})],
    "cortical_thinning": [
        ("by 0.3", EDIT_S, {"share": 0.3}),
        ("by 0.3 from inside", EDIT_S, {"share": 0.3, "gains": "white_matter"}),
        ("to 1.5 mm", None, {"thickness_mm": 1.5}),
    ],
    "external_csf": [("4 mm", EDIT_S, {"wider_mm": 4.0})],
    "lesion": [
        ("2 ml", EDIT_S, {"volume_ml": 2.0, "inside": INTO}),
        ("20 ml", EDIT_S, {"volume_ml": 20.0, "inside": INTO}),
        ("2 ml in 10", EDIT_S, {"volume_ml": 2.0, "inside": INTO, "number": 10}),
    ],
}

Head = tuple[np.ndarray, tuple[float, float, float]]


def head(weeks: float, spacing: float, shape: tuple[int, int, int]) -> Head:
    label = phantom(weeks, 1, spacing).label
    room = [n - m for n, m in zip(shape, label.shape, strict=True)]
    return np.pad(label, [(r // 2, r - r // 2) for r in room]), (spacing,) * 3


def seconds(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    times, result = [], None
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
    return min(times), result


def row(name: str, took: float, target: float | None, note: str = "") -> None:
    beside = "" if target is None else f"{target:g}"
    if target is not None and took > target:
        note = f"**missed, {took / target:.1f} ×**" + (f"; {note}" if note else "")
    print(f"| {name} | {took:.2f} | {beside} | {note} |", flush=True)


def measures(large: Head, small: Head, repeats: int) -> None:
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
        row(name, seconds(work, repeats)[0], MEASURE_S)
    for size, (array, voxel) in {"192³": large, "as shipped": small}.items():
        took, _ = seconds(lambda a=array, v=voxel: measure.measure(a, v, FETA), repeats)
        row(f"all measures of a sample, {size}", took, None)


def edits(large: Head, repeats: int) -> None:
    label, spacing = large
    table = table_of([{"name": "lesion", "looks_like": "white_matter"}])
    for operator in operator_names():
        if operator not in EDITS:
            print(f"| {operator} | | | not timed: no line in EDITS |")
        for what, target, parameters in EDITS.get(operator, []):
            seed = {"seed": 1} if operator_class(operator).random else {}
            edit = operator_function(operator)
            name = f"{operator}, {what}"
            try:
                took, result = seconds(
                    lambda e=edit, p=parameters | seed: e(label, spacing, table, **p), repeats
                )
            except AnatomyError as error:
                print(f"| {name} | | | refused: {error} |", flush=True)
                continue
            evaluations = result[2].get("evaluations") if len(result) > 2 else None
            if evaluations is None:
                row(name, took, target)
            else:
                note = f"{took:.2f} s the whole, of {evaluations} evaluations"
                row(f"{name}: an evaluation", took / evaluations, target, note)


def warps(large: Head, repeats: int) -> None:
    label, spacing = large
    shape = (label.shape[0], label.shape[1], label.shape[2])
    image = label.astype(np.float32)
    velocity = random_velocity(label > 0, spacing, 1, 2.0, 12.0)
    u = warp.exponential(velocity, LATTICE_MM)
    places = warp.voxels_from(u, shape, spacing, LATTICE_MM)
    evaluation = 0.0
    for name, work in {
        "exponential": lambda: warp.exponential(velocity, LATTICE_MM),
        "upsampling": lambda: warp.voxels_from(u, shape, spacing, LATTICE_MM),
        "label pulled": lambda: warp.pull_label(label, places),
    }.items():
        took, _ = seconds(work, repeats)
        evaluation += took
        row(f"warp: {name}", took, None)
    row("warp: an evaluation, the three together", evaluation, WARP_S)
    row("warp: image pulled", seconds(lambda: warp.pull_image(image, places), repeats)[0], None)
    took, _ = seconds(lambda: warp.jacobian(u, shape, spacing, LATTICE_MM), repeats)
    row("warp: Jacobian at full resolution", took, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ("measures", "edits", "warp")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    large = head(38, 0.8, (192, 192, 192))
    print(f"192³ at 0.8 mm, {(large[0] > 0).mean():.0%} of it brain\n")
    print("| one core | s | target s | |\n|---|---|---|---|")
    if "measures" in options.only:
        measures(large, head(30, 1.0, (112, 128, 112)), options.repeats)
    if "edits" in options.only:
        edits(large, options.repeats)
    if "warp" in options.only:
        warps(large, options.repeats)


if __name__ == "__main__":
    main()
