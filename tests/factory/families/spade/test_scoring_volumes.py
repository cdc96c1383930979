"""The shipped model on the subjects that its training held out."""

from pathlib import Path

import pytest
import torch
from support import places

from factory.families.spade.scoring_volumes import CLASS_MEANS, FUSIONS, held_out_scores, markdown
from factory.families.spade.volume_painter import SpadePainter
from factory.imaging.orientations import AXES
from factory.models.checkpoint import read_card
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.load import load_subject

WEIGHTS = places.WEIGHTS / "fetal-spade"
HELD_OUT = read_card(WEIGHTS)["training"]["held_out"]


@pytest.mark.parametrize("name", HELD_OUT)
def test_the_fused_networks_beat_class_mean_painting(real_data: Path, name: str) -> None:
    """Inside the brain, on each held-out file: the claim of the card and of the README."""
    root = real_data / "fetal-spina-bifida"
    if not root.is_dir():
        pytest.skip(f"no {root}")
    [record] = list_bids_subjects(root, "svrtk", "spina-bifida-atlas", [name])
    painter = SpadePainter(WEIGHTS, torch.device("cpu"))
    table = held_out_scores(painter, [load_subject(record, None)]).set_index("version")
    assert list(table.index) == [CLASS_MEANS, *AXES, *FUSIONS]
    fused, baseline = table.loc["mean"], table.loc[CLASS_MEANS]
    assert fused.ssim > baseline.ssim + 0.05
    assert fused["corr"] > baseline["corr"] + 0.03
    assert fused.mse < 0.7 * baseline.mse
    assert name in markdown(table.reset_index())
