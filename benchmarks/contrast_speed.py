"""How long a volume with a random contrast takes, here and in TorchIO, side by side in one run.

    OMP_NUM_THREADS=1 python benchmarks/contrast_speed.py LABELS.nii.gz [--count 3] [--side 192]

Equal work on one thread: elastic deformation, rotation and scaling, a random contrast of every
label, a bias field, blur and noise, for a label map of `synthseg-heads` cut to a cube. Ours ends
in a stored dataset, TorchIO's in memory. Printed: seconds a volume, the memory of the process, and
their ratio.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

import factory
from factory.execution.options import RenderOptions, RunOptions

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
    image = nib.as_closest_canonical(nib.load(path))
    values = np.asarray(image.dataobj).astype(np.int32)
    box = tuple(
        slice((n - side) // 2 + margin, (n - side) // 2 + side - margin) for n in values.shape
    )
    cube = np.pad(values[box], margin)
    file = folder / "head_dseg.nii.gz"
    nib.save(nib.Nifti1Image(cube, np.eye(4)), file)
    return file


def time_ours(folder: Path, count: int, side: int) -> float:
    """Return the seconds a volume, from the second on: the first one loads the code."""
    file = folder / "recipe.yaml"
    file.write_text(RECIPE.format(folder=folder, count=1, side=side))
    options = RenderOptions(run=RunOptions(serial=True, progress=False), overwrite=True)
    factory.render(factory.load_recipe(file), options=options)
    begin = time.perf_counter()
    file.write_text(RECIPE.format(folder=folder, count=count, side=side))
    report = factory.render(factory.load_recipe(file), options=options)
    assert not report.failures, report
    return (time.perf_counter() - begin) / count


def time_torchio(file: Path, count: int) -> float:
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
    begin = time.perf_counter()
    for seed in range(count):
        torch.manual_seed(seed)
        transform(subject)
    return (time.perf_counter() - begin) / count


def main() -> None:
    """Time both, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels")
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--side", type=int, default=192)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = cut_label_map(arguments.labels, arguments.side, 12, folder)
        ours = time_ours(folder, arguments.count, arguments.side)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        torchio = time_torchio(file, arguments.count)
    print(f"factory, into a dataset   {ours:6.2f} s a volume, {memory:.2f} GB at the peak")
    print(f"TorchIO, in memory        {torchio:6.2f} s a volume")
    print(f"ratio                     {torchio / ours:6.2f}")


if __name__ == "__main__":
    main()
