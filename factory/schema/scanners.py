"""Scanners: presets of a recipe's acquisition section, written as YAML.

acquisition: {scanner: 1.5T-haste, noise: {snr: 12}}

A scanner is a file of recipes/scanners/ by its name, or a file of one's own. It gives keys of the
section that the recipe may replace, as an included file does: a key set to null is left out.
"""

from pathlib import Path

from factory.config.document import Document, KeyPath, yaml_excerpt
from factory.config.merge import merge_documents, read_mapping
from factory.errors import RecipeError
from factory.lookup import scanner_files
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names

HERE: KeyPath = ("acquisition",)
OWN = ("scanner", "labels")
"""Keys of the section that are the recipe's to say."""


def apply_scanner(document: Document, folder: Path) -> Document:
    """The document with what its acquisition's scanner gives.

    The section then says all by itself, and `scanner` becomes {name: ...}, the name alone. folder:
    where a file of one's own may lie, besides the working folder. Raises RecipeError, one line.
    """
    section = document.data.get("acquisition")
    name = section.get("scanner") if isinstance(section, dict) else None
    if not isinstance(name, str):
        return document
    file = _found(name, folder, document.places[(*HERE, "scanner")])
    preset = read_mapping(file)
    for key in OWN:
        if key in preset.data:
            raise RecipeError(f"{preset.keys[(key,)]}: {key}: not for a scanner's file to say")
    under = Document(
        {"acquisition": preset.data},
        {(*HERE, *path): place for path, place in preset.places.items()},
        {(*HERE, *path): place for path, place in preset.keys.items()},
    )
    joined = merge_documents(under, document)
    acquisition = {**joined.data["acquisition"], "scanner": {"name": file.stem}}
    return Document({**document.data, "acquisition": acquisition}, joined.places, joined.keys)


def _found(name: str, folder: Path, place: str) -> Path:
    """The file of a scanner."""
    named = scanner_files()
    if name in named:
        return named[name]
    for file in (Path(name), folder / name):
        try:
            if name.endswith(".yaml") and file.is_file():
                return file
        except (OSError, ValueError):  # a name too long for the system, or with a NUL
            break
    raise RecipeError(
        f"{place}: acquisition.scanner: value {yaml_excerpt(name)}; no such scanner; allowed: "
        f"{join_names(sorted(named))}, or a .yaml file of your own{nearest_name_hint(name, named)}"
    )
