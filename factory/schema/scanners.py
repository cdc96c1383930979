"""Presets of a recipe's acquisition section, one for each scanner, as YAML files.

acquisition: {scanner: 1.5T-haste, noise: {snr: 12}}

A scanner is the name of a file in recipes/scanners/, or the path of another file. Its keys are
defaults that the recipe may replace, as for an included file; a key set to null is left out.
"""

from pathlib import Path

from factory.config.document import Document, KeyPath, yaml_excerpt
from factory.config.merge import merge_documents, read_mapping
from factory.errors import RecipeError
from factory.lookup import scanner_files
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names

SECTION: KeyPath = ("acquisition",)
RECIPE_KEYS = ("scanner", "labels")
"""Keys of the section that only a recipe may have."""


def apply_scanner(document: Document, folder: Path) -> Document:
    """Merge the acquisition section of a document with the preset of its scanner.

    Args:
        document: The recipe.
        folder: The folder of the recipe, where a scanner's file may be besides the working folder.

    Returns:
        A document whose section is complete; its key `scanner` is {"name": ...}.

    Raises:
        RecipeError: There is no such scanner, or its file has a key that it may not have.
    """
    section = document.data.get("acquisition")
    name = section.get("scanner") if isinstance(section, dict) else None
    if not isinstance(name, str):
        return document
    file = _find_scanner(name, folder, document.places[(*SECTION, "scanner")])
    preset = read_mapping(file)
    for key in RECIPE_KEYS:
        if key in preset.data:
            raise RecipeError(f"{preset.keys[(key,)]}: {key}: not allowed in the file of a scanner")
    defaults = Document(
        {"acquisition": preset.data},
        {(*SECTION, *path): place for path, place in preset.places.items()},
        {(*SECTION, *path): place for path, place in preset.keys.items()},
    )
    merged = merge_documents(defaults, document)
    acquisition = {**merged.data["acquisition"], "scanner": {"name": file.stem}}
    return Document({**document.data, "acquisition": acquisition}, merged.places, merged.keys)


def _find_scanner(name: str, folder: Path, place: str) -> Path:
    """Return the file of a scanner. place: where the recipe names it, for messages."""
    files = scanner_files()
    if name in files:
        return files[name]
    for file in (Path(name), folder / name):
        try:
            if name.endswith(".yaml") and file.is_file():
                return file
        except (OSError, ValueError):  # a name too long for the system, or with a NUL
            break
    raise RecipeError(
        f"{place}: acquisition.scanner: value {yaml_excerpt(name)}; no such scanner; allowed: "
        f"{join_names(sorted(files))}, or a .yaml file of your own{nearest_name_hint(name, files)}"
    )
