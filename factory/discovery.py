"""Find the edits, families, sources and export formats by the modules of their packages.

A new one is added as a folder or module; no existing file has to change.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any


def discover(package: str, attribute: str, *, folders: bool = True) -> Mapping[str, Any]:
    """Import the members of a package and return what each of them defines under one name.

    Args:
        package: The import name of a package.
        attribute: The name that each member defines, e.g. "OPERATOR".
        folders: Whether only sub-packages are members, so that the package may also have plain
            modules.

    Returns:
        The definitions by the name of their folder or module, in alphabetical order.
    """
    names = member_names(package, folders=folders)
    return MappingProxyType(
        {name: getattr(importlib.import_module(f"{package}.{name}"), attribute) for name in names}
    )


def member_names(package: str, *, folders: bool = True, holding: str | None = None) -> list[str]:
    """Return the names that `discover` finds, in alphabetical order, and import none of them.

    Args:
        package: The import name of a package.
        folders: Whether only sub-packages are members.
        holding: The name of a file; only sub-packages that hold it are then listed.
    """
    paths = importlib.import_module(package).__path__
    names = (m.name for m in pkgutil.iter_modules(paths) if m.ispkg or not folders)
    return sorted(
        name
        for name in names
        if holding is None or any(Path(path, name, holding).is_file() for path in paths)
    )


def add_folder(package: str, folder: Path) -> None:
    """Let `discover` also find the members of one more folder; call it before `discover`.

    Args:
        package: The import name of a package.
        folder: A folder of modules or packages like those of the package.
    """
    importlib.import_module(package).__path__.append(str(folder))
