"""Merge the files that a recipe includes, and apply --set overrides, before a recipe is checked.

include: parts/scanner.yaml        or a list of files

The keys of an included file are defaults that the recipe may replace. Mappings are merged key by
key. Everything else is replaced as a whole, also a parameter such as {uniform: [1, 4]}. If two
included files have the same key, the later file counts. An included file may not include others.
"""

from pathlib import Path

from factory.config.document import Document, KeyPath, dotted_key, read_yaml, yaml_excerpt
from factory.config.sweep_keywords import parameter_keyword
from factory.errors import RecipeError
from factory.storage.json_value import JsonValue


def read_text(file: str | Path) -> str:
    """Read a UTF-8 file.

    Raises:
        RecipeError: The file cannot be read, or it is not UTF-8.
    """
    try:
        return Path(file).read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{file}: not UTF-8 text (byte {error.start})") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise RecipeError(f"{file}: cannot be read: {reason}") from None


def merge_includes(document: Document, folder: Path) -> Document:
    """Merge a document with the files that it includes.

    Args:
        document: The document; its key `include` names the files.
        folder: The folder of the document. The included files must be in it or below it.

    Raises:
        RecipeError: A file may not be included. The message has the place of the include.
    """
    if not isinstance(document.data, dict) or document.data.get("include") is None:
        return document
    names = document.data["include"]
    merged = Document({}, {}, {})
    for index, name in enumerate(names if isinstance(names, tuple) else (names,)):
        path: KeyPath = ("include", index) if isinstance(names, tuple) else ("include",)
        place = f"{document.places[path]}: {dotted_key(path)}: value {yaml_excerpt(name)}"
        merged = merge_documents(merged, _read_included(name, folder, place))
    data = {key: value for key, value in document.data.items() if key != "include"}
    return merge_documents(merged, Document(data, document.places, document.keys))


def _read_included(name: JsonValue, folder: Path, place: str) -> Document:
    """Read an included file. place: where the include stands, for messages."""
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
    document = read_mapping(file)
    if "include" in document.data:
        place = document.keys[("include",)]
        raise RecipeError(f"{place}: include: an included file may not include other files")
    return document


def read_mapping(file: Path) -> Document:
    """Read a YAML file that holds a mapping.

    Raises:
        RecipeError: The file cannot be read, or it does not hold a mapping.
    """
    document = read_yaml(read_text(file), str(file))
    data = document.data
    if not isinstance(data, dict):
        raise RecipeError(f"{document.places[()]}: value {yaml_excerpt(data)}; allowed: a mapping")
    return document


def merge_documents(under: Document, over: Document, path: KeyPath = ()) -> Document:
    """Merge two documents: mappings key by key, everything else replaced as a whole.

    Args:
        under: The defaults.
        over: The document whose values replace the defaults.
        path: The path of both in their files.
    """
    if not (_is_section(under.data) and _is_section(over.data)):
        return over
    data = dict(under.data)
    places = {**under.places, **{p: over.places[p] for p in (path,) if p in over.places}}
    keys = dict(under.keys)
    for key, value in over.data.items():
        key_path = (*path, key)
        depth = len(key_path)
        default = Document(data.get(key), places, keys)
        replacement = Document(
            value,
            {p: place for p, place in over.places.items() if p[:depth] == key_path},
            {p: place for p, place in over.keys.items() if p[:depth] == key_path},
        )
        if _is_section(default.data) and _is_section(value):
            result = merge_documents(default, replacement, key_path)
            data[key], places, keys = result.data, result.places, result.keys
        else:
            data[key] = value
            places = {p: v for p, v in places.items() if p[:depth] != key_path} | replacement.places
            keys = {p: v for p, v in keys.items() if p[:depth] != key_path} | replacement.keys
    return Document(data, places, keys)


def _is_section(data: JsonValue) -> bool:
    return isinstance(data, dict) and parameter_keyword(data) is None


def apply_override(document: Document, override: str, name: str) -> Document:
    """Set one key of a document, and create the missing parents.

    Args:
        document: The document.
        override: "KEY=VALUE", where KEY is a path such as a.b.0.c and VALUE is YAML.
        name: The name of the file for messages.

    Raises:
        RecipeError: The override has no key, or no value can be set there.
    """
    key, equals, text = override.partition("=")
    key = key.strip()
    place = f"{name}: --set {yaml_excerpt(override)}"
    if not equals or not key:
        raise RecipeError(f"{place}: allowed: KEY=VALUE, e.g. subjects.learned.count=8")
    if key.split(".")[0].split("[")[0] == "include":
        raise RecipeError(f"{place}: include is allowed only in the file itself")
    value = read_yaml(text, place)
    parts = key.replace("[", ".").replace("]", "").split(".")
    path: KeyPath = tuple(
        int(p) if p.isascii() and p.isdigit() and len(p) < 9 else p for p in parts
    )

    places = {p: v for p, v in document.places.items() if p[: len(path)] != path}
    keys = {p: v for p, v in document.keys.items() if p[: len(path)] != path}
    places |= {(*path, *p): place for p in value.places}
    places |= {path[:n]: place for n in range(1, len(path)) if path[:n] not in places}
    return Document(_replace_value(document.data, path, value.data, place), places, keys)


def _replace_value(
    data: JsonValue, path: KeyPath, value: JsonValue, place: str, depth: int = 0
) -> JsonValue:
    """Return a copy of data with value at path[depth:]."""
    if depth == len(path):
        return value
    key = path[depth]
    if data is None:
        data = {}
    if isinstance(data, dict):
        return {**data, key: _replace_value(data.get(key), path, value, place, depth + 1)}
    parent = dotted_key(path[:depth])
    if not isinstance(data, tuple):
        raise RecipeError(f"{place}: {parent}: value {yaml_excerpt(data)} has no key {key!r}")
    if not isinstance(key, int) or key >= len(data):
        raise RecipeError(f"{place}: {parent}: no item {key}; allowed: 0 to {len(data) - 1}")
    return (
        *data[:key],
        _replace_value(data[key], path, value, place, depth + 1),
        *data[key + 1 :],
    )
