"""Protocol 1: a segmenter that has seen no image, only renders of 14 adult label maps.

    python -m benchmarks.teaching.adult_heads OUTPUT --data ../shared/data
        [--steps 6000] [--seeds 3] [--contrasts random t1w]

Renders contrasts of the label maps at 2 mm, at random and like T1w by the preset, trains a small 3D
U-Net on either, and tests it on the real T1w volume of `adult-brain`. Everything that is finished
is kept in OUTPUT; the same command goes on. Printed and written to OUTPUT/table.md: the mean Dice,
its 95 % interval over the seeds, and the Dice of each structure.
"""

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np

import factory
from benchmarks.teaching.rows import Fold, Protocol, Row, write_table
from benchmarks.teaching.segmenter import TrainingPlan
from factory.execution.options import RenderOptions, RunOptions
from factory.families.contrast.presets import PRESETS

SPACING_MM = 2.0

STRUCTURES: dict[str, tuple[str, ...]] = {
    "cortex": ("left_cerebral_cortex", "right_cerebral_cortex"),
    "white_matter": ("left_cerebral_white_matter", "right_cerebral_white_matter"),
    "ventricles": (
        "left_lateral_ventricle", "right_lateral_ventricle", "left_inf_lat_vent",
        "right_inf_lat_vent", "third_ventricle", "fourth_ventricle",
    ),
    "thalami": ("left_thalamus", "right_thalamus"),
    "caudates": ("left_caudate", "right_caudate"),
    "putamina": ("left_putamen", "right_putamen"),
    "hippocampi": ("left_hippocampus", "right_hippocampus"),
    "cerebellum": (
        "left_cerebellum_white_matter", "right_cerebellum_white_matter",
        "left_cerebellum_cortex", "right_cerebellum_cortex",
    ),
    "brainstem": ("brain_stem",),
}  # fmt: skip
"""The labels of each structure that is scored."""

CLASSES = {
    label: value
    for value, labels in enumerate(STRUCTURES.values(), start=1)
    for label in (*labels, *(("wm_hypointensities",) if value == 2 else ()))
}

HEADS = """
seed: 1
subjects:
  nifti:
    path: {data}/adult-heads
    labels: "labels-{{subject}}_dseg.nii.gz"
    mapping: synthseg-heads
regions:
  scalp_and_skull: [arteries, eyes, soft_tissue, rectus_muscles, mucosa, skin, spinal_cord, veins,
                    cortical_bone, cancellous_bone, optic_nerves]
anatomy:
  - deform:
      warp_mm: {{uniform: [0.5, 3]}}
      rotation_degrees: [{{uniform: [-10, 10]}}, {{uniform: [-10, 10]}}, {{uniform: [-10, 10]}}]
      scale: [{{uniform: [0.9, 1.1]}}, {{uniform: [0.9, 1.1]}}, {{uniform: [0.9, 1.1]}}]
      keep_topology: false
groups:
  heads: {{share: 30 %}}
  brains:  # as after skull stripping, which leaves fluid in the sulci
    share: 50 %
    anatomy: [{{relabel: {{structure: scalp_and_skull, to: background}}}}]
  tight_brains:
    share: 20 %
    anatomy:
      - relabel: {{structure: scalp_and_skull, to: background}}
      - relabel: {{structure: csf, to: background}}
appearance:
  contrast:  # everything but the air is labelled, so the background is dark
    preset: {preset}
    labels: {{background: {{mean: 0, sd: 0}}}}
    slice_mm: {{choice: [0, 4]}}
acquisition: {{bias_field: {{strength: {{uniform: [0, 0.5]}}}}}}
measures: [volume_ml]
replicates: 8
output: {{path: {output}/{preset}.zarr, spacing_mm: {spacing}}}
"""

REAL = """
seed: 1
subjects:
  nifti:
    path: {output}/turned
    labels: "{{subject}}_dseg.nii.gz"
    images: "{{subject}}_T1w.nii.gz"
    mapping: freesurfer
appearance: original
measures: [volume_ml]
output: {{path: {output}/real.zarr, spacing_mm: {spacing}}}
"""


def turn_files(data: Path, folder: Path) -> None:
    """Write the real T1w and its labels with their true orientation.

    The file's header is the identity; its axes run to the left, down and to the front, which the
    positions of the labels show.
    """
    folder.mkdir(exist_ok=True)
    affine = np.array([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    for kind in ("T1w", "dseg"):
        image = nib.load(data / "adult-brain" / f"sub-01_{kind}.nii.gz")
        turned = nib.Nifti1Image(np.asarray(image.dataobj), affine)
        nib.save(turned, folder / f"sub-01_{kind}.nii.gz")


def main() -> None:
    """Render, train, test, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--steps", type=int, nargs="+", default=[6000])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--contrasts", nargs="+", choices=PRESETS, default=["random", "t1w"])
    arguments = parser.parse_args()
    output: Path = arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    data: Path = arguments.data.resolve()

    def make_dataset(name: str) -> str:
        if name == "real":
            turn_files(data, output / "turned")
        text = REAL if name == "real" else HEADS
        recipe = output / f"{name}.yaml"
        recipe.write_text(text.format(data=data, output=output, spacing=SPACING_MM, preset=name))
        options = RenderOptions(keep_going=True, run=RunOptions(serial=True))
        factory.render(factory.load_recipe(recipe), options=options)
        return str(output / f"{name}.zarr")

    protocol = Protocol(output, TrainingPlan(CLASSES), list(STRUCTURES), make_dataset)
    rows = [Row(f"{name} contrast", (Fold({name: 1.0}, "real"),)) for name in arguments.contrasts]
    write_table(protocol, rows, arguments.steps, arguments.seeds, list(STRUCTURES))


if __name__ == "__main__":
    main()
