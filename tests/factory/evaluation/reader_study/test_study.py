"""Which slices are shown; nothing but the image itself tells real from synthetic."""

import json
from collections import Counter

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.reader_studies import brain, write_dataset, write_real

from factory.errors import FactoryError
from factory.evaluation.reader_study.pictures import LEVELS, blur_volume, fit_frame, render_slice
from factory.evaluation.reader_study.real_volumes import real_volumes
from factory.evaluation.reader_study.study import (
    CENTRAL,
    ORIENTATIONS,
    assign_slots,
    central_slices,
    make_pictures,
    picture_order,
)
from factory.evaluation.reader_study.volumes import (
    Volume,
    dataset_volumes,
    make_volume,
    open_complete,
)
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.open import create_dataset, open_dataset
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.errors import DatasetError, SubjectError
from factory.storage.subjects.slices import CHAOS
from factory.storage.subjects.types import FETA


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> str:
    return write_dataset(tmp_path_factory.mktemp("rate") / "toy.zarr")


@settings(max_examples=40, deadline=None)
@given(volumes=st.integers(1, 60), kinds=st.integers(1, 3), count=st.integers(1, 60))
def test_slots_take_volumes_and_orientations_in_equal_parts(volumes, kinds, count):
    slots = assign_slots(volumes, ORIENTATIONS[:kinds], count)
    by_volume = Counter(slot.volume for slot in slots)
    by_orientation = Counter(slot.orientation for slot in slots)
    assert len(slots) == count
    assert max(by_volume.values()) - min(by_volume.get(v, 0) for v in range(volumes)) <= 2
    assert (
        max(by_orientation.values()) - min(by_orientation.get(o, 0) for o in ORIENTATIONS[:kinds])
        <= 1
    )
    if count >= 3 * volumes and kinds == 3:  # no volume keeps to one orientation
        assert all(len({s.orientation for s in slots if s.volume == v}) > 1 for v in range(volumes))


def test_a_readers_order_follows_from_the_seed_and_the_reader():
    ids = list(range(1, 81))
    order = picture_order("reader-1", 0, ids)
    assert order == picture_order("reader-1", 0, ids)
    assert sorted(order) == ids
    others = [picture_order("reader-2", 0, ids), picture_order("reader-1", 1, ids), ids]
    assert all(order != other for other in others)


def test_vacant_places_are_not_shown(tmp_path):
    opened = open_dataset(write_dataset(tmp_path / "d.zarr", 4, vacant=2))
    assert set(dataset_volumes(opened, True)) == {"sample 0", "sample 1", "sample 3"}


def test_halves_have_the_same_orientations_and_no_slice_comes_twice(dataset, tmp_path):
    real = write_real(tmp_path / "real", 3, first=10)
    frame, pictures = make_pictures(open_dataset(dataset), real, 24, seed=4)
    kinds = Counter((p.source, p.orientation) for p in pictures)
    assert kinds == {(s, o): 4 for s in ("real", "synthetic") for o in ORIENTATIONS}
    assert len({(p.source, p.volume, p.orientation, p.slice) for p in pictures}) == 24
    assert len({p.volume for p in pictures if p.source == "real"}) == 3
    assert {len(p.pixels) for p in pictures} == {2 * frame.side**2}
    again = make_pictures(open_dataset(dataset), real, 24, seed=4)
    assert again == (frame, pictures)
    assert make_pictures(open_dataset(dataset), real, 24, seed=5)[1] != pictures


def test_the_same_brain_looks_the_same_from_a_scanner_and_from_a_dataset(dataset, tmp_path):
    """Units, field of view, position in it, storage order and background make no difference."""
    opened = open_dataset(dataset)
    collections = (
        real_volumes(write_real(tmp_path / "real", 2), opened, True),
        dataset_volumes(opened, True),
    )
    for pair in (("sub-00_T2w.nii.gz", "sample 0"), ("sub-01_T2w.nii.gz", "sample 1")):
        volumes = [c[name]() for c, name in zip(collections, pair, strict=True)]
        frame = fit_frame(volumes, ORIENTATIONS, True)
        for orientation in ORIENTATIONS:
            index = int(central_slices(volumes[0], orientation)[3])
            real, synthetic = (
                render_slice(blur_volume(v, frame), v, orientation, index, frame).astype(int)
                for v in volumes
            )
            assert real.max() > 0.5 * LEVELS
            assert np.abs(real - synthetic).max() <= 3  # the dataset stores 16 bits, float16 rounds


def test_resolution_is_brought_to_the_coarser(tmp_path):
    """A fine scan of a sharp edge is shown with the slope of a coarse scan."""
    fine_image = np.zeros((40, 40, 40), np.float32)
    fine_image[:, :, 20:] = 1
    fine_image += 0.3
    coarse_image = fine_image.reshape(20, 2, 20, 2, 20, 2).mean(axis=(1, 3, 5))
    fine = make_volume("f", fine_image, np.ones(fine_image.shape, np.uint8), (0.5,) * 3, False)
    coarse = make_volume(
        "c", coarse_image, np.ones(coarse_image.shape, np.uint8), (1.0,) * 3, False
    )
    frame = fit_frame([fine, coarse], ["axial"], False)
    assert (frame.pixel_mm, frame.side) == (0.5, 40)
    rendered = [
        render_slice(blur_volume(v, frame), v, "axial", v.image.shape[0] // 2, frame)[20].astype(
            float
        )
        for v in (fine, coarse)
    ]
    steepest = [np.abs(np.diff(row)).max() for row in rendered]
    assert steepest[0] == pytest.approx(steepest[1], rel=0.25)
    unblurred = render_slice(fine.image.astype(np.float32), fine, "axial", 20, frame)[20].astype(
        float
    )
    assert np.abs(np.diff(unblurred)).max() > 1.5 * steepest[1]


def test_pictures_stand_upright_and_central():
    image = np.zeros((24, 24, 24), np.float32)
    label = np.zeros(image.shape, np.uint8)
    label[2:20, 3:21, 4:22] = 1
    image[label > 0] = 0.3
    image[15:19, 3:21, 4:22] = 1  # superior
    volume = make_volume("v", image, label, (1.0, 1.0, 1.0), True)
    frame = fit_frame([volume], ORIENTATIONS, True)
    for orientation in ("coronal", "sagittal"):
        picture = render_slice(blur_volume(volume, frame), volume, orientation, 9, frame)
        rows = picture.mean(axis=1)
        assert rows[: frame.side // 2].sum() > 1.5 * rows[frame.side // 2 :].sum()
        bright = np.argwhere(picture > 0.05 * LEVELS)
        np.testing.assert_allclose(
            (bright.min(0) + bright.max(0)) / 2, (frame.side - 1) / 2, atol=1
        )
        assert (
            picture[0].max()
            == picture[-1].max()
            == picture[:, 0].max()
            == picture[:, -1].max()
            == 0
        )


def test_positions_are_central():
    inside = np.zeros((40, 20, 20), bool)
    inside[10:30] = True
    volume = Volume("v", inside.astype(np.float16), inside, (1.0, 1.0, 1.0))
    candidates = central_slices(volume, "axial")
    assert (candidates.min(), candidates.max()) == (14, 25)
    assert len(candidates) == CENTRAL * 20


def test_thick_slices_are_shown_in_their_own_plane_only(dataset, tmp_path):
    image, label = brain(5)
    thick = np.diag([1.0, 1.0, 4.0, 1.0])
    nib.save(nib.Nifti1Image(image[::2].T, thick), tmp_path / "a.nii")
    nib.save(nib.Nifti1Image(label[::2].T, thick), tmp_path / "a_seg.nii")
    _, pictures = make_pictures(open_dataset(dataset), str(tmp_path), 6, seed=0)
    assert {p.orientation for p in pictures} == {"axial"}


def test_hearts_and_heads_are_found_by_their_layouts(dataset, hearts, ultrasounds):
    opened = open_dataset(dataset)
    heart = real_volumes(str(hearts), opened, False)
    assert heart["P0-ED"]().image.shape[1:] == (128, 128)
    head = real_volumes(str(ultrasounds), opened, True)
    assert next(iter(head.values()))().image.shape[0] == 1


def test_the_real_volumes_may_be_a_dataset(dataset):
    assert set(real_volumes(dataset, open_dataset(dataset), True)) == {
        f"sample {i}" for i in range(4)
    }


def test_single_slices_are_compared_with_pictures_of_their_size(tmp_path):
    """Generated slices have no size in mm, so real ones are resized to their pixels."""
    layout = Layout(2, (1, 32, 32), CHAOS)
    opened = create_dataset(str(tmp_path / "d"), layout, {"recipe_digest": "r"}, "")
    (tmp_path / "png").mkdir()
    rng = np.random.Generator(np.random.Philox(2))
    for i in range(2):
        image = rng.random((1, 32, 32)).astype(np.float32)
        arrays = {"image": image, "label": np.zeros(image.shape, np.uint8)}
        sample = StoredSample(json.dumps({"id": f"s/{i}"}), arrays, np.eye(4), (1.0, 1.0, 1.0))
        opened.write_shard(i, i, [sample])
        grey = Image.fromarray((255 * rng.random((64, 64))).astype(np.uint8))
        grey.save(tmp_path / "png" / f"p{i}_0.png")
    opened.seal()
    frame, pictures = make_pictures(opened, str(tmp_path / "png"), 4, seed=0)
    assert (frame.side, frame.pixel_mm) == (64, 0.5)
    assert Counter((p.source, p.orientation) for p in pictures) == {
        ("real", "axial"): 2,
        ("synthetic", "axial"): 2,
    }


def test_an_unmasked_file_is_shown_as_far_as_it_is_bright(dataset, tmp_path):
    image, label = brain(6)
    nib.save(nib.Nifti1Image(image.T, np.eye(4)), tmp_path / "x.nii.gz")
    (read_volume,) = real_volumes(str(tmp_path), open_dataset(dataset), True).values()
    assert read_volume().inside.sum() == (label > 0).sum()


def test_labels_of_a_lesion_hide_nothing_of_a_brain_on_black():
    image, label = brain(6)
    volume = make_volume("v", image, (label == 4).astype(np.uint8), (1.0, 1.0, 1.0), True)
    assert volume.inside.sum() == (label > 0).sum()


def test_a_background_that_is_not_black_needs_a_mask():
    image, label = brain(6)
    noisy = image + 0.1 * np.random.Generator(np.random.Philox(1)).random(image.shape)
    with pytest.raises(FactoryError, match="background is not black and no label map or mask"):
        make_volume("v", noisy, None, (1.0, 1.0, 1.0), True)
    assert make_volume("v", noisy, label, (1.0, 1.0, 1.0), True).inside.sum() == (label > 0).sum()
    assert make_volume("v", noisy, None, (1.0, 1.0, 1.0), False).inside.all()


def test_what_cannot_be_shown_is_refused_in_one_line(dataset, tmp_path):
    opened = open_dataset(dataset)
    with pytest.raises(FactoryError, match="no such folder of real volumes"):
        real_volumes(str(tmp_path / "nowhere"), opened, True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FactoryError, match="no image here; allowed"):
        real_volumes(str(tmp_path / "empty"), opened, True)
    real = write_real(tmp_path / "few", 1)
    with pytest.raises(
        FactoryError, match=r"slices of it, but it has \d+; allowed: fewer --samples"
    ):
        make_pictures(opened, real, 200, seed=0)
    for name, value, words in (
        ("nan", np.nan, "1 of 40800 voxels are NaN"),
        ("dark", 0, "dark throughout"),
    ):
        image = brain(0)[0] * (value == value and 0)
        image[0, 0, 0] = value
        (tmp_path / name).mkdir()
        nib.save(nib.Nifti1Image(image.T, np.eye(4)), tmp_path / name / "a.nii")
        with pytest.raises(FactoryError, match=words):
            make_pictures(opened, str(tmp_path / name), 2, seed=0)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "a.nii.gz").write_bytes(b"\x1f\x8b no")
    with pytest.raises(SubjectError, match=r"a\.nii\.gz"):
        make_pictures(opened, str(tmp_path / "cut"), 2, seed=0)
    (tmp_path / "other").mkdir()
    nib.save(nib.Nifti1Image(brain(0)[0].T, np.eye(4)), tmp_path / "other" / "a_T2w.nii")
    nib.save(nib.Nifti1Image(brain(0)[1][1:].T, np.eye(4)), tmp_path / "other" / "a_dseg.nii")
    with pytest.raises(FactoryError, match="but its image"):
        make_pictures(opened, str(tmp_path / "other"), 2, seed=0)
    create_dataset(str(tmp_path / "open"), Layout(1, (8, 8, 8), FETA), {"recipe_digest": "r"}, "")
    with pytest.raises(DatasetError, match="not complete"):
        open_complete(str(tmp_path / "open"))


def test_the_atlas_is_read_with_its_labels_beside(real_data, dataset):
    volumes = real_volumes(str(real_data / "fetal-spina-bifida"), open_dataset(dataset), True)
    assert len(volumes) == 15
    first = next(iter(volumes.values()))()
    assert first.spacing_mm == pytest.approx((0.8, 0.8, 0.8))
    assert not first.inside.all()
    assert not first.image[~first.inside].any()
