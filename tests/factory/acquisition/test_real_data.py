"""A fetus of the atlas in thick slices keeps its volume, signal and tissues."""

from pathlib import Path

import numpy as np
import pytest

from factory.acquisition.acquire import AcquiredImage, acquire_stacks
from factory.imaging.intensities import normalise
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.types import FETA, Subject

ORIENTATIONS = ["coronal", "axial"]


@pytest.fixture(scope="module")
def fetus(real_data: Path) -> Subject:
    root = real_data / "fetal-spina-bifida"
    record = list_bids_subjects(root, None, "spina-bifida-atlas", ["sub-ga28op"])[0]
    return load_subject(record, 1.6)


def scanned(fetus: Subject, **sections: object) -> AcquiredImage:
    assert fetus.image is not None
    image = normalise(fetus.image, fetus.label)
    parameters = {
        "stacks": {"orientations": ORIENTATIONS, "thickness_mm": 3.0, "in_plane_mm": 1.6},
        **sections,
    }
    return acquire_stacks(image, fetus.label, fetus.grid, fetus.table, parameters, 5)


def test_thick_slices_keep_volume_and_signal(fetus: Subject) -> None:
    assert fetus.image is not None
    brain_ml = np.count_nonzero(fetus.label) * np.prod(fetus.grid.spacing) / 1000
    signal = normalise(fetus.image, fetus.label).sum() * np.prod(fetus.grid.spacing)
    for stack in scanned(fetus).stacks:
        voxel = np.prod(stack.spacing)
        assert np.count_nonzero(stack.label) * voxel / 1000 == pytest.approx(brain_ml, rel=0.03)
        assert stack.image.sum() * voxel == pytest.approx(signal, rel=0.01)


def test_a_moving_fetus_keeps_its_label_on_its_tissue(fetus: Subject) -> None:
    """Motion that the label follows leaves each tissue as bright as it was."""
    motion = {"translation_mm": 2, "rotation_degrees": 4, "jerk_share": 0.1}
    pairs = zip(scanned(fetus).stacks, scanned(fetus, motion=motion).stacks, strict=True)
    for still, moved in pairs:
        assert (still.label != moved.label).mean() > 0.01
        for tissue in ("white_matter", "ventricles", "external_csf"):
            value = FETA.index(tissue)
            before, after = (s.image[s.label == value].mean() for s in (still, moved))
            assert after == pytest.approx(before, rel=0.05), tissue


def test_the_signal_to_noise_ratio_holds_with_every_other_defect(fetus: Subject) -> None:
    record = scanned(
        fetus,
        motion={"translation_mm": 1, "rotation_degrees": 1.5, "jerk_share": 0.05},
        dropped={"share": 0.1},
        voids={"share": 0.1, "size_mm": 15},
        kspace={"kept": 0.8, "echo_train_ms": 250},
        bias_field={"order": 3, "strength": 0.5},
        noise={"snr": 20},
        gamma=1.3,
    ).record
    assert record["snr"] == [pytest.approx(20, rel=0.05)] * 2
