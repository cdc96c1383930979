"""How long a volume with a random contrast takes, here and in other packages, in one run.

    OMP_NUM_THREADS=1 python benchmarks/contrast_speed.py LABELS.nii.gz [--count 3] [--side 192]
        [--others PYTHON]

Equal work on one thread: elastic deformation, rotation and scaling, a random contrast of every
label, a bias field, blur and noise, for a label map of `synthseg-heads` cut to a cube. Ours ends
in a stored dataset, those of TorchIO and cornucopia in memory. Each runs in a process
of its own: ours in this Python, the others in PYTHON, by default the same. One that is not
installed is skipped. Printed: seconds a volume without the first one, on the clock and of the core,
the greatest memory of the process, and the load of the machine before each.
"""

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

RECIPE = """
seed: 1
subjects:
  nifti: {{path: {folder}, labels: "{{subject}}_dseg.nii.gz", mapping: synthseg-heads}}
anatomy:
  - deform:
      warp_mm: {{uniform: [1, 3]}}
      rotation_degrees: [{{uniform: [-5, 5]}}, {{uniform: [-5, 5]}}, {{uniform: [-5, 5]}}]
      scale: [{{uniform: [0.95, 1.05]}}, {{uniform: [0.95, 1.05]}}, {{uniform: [0.95, 1.05]}}]
      keep_topology: false
appearance: {{contrast: random}}
acquisition:
  bias_field: {{strength: {{uniform: [0, 0.4]}}}}
  noise: {{snr: {{uniform: [10, 40]}}}}
measures: [volume_ml]
replicates: {count}
output: {{path: {folder}/made.zarr, spacing_mm: 1.0, shape: [{side}, {side}, {side}]}}
"""


def cut_label_map(path: str, side: int, margin: int, folder: Path) -> Path:
    """Write the middle of a label map as a cube, with a margin of background around it."""
    import nibabel as nib
    import numpy as np

    image = nib.as_closest_canonical(nib.load(path))
    values = np.asarray(image.dataobj).astype(np.int32)
    box = tuple(
        slice((n - side) // 2 + margin, (n - side) // 2 + side - margin) for n in values.shape
    )
    cube = np.pad(values[box], margin)
    file = folder / "head_dseg.nii.gz"
    nib.save(nib.Nifti1Image(cube, np.eye(4)), file)
    return file


@dataclass(frozen=True)
class Times:
    """The time of a volume.

    Attributes:
        wall: On the clock, which other processes make longer.
        cpu: Of the core, which they hardly do.
    """

    wall: float
    cpu: float


def time_calls(call: Callable[[], object], count: int) -> Times:
    """Return the seconds of a call that is made so often."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Times(wall / count, cpu / count)


def time_factory(file: Path, count: int, side: int) -> Times:
    """Return the seconds a volume of ours, into a stored dataset."""
    import factory
    from factory.execution.options import RenderOptions, RunOptions

    recipe = file.parent / "recipe.yaml"
    recipe.write_text(RECIPE.format(folder=file.parent, count=1, side=side))
    options = RenderOptions(run=RunOptions(serial=True, progress=False), overwrite=True)
    factory.render(factory.load_recipe(recipe), options=options)  # it loads the code
    recipe.write_text(RECIPE.format(folder=file.parent, count=count, side=side))
    times = time_calls(
        lambda: factory.render(factory.load_recipe(recipe), options=options), count=1
    )
    return Times(times.wall / count, times.cpu / count)


def time_torchio(file: Path, count: int, side: int) -> Times:
    """Return the seconds a volume of TorchIO's transforms."""
    import torchio as tio

    subject = tio.Subject(label=tio.LabelMap(file))
    subject.load()
    transform = tio.Compose(
        [
            tio.RandomElasticDeformation(num_control_points=9, max_displacement=7.5),
            tio.RandomAffine(scales=0.05, degrees=5),
            tio.RandomLabelsToImage(label_key="label", image_key="image"),
            tio.RandomBiasField(),
            tio.RandomBlur(std=(0, 0.64)),
            tio.RandomNoise(std=(0.02, 0.1)),
        ]
    )
    transform(subject)  # it loads the code
    return time_calls(lambda: transform(subject), count)


def time_cornucopia(file: Path, count: int, side: int) -> Times:
    """Return the seconds a volume of cornucopia's synthesis, with what the others lack left out."""
    import cornucopia as cc
    import nibabel as nib
    import numpy as np
    import torch

    label = torch.from_numpy(np.asarray(nib.load(file).dataobj).astype(np.int64))[None]
    transform = cc.SynthFromLabelTransform(
        translations=False,
        rotation=5,
        shears=False,
        zooms=0.05,
        elastic=0.05,
        gmm_fwhm=False,
        gamma=False,
        motion_fwhm=1.5,
        resolution=False,
        gfactor=False,
    )
    transform(label)  # it loads the code
    return time_calls(lambda: transform(label), count)


PACKAGES = {
    "factory": time_factory,
    "torchio": time_torchio,
    "cornucopia": time_cornucopia,
}
"""What is timed, by the name of the module."""


def time_alone(name: str, file: Path, count: int, side: int) -> None:
    """Time one package in this process, and print a line of JSON."""
    try:
        version = getattr(importlib.import_module(name), "__version__", "")
    except ImportError:
        print(json.dumps({}))
        return
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1)
    times = PACKAGES[name](file, count, side)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({**asdict(times), "memory_gb": memory, "version": version}))


def main() -> None:
    """Time all, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels")
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--side", type=int, default=192)
    parser.add_argument("--others", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--alone", choices=PACKAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        time_alone(options.alone, Path(options.labels), options.count, options.side)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = cut_label_map(options.labels, options.side, 12, Path(folder))
        for name in PACKAGES:
            python = sys.executable if name == "factory" else options.others
            load = os.getloadavg()[0]
            words = [python, __file__, str(file), "--alone", name]
            words += ["--count", str(options.count), "--side", str(options.side)]
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
            result = json.loads(done.stdout.splitlines()[-1])
            if not result:
                print(f"{name:12} skipped: it is not installed", flush=True)
                continue
            print(
                f"{name:12} {result['version']:8} {result['wall']:7.2f} s a volume, "
                f"{result['cpu']:.2f} s of the core, "
                f"{result['memory_gb']:.2f} GB at the peak, load {load:.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
