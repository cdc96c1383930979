"""The recipe of an import: the images and label maps of a folder as they are, as a dataset.

An import is a render of this recipe, so it is checked, measured, sealed and continued as any other.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from factory.errors import FactoryError
from factory.schema.render_recipe import Recipe, parse_recipe
from factory.storage.json_value import JsonObject, JsonValue
from factory.storage.subjects.layouts import (
    FolderLayout,
    detect_layout,
    find_table_file,
    finest_spacing_mm,
)

BY_PATTERNS = "nifti"


@dataclass(frozen=True)
class ImportOptions:
    """What an import has to know of a folder, where the folder's layout does not say it.

    Attributes:
        labels: The pattern of the label maps with {subject} in it, e.g. "{subject}_seg.nii.gz".
        images: The pattern of the images, or that of each channel by the channel's name.
        mapping: The meaning of the labels: a name, a table of labels, or {value: name}.
        others: The label of all values that the mapping does not name.
        participants: A table of ages and other covariates.
        spacing_mm: The spacing of the dataset; by default the finest that the files have.
        shape: Voxels (z, y, x); by default the smallest grid that holds every label map.
    """

    labels: str | None = None
    images: str | dict[str, str] | None = None
    mapping: str | dict[int, str] | None = None
    others: str | None = None
    participants: str | None = None
    spacing_mm: float | None = None
    shape: tuple[int, int, int] | None = None


def make_import_recipe(folder: str, output: str, options: ImportOptions) -> Recipe:
    """Return the recipe that makes a dataset of the images and label maps of a folder.

    Args:
        folder: The folder.
        output: The folder or URL of the dataset.
        options: What the folder's layout does not say.

    Raises:
        FactoryError: The options do not fit the folder.
        StorageError: The layout is not recognised, or the files cannot be read.
    """
    layout = _layout_of(Path(folder), options)
    section = {"path": os.fspath(folder), **layout.section}
    for key in ("mapping", "others", "participants"):
        value = getattr(options, key)
        if value is None:
            continue
        if layout.source == "short_axis" and key != "participants":
            raise FactoryError(f"--{key}: M&Ms hearts have labels of their own; allowed: none")
        section[key] = value
    if layout.source == BY_PATTERNS and "mapping" not in section:
        table = find_table_file(Path(folder))
        if table is None:
            raise FactoryError(
                f"{folder}: nothing says what its labels are; allowed: --mapping with a table of "
                "labels (dseg.tsv, dataset.json, a FreeSurfer or ITK-SNAP table), or a name"
            )
        section["mapping"] = str(table)
    recipe = _recipe_text(layout.source, section, output, options.spacing_mm or 1.0, options)
    name = f"import of {folder}"
    loaded = parse_recipe(recipe, name)
    if options.spacing_mm is not None:
        return loaded
    files = [str(record["label"]) for record in loaded.spec.catalogue.records]
    spacing_mm = finest_spacing_mm(files)
    return parse_recipe(_recipe_text(layout.source, section, output, spacing_mm, options), name)


def _layout_of(folder: Path, options: ImportOptions) -> FolderLayout:
    """Return the layout by the patterns of the options, or else the one that is recognised."""
    if options.labels is None and options.images is None:
        return detect_layout(folder)
    if options.labels is None or options.images is None:
        missing = "labels" if options.labels is None else "images"
        raise FactoryError(f"--{missing}: missing; allowed: --labels and --images together")
    return FolderLayout(BY_PATTERNS, {"labels": options.labels, "images": options.images})


def _recipe_text(
    source: str, section: JsonObject, output: str, spacing_mm: float, options: ImportOptions
) -> str:
    """Return the recipe as YAML."""
    output_section: JsonObject = {"path": output, "spacing_mm": spacing_mm, "range": "auto"}
    if options.shape is not None:
        output_section["shape"] = list(options.shape)
    recipe: dict[str, JsonValue] = {
        "seed": 0,
        "subjects": {source: section},
        "appearance": "original",
        "output": output_section,
    }
    stream = io.StringIO()
    YAML(typ="safe").dump(recipe, stream)
    return stream.getvalue()
