"""Write the reference pages from the code: its help texts, schemas, docstrings and registries.

    python docs/generate.py [FOLDER]          by default docs/reference

Each page lists what a registry finds, so a new edit, family, source or format needs no change here.
The pages import the registries themselves, so that a `factory.discovery.add_folder` before counts.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NOTE = "<!-- Written by docs/generate.py. Change the docstrings of the code, not this page. -->"
VARIES = """
*Varies* says whether a key also takes a sweep or a draw instead of one value: see
[values, sweeps and distributions](recipe-language.md#values-sweeps-and-distributions).
"""
SWEPT = re.compile(r"#/\$defs/(Each|Zip|Range|Uniform|Normal|Lognormal|Choice)_")
PLAIN = {"boolean": "true or false", "integer": "a whole number", "number": "a number"}

Schema = Mapping[str, Any]
"""A JSON Schema."""


def write_reference(folder: Path) -> list[Path]:
    """Write every page into a folder, which is made where there is none; return their paths."""
    pages = {
        "cli.md": command_line(),
        "recipe.md": render_recipes(),
        "edits.md": edits(),
        "sources.md": sources(),
        "training-recipes.md": training_recipes(),
        "exports.md": exports(),
        "python.md": public_api(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in pages.items():
        text = re.sub(r"\n{3,}", "\n\n", "\n".join([NOTE, "", *lines]))
        (folder / name).write_text(f"{text.rstrip()}\n", encoding="utf-8")
    return [folder / name for name in pages]


# The pages, line by line


def command_line() -> Iterator[str]:
    """The --help of every command and sub-command."""
    import typer

    from factory.cli import app

    def helped(words: list[str], command: Any, parent: Any) -> Iterator[str]:
        context = typer.Context(command, parent, info_name=words[-1], terminal_width=98)
        yield from (f"## {' '.join(words)}", "", "```text", command.get_help(context), "```", "")
        for name, member in sorted(getattr(command, "commands", {}).items()):
            yield from helped([*words, name], member, context)

    yield from ("# Command line", "")
    yield from helped(["factory"], typer.main.get_command(app), None)


def render_recipes() -> Iterator[str]:
    """Every section of a render recipe; edits and sources have pages of their own."""
    from factory.anatomy.edits.registry import OPERATORS
    from factory.schema.json_schema import recipe_schema
    from factory.subjects.registry import SOURCES

    links = {s.Section.__name__: link(s.place, "sources.md") for s in SOURCES.values()}
    links |= {kind.__name__: link(name, "edits.md") for name, kind in OPERATORS.items()}
    schema = recipe_schema("render").content
    yield from ("# Render recipes", VARIES, *Tables(schema["$defs"], links=links).of(schema))


def edits() -> Iterator[str]:
    """Every edit with its parameters, and a recipe of each of its examples."""
    from factory.anatomy.edits.registry import OPERATORS

    yield from ("# Edits", "", "An edit is one entry of a recipe's list `anatomy`.", VARIES)
    for name, kind in OPERATORS.items():
        schema = kind.model_json_schema()
        yield from (f"## {name}", "", *tables(schema, name))
        for example in kind.examples:
            strengths = example.on_phantom or example.strengths
            values = {
                key: in_one(schema["properties"][key], [strength[key] for strength in strengths])
                for key in strengths[0]
            }
            recipe = f"anatomy:\n  - {name}: {as_yaml(values)}"
            yield from (f"Example, {example.text}:", "", "```yaml", recipe, "```", "")


def sources() -> Iterator[str]:
    """Every source of subjects with its keys."""
    from factory.subjects.registry import SOURCES

    yield from ("# Sources of subjects", VARIES)
    for source in SOURCES.values():
        origin = "made by the program"
        if keys := source.path_keys or source.model_keys:
            origin = f"{'read from' if source.path_keys else 'made by'} what `{keys[0]}` names"
        schema = source.Section.model_json_schema()
        yield from (f"## {source.place}", "", *tables(schema, source.place))
        yield from (f"The subjects are {source.kind}. They are {origin}.", "")


def training_recipes() -> Iterator[str]:
    """The keys that all families share, then every family with its own."""
    from factory.families.registry import TRAINABLE
    from factory.training.recipe import Training

    shared = Training.model_json_schema()
    yield from ("# Training recipes", "", "## Every family", "", *tables(shared))
    for name, family in TRAINABLE.items():
        schema = family.Recipe.model_json_schema()
        own = {k: v for k, v in schema["properties"].items() if k not in shared["properties"]}
        yield from (f"## {name}", "", *docstring(module_doc(type(family))), "")
        yield from tables({**schema, "properties": own}, name)


def exports() -> Iterator[str]:
    """Every format of `factory export`."""
    from factory.datasets.export import FORMATS

    yield from ("# Exports", "")
    for name, kind in FORMATS.items():
        yield from (f"## {name}", "", f"`factory export DATASET --to {name}`", "")
        yield from (*docstring(module_doc(kind)), "")


def public_api() -> Iterator[str]:
    """The public names: signatures and docstrings."""
    import factory
    import factory.torch

    yield from ("# Python", "")
    for module in (factory, factory.torch):
        yield from (f"## {module.__name__}", "", *docstring(module.__doc__ or ""), "")
        for name in module.__all__:
            value = getattr(module, name)
            yield from described(f"{module.__name__}.{name}", value)
            for member, body in vars(value).items() if inspect.isclass(value) else ():
                is_public = isinstance(body, property) or inspect.isfunction(body)
                if is_public and not member.startswith("_") and body.__doc__:
                    yield from described(f"{name}.{member}", body)


# Schemas as tables


def tables(schema: Schema, place: str = "") -> Iterator[str]:
    """A schema and the sections below it. place: what their headings begin with."""
    return Tables(schema.get("$defs", {}), place).of(schema)


@dataclass
class Tables:
    """Writes the sections of a schema as tables of keys, each section once.

    definitions: the sections by name. place: what headings begin with. links: where sections are
    described, by name; those that are not are described below the key that holds them.
    """

    definitions: Schema
    place: str = ""
    links: dict[str, str] = field(default_factory=dict)

    def of(self, schema: Schema, path: tuple[str, ...] = ()) -> Iterator[str]:
        """A section: its docstring, a table of its keys, and the sections that its keys hold."""
        keys = schema.get("properties", {})
        about, meanings = split_docstring(schema.get("description", ""), keys)
        headings = {}
        for key, node in keys.items():
            new = [name for name in sections_in(node) if name not in self.links]
            for name in dict.fromkeys(new):
                inner = (*path, key) if len(set(new)) == 1 else (*path, key, name)
                heading = ": ".join(filter(None, [self.place, ".".join(inner)]))
                headings[name] = inner, heading
                self.links[name] = link(heading).replace(f"[{self.place}: ", "[")
        yield from (*docstring(about), "")
        yield from ("| key | allowed | varies | default | meaning |", "|---|---|---|---|---|")
        for key, node in keys.items():
            varies = "sweep, draw" if is_swept(node) else ""
            meaning = meanings.get(key) or self.summary(node)
            cells = (f"`{key}`", self.allowed(node), varies, self.default(node), meaning)
            yield f"| {' | '.join(map(as_cell, cells))} |"
        yield ""
        for name, (inner, heading) in headings.items():
            level = "###" if self.place else "##"
            yield from (f"{level} {heading}", "", *self.of(self.definitions[name], inner))

    def allowed(self, node: Schema) -> str:
        """What a value may be, in words."""
        if "$ref" in node:
            return f"the keys of {self.links[name_of(node)]}"
        if "description" in node:
            return str(node["description"])
        if "enum" in node or "const" in node:
            return ", ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))
        if options := options_in(node):
            return " or ".join(dict.fromkeys(map(self.allowed, options)))
        if parts := node.get("prefixItems"):
            return f"a list of {len(parts)}: {', '.join(dict.fromkeys(map(self.allowed, parts)))}"
        if "items" in node:
            return f"a list of: {self.allowed(node['items'])}"
        if values := values_in(node):
            keys = node.get("propertyNames", {}).get("description", "keys")
            return f"a mapping of {keys} to: {self.allowed(values[0])}"
        return PLAIN.get(node.get("type", ""), "text")

    def summary(self, node: Schema) -> str:
        """How the docstring of a section begins that a value may be."""
        section = self.definitions.get(next(sections_in(node), ""), {})
        about, _ = split_docstring(section.get("description", ""), section.get("properties", {}))
        return about.partition("\n\n")[0]

    def default(self, node: Schema) -> str:
        """What a key is where a recipe does not say it."""
        if "default" not in node:
            return "**required**"
        value = node["default"]
        if isinstance(value, dict) and "$ref" in node:  # what differs from the section's own
            own = self.definitions[name_of(node)]["properties"]
            value = {k: v for k, v in value.items() if v != own[k].get("default")}
        return "" if value is None or value == {} else f"`{as_yaml(value)}`"


def is_swept(node: Schema) -> bool:
    """Whether a value may be a sweep or a draw."""
    return bool(SWEPT.search(json.dumps(node)))


def options_in(node: Schema) -> list[Schema]:
    """The alternatives of a value, without null, sweeps and draws."""
    every = [*node.get("anyOf", ()), *node.get("oneOf", ())]
    return [o for o in every if o.get("type") != "null" and not SWEPT.match(o.get("$ref", ""))]


def values_in(node: Schema) -> list[Schema]:
    """What the values of a mapping may be."""
    others = [node["additionalProperties"]] if node.get("additionalProperties") else []
    return [*node.get("patternProperties", {}).values(), *others]


def sections_in(node: Schema) -> Iterator[str]:
    """Names of the sections that a value may be, or hold."""
    if "$ref" in node:
        yield name_of(node)
    items = [node["items"]] if "items" in node else []
    for part in (*options_in(node), *values_in(node), *node.get("prefixItems", ()), *items):
        yield from sections_in(part)


def name_of(node: Schema) -> str:
    """The name of the section that a schema refers to."""
    return str(node["$ref"]).rpartition("/")[2]


def in_one(node: Schema, values: list[Any]) -> Any:
    """Values of a key as one value of a recipe: a sweep where they differ."""
    differ = any(value != values[0] for value in values)
    return {"each": values} if differ and is_swept(node) else values[0]


def split_docstring(text: str, keys: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """What a docstring says of a whole, and what of single keys ("key: text", "key, key: text")."""
    key = f"(?:{'|'.join(map(re.escape, keys)) or 'none of them'})"
    about, *pairs = re.split(rf"(?:^|\n\s*|(?<=[.;:]) )({key}(?:, {key})*):\s", text)
    meanings: dict[str, str] = {}
    for names, said in zip(pairs[::2], pairs[1::2], strict=True):
        own, _, more = said.partition("\n\n")
        about += f"\n\n{more}"
        meanings |= dict.fromkeys(names.split(", "), own.rstrip(";\n "))
    return re.sub(r"(?m)^Attributes:\s*$", "", about), meanings


# Text


def described(name: str, value: Any) -> Iterator[str]:
    """A heading, a signature and a docstring."""
    yield from (f"### {name}", "")
    about = inspect.getdoc(value) or ""
    if inspect.isclass(value) and inspect.isfunction(value.__init__) and value.__init__.__doc__:
        about += f"\n\n{inspect.getdoc(value.__init__)}"
    meanings: dict[str, str] = {}
    if callable(value) and not (inspect.isclass(value) and issubclass(value, Exception)):
        parameters = inspect.signature(value).parameters
        if (
            not any(part in about for part in ("Args:", "Arguments:"))
            and "Attributes:" not in about
        ):
            about, meanings = split_docstring(about, parameters)
        parts = list(as_code(parameters))
        wide = len("".join(parts)) > 60
        inner = "".join(f"\n    {part}," for part in parts) + "\n" if wide else ", ".join(parts)
        yield from ("```python", f"{name}({inner})", "```", "")
    yield from (*docstring(about), "")
    yield from (f"- `{key}`: {without_tags(' '.join(m.split()))}" for key, m in meanings.items())
    yield ""


def as_code(parameters: Mapping[str, inspect.Parameter]) -> Iterator[str]:
    """Parameters of a signature; types without their modules, options without their defaults."""
    keywords = False
    for parameter in parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keywords:
            keywords = True
            yield "*"
        if parameter.name != "self":
            text = re.sub(r"\b(?:[a-z_]+\.)+|~", "", str(parameter))
            yield re.sub(r"(= \w+)\(.*\)$", r"\1()", text).replace("<factory>", "...")


def docstring(text: str) -> Iterator[str]:
    """A docstring as Markdown: "Args:" and the like become lists."""
    part = ""
    for line in inspect.cleandoc(text).splitlines():
        if line in ("Args:", "Arguments:", "Attributes:", "Raises:", "Returns:"):
            part = line
            yield from ("", f"**{line[:-1]}**", "")
        elif part and line.startswith("    "):
            name, colon, rest = line.strip().partition(": ")
            starts = colon and line[4] != " " and part != "Returns:"
            yield f"- `{name}`: {without_tags(rest)}" if starts else without_tags(line.strip())
        else:
            part = part if not line else ""
            yield line if line.startswith("    ") else without_tags(line)


def module_doc(kind: type) -> str:
    """The docstring of the module that defines a class."""
    return inspect.getdoc(inspect.getmodule(kind)) or ""


def without_tags(text: str) -> str:
    """Text in which a < begins no HTML tag, except within backquotes."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else p.replace("<", "&lt;") for p in parts)


def as_cell(text: str) -> str:
    """Text as a cell of a table."""
    return without_tags(" ".join(text.split())).replace("|", r"\|")


def as_yaml(value: Any) -> str:
    """A plain value as YAML on one line: JSON, but for the quotes about words."""
    return re.sub(r'"([A-Za-z][\w-]*)"', r"\1", json.dumps(value))


def link(heading: str, page: str = "") -> str:
    """A link to a heading, by the anchor that it gets."""
    anchor = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).lower())
    return f"[{heading}]({page}#{anchor})"


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "reference"
    for page in write_reference(folder):
        print(page)
