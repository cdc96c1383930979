"""Which code a campaign has tested: its results count for no other."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("factory", "storage", "models", "tests/campaigns", "tests/support")


def code_version(root: Path, also: Iterable[Path] = ()) -> str:
    """sha256 of every Python file below the packages of a checkout, and of more files.

    Arguments:
        root: The checkout.
        also: Further files, e.g. recipes.
    """
    code = [file for package in PACKAGES for file in (root / package).rglob("*.py")]
    digest = hashlib.sha256()
    for file in sorted({*code, *also}):
        digest.update(str(file.relative_to(root)).encode() + b"\n" + file.read_bytes())
    return digest.hexdigest()
