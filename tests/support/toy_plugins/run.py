"""`python -m support.toy_plugins.run ARGUMENTS`: the `factory` command that knows the toys, too."""

import sys
from pathlib import Path

from factory.discovery import add_folder

HERE = Path(__file__).parent
PLACES = {
    "factory.anatomy.edits": "edits",
    "factory.families": "families",
    "factory.subjects.sources": "sources",
    "factory.storage.export.formats": "formats",
}


def add_toys() -> None:
    """Let the registries of this process find the toys."""
    for package, folder in PLACES.items():
        add_folder(package, HERE / folder)


if __name__ == "__main__":
    add_toys()
    from factory.cli import main

    sys.exit(main())
