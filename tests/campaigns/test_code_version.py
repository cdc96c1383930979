"""A campaign's results are those of the code that it tested, wherever that lies."""

from pathlib import Path

import pytest
from campaigns.code_version import PACKAGES, code_version
from support.places import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for package in PACKAGES:
        (tmp_path / package / "inside" / "deeper").mkdir(parents=True)
        (tmp_path / package / "inside" / "deeper" / "code.py").write_text("a = 1\n")
    return tmp_path


@pytest.mark.parametrize("package", PACKAGES)
def test_a_change_in_a_sub_folder_is_seen(checkout: Path, package: str) -> None:
    before = code_version(checkout)
    (checkout / package / "inside" / "deeper" / "code.py").write_text("a = 2\n")
    assert code_version(checkout) != before


def test_more_files_count_too(checkout: Path) -> None:
    recipe = checkout / "recipe.yaml"
    recipe.write_text("seed: 1\n")
    before = code_version(checkout, [recipe])
    recipe.write_text("seed: 2\n")
    assert code_version(checkout, [recipe]) != before


def test_every_package_is_there() -> None:
    for package in PACKAGES:
        assert list((ROOT / package).rglob("*.py"))
