"""Parse YAML text into plain values, each with its line and column.

The text is composed into nodes by ruamel.yaml (YAML 1.2). The values are built key_path, so that a
file contains only mappings, lists, text, whole and decimal numbers, true/false and null. Tags,
dates, repeated keys, infinities and alias bombs are refused, and nothing in a file can run.
"""

import math
import warnings
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from factory.errors import RecipeError
from factory.storage.json_value import JsonValue

MAX_CHARACTERS = 400_000
MAX_VALUES = 100_000
MAX_DEPTH = 30
MAX_DIGITS = 18

KeyStep = str | int
"""A key of a mapping, or an index of a list."""

KeyPath = tuple[KeyStep, ...]
"""Where a value stands in a document: ("anatomy", 0, "grade")."""


@dataclass(frozen=True)
class Document:
    """The content of a YAML file.

    Attributes:
        data: Dictionaries, tuples and scalars.
        places: "file:line:column" of each value by its path. This is where the value starts if it
            starts on the line of its key, and else where the key starts.
        keys: "file:line:column" of each key by the path of its value.
    """

    data: JsonValue
    places: dict[KeyPath, str]
    keys: dict[KeyPath, str]


def read_yaml(text: str, name: str) -> Document:
    """Parse one YAML document.

    Args:
        text: The text.
        name: The name of the file for messages.

    Raises:
        RecipeError: The text is not plain YAML. The message has name, line and column.
    """
    if len(text) > MAX_CHARACTERS:
        raise RecipeError(f"{name}: {len(text)} characters; a recipe has at most {MAX_CHARACTERS}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of two anchors of one name the later one counts
            root = YAML(typ="safe", pure=True).compose(text)
    except RecursionError:
        raise RecipeError(f"{name}: nested deeper than {MAX_DEPTH} levels") from None
    except YAMLError as error:
        raise RecipeError(_syntax_message(error, text, name)) from None
    except (ValueError, AttributeError, TypeError, KeyError, IndexError, AssertionError) as error:
        # ruamel's scanner raises these on some broken texts
        raise RecipeError(f"{name}: not valid YAML ({' '.join(str(error).split())})") from None
    if root is None:
        return Document(None, {(): f"{name}:1:1"}, {})
    builder = _Builder(name)
    return Document(builder.build(root, (), 0), builder.places, builder.keys)


def _syntax_message(error: YAMLError, text: str, name: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        line, column = mark.line + 1, mark.column + 1
    else:  # a character that YAML forbids: the error has only its position
        before = text[: getattr(error, "position", 0) or 0]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    return f"{name}:{line}:{column}: not valid YAML: {' '.join(str(problem).split())}"


class _Builder:
    """Builds values from nodes and counts them; an alias is expanded each time it is used."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.places: dict[KeyPath, str] = {}
        self.keys: dict[KeyPath, str] = {}
        self.count = 0

    def place(self, node: Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def error(self, node: Node, path: KeyPath, problem: str) -> RecipeError:
        key = f" {dotted_key(path)}:" if path else ""
        return RecipeError(f"{self.place(node)}:{key} {problem}")

    def build(self, node: Node, path: KeyPath, depth: int) -> JsonValue:
        self.count += 1
        if self.count > MAX_VALUES:
            raise self.error(node, path[:4], f"more than {MAX_VALUES} values, aliases expanded")
        if depth > MAX_DEPTH:
            raise self.error(node, path[:4], f"nested deeper than {MAX_DEPTH} levels")
        self.places.setdefault(path, self.place(node))
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        if isinstance(node, MappingNode) and kind == "map":
            return self.build_mapping(node, path, depth)
        if isinstance(node, SequenceNode) and kind == "seq":
            return tuple(self.build(n, (*path, i), depth + 1) for i, n in enumerate(node.value))
        if isinstance(node, ScalarNode):
            return self.build_scalar(node, kind, path)
        raise self.error(node, path, f"tag {kind!r} is not allowed; write plain values")

    def build_mapping(
        self, node: MappingNode, path: KeyPath, depth: int
    ) -> dict[str | int, JsonValue]:
        values: dict[KeyStep, JsonValue] = {}
        for key_node, value_node in node.value:
            key = self.build_key(key_node, path)
            key_path = (*path, key)
            if key in values:
                raise self.error(key_node, key_path, "given twice; a key may stand once")
            self.keys[key_path] = self.place(key_node)
            same_line = key_node.start_mark.line == value_node.start_mark.line
            self.places[key_path] = self.place(value_node if same_line else key_node)
            values[key] = self.build(value_node, key_path, depth + 1)
        return values

    def build_key(self, node: Node, path: KeyPath) -> str | int:
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        if isinstance(node, ScalarNode) and kind in ("str", "int", "float"):
            key = self.build_scalar(node, kind, path)
            # 1.0 as a key means 1; any other decimal stays the number it is
            return int(key) if isinstance(key, float) and key.is_integer() else key
        raise self.error(node, path, "a key must be a plain word or number")

    def build_scalar(self, node: ScalarNode, kind: str, path: KeyPath) -> JsonValue:
        text = str(node.value)
        if kind == "str":
            if any(ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000 for c in text):
                raise self.error(node, path, f"value {yaml_excerpt(text)}; text must fit one line")
            return text
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind == "int":
            return self.parse_integer(node, text, path)
        if kind == "float":
            return self.parse_decimal(node, text, path)
        if kind == "timestamp":
            raise self.error(node, path, f"value {text}; a date is not a value key_path, quote it")
        raise self.error(node, path, f"value {yaml_excerpt(text)}: tag {kind!r} is not allowed")

    def parse_integer(self, node: ScalarNode, text: str, path: KeyPath) -> int:
        digits = text.replace("_", "")
        if len(digits) > MAX_DIGITS:
            raise self.error(node, path, f"value {yaml_excerpt(text)}; at most {MAX_DIGITS} digits")
        try:
            return int(digits, 0) if digits.lstrip("+-")[:2] in ("0x", "0o") else int(digits)
        except ValueError:
            raise self.error(
                node, path, f"value {yaml_excerpt(text)}; not a whole number"
            ) from None

    def parse_decimal(self, node: ScalarNode, text: str, path: KeyPath) -> float:
        try:
            value = float(text.replace("_", ""))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(node, path, f"value {yaml_excerpt(text)}; a finite number is needed")
        return value


def dotted_key(path: KeyPath) -> str:
    """Return the path of a value as one text: ("anatomy", 0, "grade") as "anatomy[0].grade"."""
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)
    return " ".join(text.removeprefix(".").split())


def yaml_excerpt(value: JsonValue) -> str:
    """Return a value as YAML on one line for a message, shortened to 60 characters."""
    if isinstance(value, tuple | list):
        text = "[" + ", ".join(yaml_excerpt(v) for v in value[:20]) + "]"
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{k}: {yaml_excerpt(v)}" for k, v in list(value.items())[:20]) + "}"
    elif value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = value if isinstance(value, str) and value.isprintable() and value else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
