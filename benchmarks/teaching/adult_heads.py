"""Protocol 1: a segmenter that has seen no image, only renders of 14 adult label maps.

    python -m benchmarks.teaching.adult_heads OUTPUT --data ../shared/data [--steps 2000] [--seed 0]

Renders random contrasts of the label maps at 2 mm, trains a small 3D U-Net on them, and tests it on
the real T1w volume of `adult-brain`. Everything that is finished is kept in OUTPUT; the same
command goes on. Printed: the Dice of each structure, and their mean.
"""

import argparse
import json
from pathlib import Path

import nibabel as nib
import numpy as np

import factory
from benchmarks.teaching.segmenter import dice_by_class, segment_volume, train_segmenter
from factory.execution.options import RenderOptions, RunOptions
from factory.imaging.intensities import normalise
from factory.storage.subjects.nifti import load_nifti_pair
from factory.storage.subjects.resample import resample

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

RECIPE = """
seed: 1
subjects:
  nifti:
    path: {data}/adult-heads
    labels: "labels-{{subject}}_dseg.nii.gz"
    mapping: synthseg-heads
regions:
  surroundings: [arteries, eyes, soft_tissue, rectus_muscles, mucosa, skin, spinal_cord, veins,
                 cortical_bone, cancellous_bone, optic_nerves, csf]
anatomy:
  - deform:
      warp_mm: {{uniform: [0.5, 3]}}
      rotation_degrees: [{{uniform: [-10, 10]}}, {{uniform: [-10, 10]}}, {{uniform: [-10, 10]}}]
      scale: [{{uniform: [0.9, 1.1]}}, {{uniform: [0.9, 1.1]}}, {{uniform: [0.9, 1.1]}}]
      keep_topology: false
groups:
  heads: {{share: 30 %}}
  brains: {{share: 70 %, anatomy: [{{relabel: {{structure: surroundings, to: background}}}}]}}
appearance: {{contrast: {{preset: random, slice_mm: {{choice: [0, 4]}}}}}}
acquisition: {{bias_field: {{strength: {{uniform: [0, 0.5]}}}}}}
measures: [volume_ml]
replicates: {replicates}
output: {{path: {output}/heads.zarr, spacing_mm: {spacing}}}
"""


def load_test_brain(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the real T1w at 2 mm, and its classes.

    The file's header is the identity; its axes run to the left, down and to the front, which the
    positions of the labels show.
    """
    folder = data / "adult-brain"
    affine = np.array([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    files = {}
    for kind in ("T1w", "dseg"):
        image = nib.load(folder / f"sub-01_{kind}.nii.gz")
        files[kind] = Path("/tmp") / f"teaching-sub-01_{kind}.nii.gz"
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), files[kind])
    subject = load_nifti_pair(files["T1w"], files["dseg"], "freesurfer")
    subject = resample(subject, SPACING_MM)
    lookup = np.array([CLASSES.get(name, 0) for name in subject.table.names], np.uint8)
    assert subject.image is not None
    return normalise(subject.image, subject.label), lookup[subject.label]


def main() -> None:
    """Render, train, test, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--replicates", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    recipe = output / "heads.yaml"
    recipe.write_text(
        RECIPE.format(
            data=arguments.data.resolve(),
            output=output.resolve(),
            replicates=arguments.replicates,
            spacing=SPACING_MM,
        )
    )
    factory.render(
        factory.load_recipe(recipe),
        options=RenderOptions(keep_going=True, run=RunOptions(serial=True)),
    )
    dataset = str(output / "heads.zarr")
    network = train_segmenter([dataset], CLASSES, arguments.steps, arguments.seed, output)
    image, label = load_test_brain(arguments.data)
    scores = dice_by_class(segment_volume(network, image), label, list(STRUCTURES))
    scores["mean"] = float(np.mean(list(scores.values())))
    file = output / f"scores-{arguments.seed}-{arguments.steps}.json"
    file.write_text(json.dumps(scores, indent=1))
    for name, value in scores.items():
        print(f"{name:14} {value:.3f}")


if __name__ == "__main__":
    main()
