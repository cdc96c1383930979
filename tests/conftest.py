"""Where tests that use real data find it: they skip, saying so, where it is not."""

import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import settings

ROOT = Path(__file__).parents[1]

settings.register_profile("steady", derandomize=True)
"""The same examples at every run, for continuous integration; without it, new ones each time."""


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data: FACTORY_TEST_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("FACTORY_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set FACTORY_TEST_DATA")
    return folder


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
