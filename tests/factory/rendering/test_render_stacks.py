"""Stacks from the shipped networks to a dataset: rendered, stored, read back, in their place."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import zarr
from scipy import ndimage
from support import places

from factory.case import Case
from factory.config.loading import parse_document
from factory.datasets.montage.montage import draw_montage
from factory.execution.options import RunOptions
from factory.execution.run import execute
from factory.execution.worker import RenderWorker
from factory.models.checkpoint import read_card
from factory.planning.cases import iterate_cases
from factory.planning.machine import UNLIMITED
from factory.planning.plan import Plan, Shard, make_plan
from factory.rendering.model_set import load_renderer
from factory.rendering.painting import PaintingFiles
from factory.schema.render_recipe import RenderRecipe
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.open import create_dataset, open_dataset

WEIGHTS = places.WEIGHTS / "fetal-spade"
TEXT = """\
seed: 3
subjects: {phantom: {count: 1, gestational_age_weeks: 27}}
appearance: {model: fetal-spade}
acquisition:
  labels: stack
  stacks: {thickness_mm: {each: [4, 5]}, in_plane_mm: 2}
  noise: {snr: 30}
output: {path: h.zarr, spacing_mm: 2}
"""


@pytest.fixture(scope="module")
def made() -> Plan:
    return make_plan(parse_document(TEXT, "h.yaml", RenderRecipe), read_card(WEIGHTS), 0, UNLIMITED)


def render(made: Plan, path: Path, shards: list[Shard] | None = None) -> Dataset:
    """What factory render does, with the shards that do not stand or with some."""
    dataset = create_dataset(str(path), made.layout, {"recipe_digest": made.recipe.digest}, "")
    standing = dataset.finished_shards(made.shards())
    todo = [s for s in made.shards() if s.index not in standing] if shards is None else shards
    load = partial(load_renderer, PaintingFiles(WEIGHTS), "cpu")
    execute(
        iter(todo),
        partial(RenderWorker, dataset, load, 1),
        samples=made.layout.samples,
        run=RunOptions(serial=True, progress=False),
    )
    return dataset


@pytest.fixture(scope="module")
def rendered(made: Plan, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    dataset = render(made, tmp_path_factory.mktemp("stacks") / "d.zarr")
    dataset.seal()
    return dataset


def seen_by(group: zarr.Group, stack: str, voxels: np.ndarray) -> tuple[np.ndarray, ...]:
    """Where a stack of the first sample has voxels [n, (z, y, x)] of its volume: the stored
    affines alone say so."""
    points = np.c_[voxels[:, ::-1], np.ones(len(voxels))].T  # x, y, z, 1
    world = group["affine"][0] @ points
    column, row, slice_, _ = np.linalg.inv(group[f"{stack}_affine"][0]) @ world
    return tuple(np.rint([slice_, row, column]).astype(int))


@pytest.mark.parametrize("stack", ["stack_0", "stack_1", "stack_2"])
def test_a_point_of_the_world_is_the_same_anatomy_in_volume_and_stack(rendered, stack) -> None:
    """As any Zarr library reads it. Slices are thicker than voxels: what lies deep in a tissue
    must agree."""
    group = zarr.open(rendered.path, mode="r")
    label, image = group["label"][0], group["image"][0].astype(float)
    inside = 0
    for tissue in (3, 4, 5, 6):  # white matter, ventricles, cerebellum, deep grey matter
        deep = np.argwhere(ndimage.distance_transform_edt(label == tissue) > 2)
        found = group[f"{stack}_label"][0][seen_by(group, stack, deep)]
        assert len(deep) == 0 or (found == tissue).mean() > 0.9
        inside += len(deep)
    assert inside > 300
    brain = np.argwhere(label > 0)
    scanned = group[stack][0].astype(float)[seen_by(group, stack, brain)]

    def alike(volume: np.ndarray) -> float:
        return np.corrcoef(scanned, volume[tuple(brain.T)])[0, 1]

    assert alike(image) > 0.7  # as much as slices of 4 mm leave of the volume
    assert all(alike(image) > alike(np.flip(image, axis)) + 0.02 for axis in range(3))


def test_thicker_slices_are_fewer_and_the_table_says_how_many(rendered: Dataset) -> None:
    table = rendered.cases()
    assert list(table["requested_thickness_mm"]) == [4, 5]
    depth = rendered.layout.shape[0] * 2
    assert list(table["stack_0_slices"]) == [-(-depth // 4), -(-depth // 5)]
    assert [s.image.shape[0] for s in rendered.sample(1).stacks[:1]] == [-(-depth // 5)]
    assert list(rendered.sample(1).stacks[0].spacing_mm) == [5, 2, 2]
    group = zarr.open(rendered.path, mode="r")
    assert not group["stack_0"][1, -(-depth // 5) :].any()
    assert list(table["requested_snr"]) == [30, 30]
    assert table["acquisition_snr"].str.startswith("[").all()
    case = Case.from_json(rendered.sample(0).case)
    assert case == next(iterate_cases(parse_document(TEXT, "h.yaml", RenderRecipe)))


def test_resumed_it_is_the_same_dataset(made, rendered, tmp_path) -> None:
    shards = list(made.shards())
    render(made, tmp_path / "d", shards[1:])
    assert not open_dataset(str(tmp_path / "d")).is_complete()
    again = render(made, tmp_path / "d")
    again.seal()
    assert again.digest() == rendered.digest()


def test_the_montage_shows_the_stacks(rendered: Dataset, tmp_path: Path) -> None:
    from PIL import Image

    assert draw_montage(rendered.path, tmp_path / "m.png") == [0, 1]
    with Image.open(tmp_path / "m.png") as picture:
        row = np.asarray(picture.convert("L"))[picture.height // 8 : picture.height // 2]
    columns = np.array_split(row[:, row.shape[1] // 8 :], 12, axis=1)
    assert all(column.max() > 100 for column in columns)
