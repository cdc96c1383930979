"""What a package's folders hold: edits, families, sources and export formats are found, not listed.

To add one of a kind is to add its folder or module; nothing that stands is edited for it.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any


def discover(package: str, attribute: str, *, folders: bool = True) -> Mapping[str, Any]:
    """What every folder of a package, or every module, defines under one name.

    Arguments:
        package: The import name of a package.
        attribute: The name that each of them defines, e.g. "OPERATOR".
        folders: Take sub-packages alone, so that plain modules may stand beside them.

    Returns:
        The definitions by the name of their folder or module, in alphabetical order.
    """
    names = member_names(package, folders=folders)
    return MappingProxyType(
        {name: getattr(importlib.import_module(f"{package}.{name}"), attribute) for name in names}
    )


def member_names(package: str, *, folders: bool = True) -> list[str]:
    """The names that `discover` finds, in alphabetical order; none of them is imported."""
    modules = pkgutil.iter_modules(importlib.import_module(package).__path__)
    return sorted(module.name for module in modules if module.ispkg or not folders)


def add_folder(package: str, folder: Path) -> None:
    """Let a package have the members of one more folder, too, before any of them is looked for.

    Arguments:
        package: As for `discover`.
        folder: Holds modules or packages such as the package's own.
    """
    importlib.import_module(package).__path__.append(str(folder))
