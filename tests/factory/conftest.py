"""Small real data and a small real recipe to train on."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from factory.config.loading import Loaded, parse
from factory.families.spade.recipe import SpadeTraining
from factory.storage.subjects.phantom import phantom

RECIPE = """
family: spade
name: small
seed: 3
licence: none
subjects: {{path: {path}, mapping: feta, hold_out: [sub-2], spacing_mm: [4.0]}}
orientations: [axial]
crop: 32
model: {{width: 2, hidden: 4}}
discriminator: {{width: 4}}
loss: {{reconstruction: 5}}
optimiser: {{lr_generator: 0.001}}
batch: 4
niter: 1
niter_decay: 1
log_every: 2
sample_every: 1000
checkpoint_every: 5
output: {output}
"""


@pytest.fixture(scope="module")
def bids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three phantoms painted by class, as NIfTI in the BIDS layout, at 4 mm."""
    root = tmp_path_factory.mktemp("bids")
    tones = np.array([0, 0.8, 0.5, 0.6, 0.9, 0.55, 0.5, 0.45]) * 1000
    for i, age in enumerate((24.0, 28.0, 32.0)):
        subject = phantom(age, i, 4.0)
        folder = root / f"sub-{i}" / "anat"
        folder.mkdir(parents=True)
        for kind, volume in (("T2w", tones[subject.label]), ("dseg", subject.label)):
            image = nib.Nifti1Image(volume.T.astype(np.int16), subject.grid.affine)
            nib.save(image, folder / f"sub-{i}_rec-mial_{kind}.nii.gz")
    rows = "".join(f"sub-{i}\tNeurotypical\t{age}\n" for i, age in enumerate((24, 28, 32)))
    (root / "participants.tsv").write_text("participant_id\tPathology\tGestational age\n" + rows)
    return root


@pytest.fixture
def recipe(bids: Path, tmp_path: Path) -> Callable[..., Loaded[SpadeTraining]]:
    """recipe("key=value", …, output=FOLDER): the small recipe with changes."""

    def make(*overrides: str, output: Path = tmp_path) -> Loaded[SpadeTraining]:
        return parse(
            RECIPE.format(path=bids, output=output), "small.yaml", SpadeTraining, overrides
        )

    return make
