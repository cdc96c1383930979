"""Where tests that use real data find it: they skip, saying so, where it is not."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data: FACTORY_TEST_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("FACTORY_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set FACTORY_TEST_DATA")
    return folder
