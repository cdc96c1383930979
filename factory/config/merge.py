"""What changes a recipe's text before it is checked: `include`, and --set.

include: parts/scanner.yaml        or a list of files

An included file gives keys that this file may replace: mappings are joined key by key, everything
else (and a parameter, such as {uniform: [1, 4]}) is replaced whole. Of two included files the later
wins. An included file includes nothing.
"""

from pathlib import Path
from typing import Any

from factory.config.document import Document, KeyPath, dotted_key, read_yaml, yaml_excerpt
from factory.config.sweep_keywords import parameter_keyword
from factory.errors import RecipeError


def read_text(file: str | Path) -> str:
    """A file's text. Raises RecipeError, one line."""
    try:
        return Path(file).read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{file}: not UTF-8 text (byte {error.start})") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise RecipeError(f"{file}: cannot be read: {reason}") from None


def merge_includes(document: Document, folder: Path) -> Document:
    """The document with what it includes; the files lie in `folder` or below it.

    Raises RecipeError, with the place of the include, for a file that may not be included.
    """
    if not isinstance(document.data, dict) or document.data.get("include") is None:
        return document
    names = document.data["include"]
    joined = Document({}, {}, {})
    for index, name in enumerate(names if isinstance(names, tuple) else (names,)):
        path: KeyPath = ("include", index) if isinstance(names, tuple) else ("include",)
        place = f"{document.places[path]}: {dotted_key(path)}: value {yaml_excerpt(name)}"
        part = _part(name, folder, place)
        joined = merge_documents(joined, part)
    own = {key: value for key, value in document.data.items() if key != "include"}
    return merge_documents(joined, Document(own, document.places, document.keys))


def _part(name: Any, folder: Path, place: str) -> Document:
    words = "allowed: a .yaml file in the recipe's folder or below it"
    if not isinstance(name, str) or not name.endswith(".yaml"):
        raise RecipeError(f"{place}; {words}")
    file = folder / name
    try:
        inside = file.resolve().is_relative_to(folder.resolve())
        regular = file.is_file()
    except (OSError, ValueError, RuntimeError):  # a name too long, with a NUL, or a loop of links
        inside = regular = False
    if Path(name).is_absolute() or not inside:
        raise RecipeError(f"{place}; {words}")
    if not regular:
        raise RecipeError(f"{place}; no such file; {words}")
    part = read_mapping(file)
    if "include" in part.data:
        at = part.keys[("include",)]
        raise RecipeError(f"{at}: include: an included file includes nothing itself")
    return part


def read_mapping(file: Path) -> Document:
    """A file that holds a mapping. Raises RecipeError, one line."""
    part = read_yaml(read_text(file), str(file))
    if not isinstance(part.data, dict):
        raise RecipeError(f"{part.places[()]}: value {yaml_excerpt(part.data)}; allowed: a mapping")
    return part


def merge_documents(under: Document, over: Document, path: KeyPath = ()) -> Document:
    """Both, `over` winning: mappings joined key by key, anything else replaced whole.

    path: where both stand in their files.
    """
    if not (_is_section(under.data) and _is_section(over.data)):
        return over
    data = dict(under.data)
    places = {**under.places, **{p: over.places[p] for p in (path,) if p in over.places}}
    keys = dict(under.keys)
    for key, value in over.data.items():
        here = (*path, key)
        n = len(here)
        below = Document(data.get(key), places, keys)
        mine = Document(
            value,
            {p: place for p, place in over.places.items() if p[:n] == here},
            {p: place for p, place in over.keys.items() if p[:n] == here},
        )
        if _is_section(below.data) and _is_section(value):
            result = merge_documents(below, mine, here)
            data[key], places, keys = result.data, result.places, result.keys
        else:
            data[key] = value
            places = {p: v for p, v in places.items() if p[:n] != here} | mine.places
            keys = {p: v for p, v in keys.items() if p[:n] != here} | mine.keys
    return Document(data, places, keys)


def _is_section(data: Any) -> bool:
    return isinstance(data, dict) and parameter_keyword(data) is None


def apply_override(document: Document, override: str, name: str) -> Document:
    """The document with one key set ("a.b.0.c=YAML"); parents that are missing are made."""
    key, equals, text = override.partition("=")
    key = key.strip()
    place = f"{name}: --set {yaml_excerpt(override)}"
    if not equals or not key:
        raise RecipeError(f"{place}: allowed: KEY=VALUE, e.g. subjects.phantom.count=8")
    if key.split(".")[0].split("[")[0] == "include":
        raise RecipeError(f"{place}: include stands in the file itself")
    value = read_yaml(text, place)
    parts = key.replace("[", ".").replace("]", "").split(".")
    path: KeyPath = tuple(
        int(p) if p.isascii() and p.isdigit() and len(p) < 9 else p for p in parts
    )

    places = {p: v for p, v in document.places.items() if p[: len(path)] != path}
    keys = {p: v for p, v in document.keys.items() if p[: len(path)] != path}
    places |= {(*path, *p): place for p in value.places}
    places |= {path[:n]: place for n in range(1, len(path)) if path[:n] not in places}
    return Document(_replaced(document.data, path, value.data, place), places, keys)


def _replaced(data: Any, path: KeyPath, value: Any, place: str, depth: int = 0) -> Any:
    """A copy of data with value at path[depth:]."""
    if depth == len(path):
        return value
    key = path[depth]
    if data is None:
        data = {}
    if isinstance(data, dict):
        return {**data, key: _replaced(data.get(key), path, value, place, depth + 1)}
    here = dotted_key(path[:depth])
    if not isinstance(data, tuple):
        raise RecipeError(f"{place}: {here}: value {yaml_excerpt(data)} has no key {key!r}")
    if not isinstance(key, int) or key >= len(data):
        raise RecipeError(f"{place}: {here}: no item {key}; allowed: 0 to {len(data) - 1}")
    return (
        *data[:key],
        _replaced(data[key], path, value, place, depth + 1),
        *data[key + 1 :],
    )
