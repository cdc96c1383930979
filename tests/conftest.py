"""Where tests that use real data find it: they skip, saying so, where it is not."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch.multiprocessing as mp

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data: FACTORY_TEST_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("FACTORY_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set FACTORY_TEST_DATA")
    return folder


@pytest.fixture
def two_workers(tmp_path: Path) -> Callable[..., Path]:
    """two_workers(function, *arguments): function(rank, folder, *arguments) in two processes that
    can meet in the empty folder, which is returned.

    Whether gloo's sockets connect is not what is tested: where they do not, it is tried again.
    """

    def run(function: Callable[..., None], *arguments: object) -> Path:
        for attempt in range(3):
            folder = tmp_path / f"two-workers-{attempt}"
            folder.mkdir()
            try:
                mp.spawn(function, (str(folder), *arguments), nprocs=2)
                return folder
            except (mp.ProcessRaisedException, mp.ProcessExitedException) as error:
                sockets = any(word in str(error).lower() for word in ("gloo", "connect", "store"))
                if attempt == 2 or not sockets:
                    raise
        raise AssertionError("unreachable")

    return run
