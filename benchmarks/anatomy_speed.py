"""How long does one operation on a label map take, on one core?

    OMP_NUM_THREADS=1 python benchmarks/anatomy_speed.py [--spacing 0.65] [--shape 192]

A phantom of 30 weeks at 0.65 mm fills 192³ voxels as a term head does at 0.8 mm; it is padded to
the cube. Prints processor seconds, the least of some repeats, since other work only adds.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from factory.anatomy import measure, topology, warp
from factory.anatomy.deform import LATTICE_MM, deform, random_velocity
from factory.anatomy.ventricles import dilate_ventricles, lateral_ventricles
from factory.anatomy.ventriculomegaly import ventriculomegaly
from storage.phantom import phantom
from storage.subject import FETA


def padded(label: np.ndarray, size: int) -> np.ndarray:
    room = [max(0, size - n) for n in label.shape]
    return np.pad(label, [(r // 2, r - r // 2) for r in room])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spacing", type=float, default=0.65)
    parser.add_argument("--shape", type=int, default=192)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    label = padded(phantom(30, 1, options.spacing).label, options.shape)
    image = label.astype(np.float32)
    spacing = (options.spacing,) * 3
    where = (label, spacing, FETA)
    print(f"{label.shape} at {options.spacing} mm, {(label > 0).mean():.0%} of it brain")

    def seconds(name: str, work: Callable[[], object], repeats: int = options.repeats) -> None:
        times = []
        for _ in range(repeats):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
        print(f"{name:42s} {min(times):7.2f} s", flush=True)

    into = ["white_matter", "deep_grey_matter"]
    seconds("volumes", lambda: measure.volumes_ml(*where))
    seconds("lateral ventricles", lambda: lateral_ventricles(*where))
    seconds("atrial width", lambda: measure.atrial_width_mm(*where))
    seconds("components", lambda: measure.components(label, FETA))
    seconds("Euler numbers", lambda: measure.euler_number(label, FETA))
    seconds("gyrification", lambda: measure.gyrification(*where))
    seconds("dilate_ventricles, 3 mm", lambda: dilate_ventricles(*where, 3.0, into))

    velocity = random_velocity(label > 0, spacing, 1, 2.0, 12.0)
    u = warp.exponential(velocity, LATTICE_MM)
    shape = (label.shape[0], label.shape[1], label.shape[2])
    places = warp.voxels_from(u, shape, spacing, LATTICE_MM)
    target = warp.pull_label(label, places)
    seconds("warp: exponential", lambda: warp.exponential(velocity, LATTICE_MM))
    seconds("warp: upsampling", lambda: warp.voxels_from(u, shape, spacing, LATTICE_MM))
    seconds("warp: label", lambda: warp.pull_label(label, places))
    seconds("warp: image", lambda: warp.pull_image(image, places))
    seconds("warp: Jacobian", lambda: warp.jacobian(u, shape, spacing, LATTICE_MM))
    seconds("topology: one step", lambda: topology.led_towards(label, target))
    seconds("deform, 2 mm and 5°, whole", lambda: deform(*where, 1, 2.0, 12.0, (5, 0, 0)), 1)
    for mode in ("dilate", "displace"):
        for width in (10.0, 13.0, 16.0):
            name = f"ventriculomegaly, {mode}, {width:g} mm, whole"
            seconds(name, lambda w=width, m=mode: ventriculomegaly(*where, w, m), 1)


if __name__ == "__main__":
    main()
