"""The report of a dataset, and its montage."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from factory.datasets.inspect import inspect_dataset
from factory.datasets.montage.montage import _orthogonal_planes, draw_montage
from factory.datasets.montage.panels import make_stack_panels
from factory.errors import FactoryError
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.open import create_dataset
from factory.storage.dataset.stored_sample import StoredSample, StoredStack
from factory.storage.errors import DatasetError
from factory.storage.subjects.types import FETA, Grid

SHAPE = (30, 40, 34)


def sample(subject: str, grade: int) -> StoredSample:
    """A ball of a brain with a ball of a ventricle that grows with the grade."""
    grid = Grid.centred(SHAPE, (1.0, 1.0, 1.0))
    z, y, x = np.ogrid[:30, :40, :34]
    radius = np.sqrt((z - 15) ** 2 + (y - 20) ** 2 + (x - 17) ** 2)
    label = np.select([radius < 3 + grade, radius < 12], [4, 3], 0).astype(np.uint8)
    image = np.choose(label, [0, 0, 0, 0.5, 1.0]).astype(np.float32)
    return StoredSample(
        case=json.dumps({"id": f"{subject}/grade={grade}/0"}, separators=(",", ":")),
        arrays={"image": image, "label": label},
        affine=grid.affine,
        spacing_mm=grid.spacing,
        columns={"subject": subject, "grade": grade, "atrial_width_mm": 6.0 + 2 * grade},
    )


@pytest.fixture
def path(tmp_path) -> str:
    path = str(tmp_path / "toy.zarr")
    dataset = create_dataset(path, Layout(6, SHAPE, FETA), {"recipe_digest": "r" * 64}, "")
    for i in range(6):
        dataset.write_shard(i, i, [sample(f"phantom-{i // 3}", i % 3)])
    dataset.seal()
    return path


def test_the_report_of_a_dataset_as_json_and_as_text(path):
    report = inspect_dataset(path)
    content = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert content["complete"] is True
    assert content["samples"] == 6
    assert len(content["digest"]) == 64
    assert content["labels"][4] == {"value": 4, "name": "ventricles", "colour": [0, 114, 178]}
    assert content["arrays"]["image"]["bytes"] > 0
    width = {"min": 8.0, "mean": 8.0, "max": 8.0}
    assert content["measures_by_grade"]["1"]["atrial_width_mm"] == width
    assert content["measures_by_grade"]["1"]["samples"] == 2
    text = "\n".join(report.lines())
    assert "(complete)" in text
    assert content["digest"] in text
    assert inspect_dataset(path, with_digest=False).to_json()["digest"] is None


def test_the_report_of_an_unfinished_dataset(tmp_path):
    dataset = create_dataset(
        str(tmp_path / "d"), Layout(3, SHAPE, FETA), {"recipe_digest": "r"}, ""
    )
    assert inspect_dataset(dataset.path).to_json()["standing"] == 0
    dataset.write_shard(1, 1, [sample("phantom-0", 1)])
    report = inspect_dataset(dataset.path)
    assert report.to_json()["complete"] is False
    assert report.to_json()["digest"] is None
    assert "not complete: 1 samples are finished" in report.lines()[0]


def test_the_report_of_a_dataset_with_stacks(tmp_path):
    ranges = {"image": (0.0, 1.2), "stack_0": (0.0, 1.2)}
    layout = Layout(1, SHAPE, FETA, ranges, shapes={"stack_0": (10, 40, 34)})
    dataset = create_dataset(str(tmp_path / "d"), layout, {"recipe_digest": "r"}, "")
    image = np.ones((9, 40, 34), np.float32)
    image[:3] = 2  # beyond what is stored
    stack = StoredStack(image, np.eye(4), (3.0, 1.0, 1.0))
    dataset.write_shard(0, 0, [replace(sample("s", 0), stacks=[stack])])
    dataset.seal()
    report = inspect_dataset(dataset.path)
    assert report.to_json()["arrays"]["stack_0"]["shape"] == [10, 40, 34]
    text = "\n".join(report.lines())
    assert "array     stack_0: uint16, at most 10 × 40 × 34, bricks" in text
    assert "array     image: uint16, bricks" in text
    assert "clipped   at most 33.333 % of a sample" in text


def test_inspecting_a_missing_dataset_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no such dataset"):
        inspect_dataset(str(tmp_path / "nowhere.zarr"))


def test_a_montage_has_one_row_for_each_grade_with_label_edges(path, tmp_path):
    assert draw_montage(path, tmp_path / "new" / "m.png") == [0, 1, 2]
    assert draw_montage(path, tmp_path / "m.png", subject="phantom-1") == [3, 4, 5]
    picture = np.asarray(Image.open(tmp_path / "m.png").convert("RGB")).astype(int)
    coloured = np.abs(picture - picture.mean(axis=2, keepdims=True)).max(axis=2) > 40
    rows = np.array_split(coloured[: int(0.9 * len(coloured))], 3)
    for row in rows:  # the ventricle's blue outline is there in every row
        assert row.sum() > 50
    assert not np.array_equal(rows[0].sum(), rows[2].sum())


def test_a_montage_shows_every_appearance(tmp_path):
    dataset = create_dataset(
        str(tmp_path / "d"), Layout(8, SHAPE, FETA), {"recipe_digest": "r"}, ""
    )
    for i in range(8):
        drawn = sample(f"phantom-{i // 4}", i % 4)
        columns = {**drawn.columns, "appearance": ("fetal-spade", "contrast")[i // 4]}
        dataset.write_shard(i, i, [replace(drawn, columns=columns)])
    dataset.seal()
    assert draw_montage(dataset.path, tmp_path / "m.png") == list(range(8))
    assert draw_montage(dataset.path, tmp_path / "m.png", subject="phantom-1") == [4, 5, 6, 7]


def test_planes_have_the_documented_orientation():
    """Superior and anterior are up, the patient's right is left; sagittal, anterior is left."""
    volume = np.zeros(SHAPE, int)
    volume[25, 20, 17] = 1  # superior
    volume[15, 35, 17] = 2  # anterior
    volume[15, 20, 30] = 3  # right
    box = tuple(slice(0, n) for n in SHAPE)
    axial, coronal, sagittal = _orthogonal_planes(volume, (15, 20, 17), box)

    def place(plane: np.ndarray, value: int) -> tuple[int, int]:
        row, column = np.argwhere(plane == value)[0]
        return int(row), int(column)

    assert place(axial, 2)[0] < 10
    assert place(axial, 3)[1] < 10
    assert place(coronal, 1)[0] < 10
    assert place(coronal, 3)[1] < 10
    assert place(sagittal, 1)[0] < 10
    assert place(sagittal, 2)[1] < 10


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
@pytest.mark.parametrize("flips", [(), (0,), (1, 2)])
def test_a_stack_has_the_orientation_of_the_volumes_planes(order, flips):
    """Whichever way a stack's axes run: here one that has the volume's very voxels."""
    volume = np.random.Generator(np.random.Philox(3)).random(SHAPE).astype(np.float32)
    volume_sample = sample("s", 0)
    turned = volume.transpose(order)
    to_volume = np.zeros((4, 4))  # a stack's (column, row, slice, 1) to the volume's (x, y, z, 1)
    to_volume[3, 3] = 1
    for position, axis in enumerate(order):
        flipped = position in flips
        to_volume[2 - axis, 2 - position] = -1 if flipped else 1
        to_volume[2 - axis, 3] = turned.shape[position] - 1 if flipped else 0
    stack = StoredStack(np.flip(turned, flips), volume_sample.affine @ to_volume, (1.0, 1.0, 1.0))
    centre, box = (14, 20, 9), (slice(2, 28), slice(4, 33), slice(1, 30))
    planes = _orthogonal_planes(volume, centre, box)
    stack_panels = make_stack_panels(replace(volume_sample, stacks=[stack]), centre, box)
    through = order[0]
    assert stack_panels[0].title == f"{('axial', 'coronal', 'sagittal')[through]} stack 0"
    np.testing.assert_array_equal(stack_panels[0].image, planes[through])
    np.testing.assert_array_equal(stack_panels[1].image, planes[(1, 2, 0)[through]])


def test_a_montage_without_samples_or_a_writable_file_is_refused(path, tmp_path):
    create_dataset(str(tmp_path / "e"), Layout(1, SHAPE, FETA), {"recipe_digest": "r"}, "")
    with pytest.raises(DatasetError, match="no sample is finished yet"):
        draw_montage(str(tmp_path / "e"), tmp_path / "m.png")
    with pytest.raises(DatasetError, match="no subject 'nobody'"):
        draw_montage(path, tmp_path / "m.png", subject="nobody")
    with pytest.raises(FactoryError, match="cannot write the picture"):
        draw_montage(path, tmp_path)
