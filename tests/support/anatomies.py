"""A small generator of two made-up organs, trained in a second, and the people it learns from."""

from pathlib import Path

import nibabel as nib
import torch

from factory.families.anatomy.job import PART, export, work
from factory.families.registry import load_training
from factory.storage.subjects.shapes import draw_shapes
from factory.training.run import Run

BODIES = {
    "body": {"size_mm": [60, 80, 60], "centre_mm": [0, 0, 0], "inside": None},
    "organ": {"size_mm": [20, 30, 24], "centre_mm": [2, 8, 3], "inside": "body"},
}

RECIPE = """
family: anatomy
name: bodies
seed: 1
licence: made up
subjects:
  path: {people}
  layout: nifti
  labels: "{{subject}}.nii.gz"
  mapping: {{1: body, 2: organ}}
  spacing_mm: [3]
  hold_out: [p3]
registration: {{lattice_mm: 12, levels: [{{step_mm: 8, steps: 15}}]}}
deformations: {{count: 8, lattice_mm: 25, bumps: [{{width_mm: 25, sd_mm: 1}}]}}
log_every: 1
checkpoint_every: 1
output: {output}
"""


def write_people(folder: Path, count: int = 4) -> Path:
    """Write label maps of made-up people, and return their folder."""
    folder.mkdir(parents=True)
    for index in range(count):
        subject = draw_shapes(BODIES, 1.0, index, 3.0, f"p{index}")
        image = nib.Nifti1Image(subject.label.transpose(2, 1, 0), subject.grid.affine)
        nib.save(image, folder / f"p{index}.nii.gz")
    return folder


def train_bodies(folder: Path) -> Path:
    """Train the generator, and return the folder of the model."""
    recipe = folder / "bodies.yaml"
    people = write_people(folder / "people")
    recipe.write_text(RECIPE.format(people=people, output=folder / "run"))
    loaded = load_training(recipe)
    with torch.random.fork_rng():
        work(loaded.spec, PART, Run(folder / "run" / PART))
    return export(loaded, folder / "run")
