"""Small real data and a small real recipe to train on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.anatomies import train_bodies

from factory.config.loading import CheckedDocument, parse_document
from factory.families.spade.recipe import SpadeTraining

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


@pytest.fixture
def recipe(bids: Path, tmp_path: Path) -> Callable[..., CheckedDocument[SpadeTraining]]:
    """recipe("key=value", …, output=FOLDER): the small recipe with changes."""

    def make(*overrides: str, output: Path = tmp_path) -> CheckedDocument[SpadeTraining]:
        return parse_document(
            RECIPE.format(path=bids, output=output), "small.yaml", SpadeTraining, overrides
        )

    return make


@pytest.fixture(scope="session")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small trained generator of made-up bodies."""
    return train_bodies(tmp_path_factory.mktemp("bodies"))
