"""Names across the packages: no public name twice, and no name that says nothing.

The lists of exceptions may only shrink.
"""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("factory", "models", "storage")

FORBIDDEN = """
found made part known chosen own said held drawn wanted whole learnt shown given every
kept asked there
"""
# words that do not say what a value is, if one of them is the whole name

DUPLICATES = """
Discriminator Frame Limits Model ShortAxis Spade biparietal_mm evaluate export list_models
occipito_frontal_mm plan render repair replay sha256 submit train transcerebellar_mm upsample verify
work
"""
# public names that more than one package defines; a verb of the public API has a function of its
# name in factory.cli by design

FORBIDDEN_COUNTS: dict[str, int] = {
    "factory.acquisition": 1,
    "factory.evaluation": 1,
    "factory.execution": 2,
    "factory.families": 6,
    "factory.metrics": 1,
    "storage.subjects": 2,
}
# how often each package still has a forbidden name; 0 for packages that are not listed


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module's package (factory.<sub>, models or storage.<sub>) and syntax tree."""
    for top in PACKAGES:
        for file in sorted((ROOT / top).rglob("*.py")):
            path = file.relative_to(ROOT)
            if path.parts[:2] in (("factory", "models"), ("factory", "storage")):
                continue  # links to the other two
            sub = path.parts[1] if top != "models" and len(path.parts) > 2 else ""
            yield f"{top}.{sub}".rstrip("."), ast.parse(file.read_text())


def bound_names(tree: ast.Module) -> Iterator[str]:
    """The names of functions, parameters and variables, as often as they are bound."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def duplicated_names() -> set[str]:
    """The public functions and classes that more than one package defines."""
    packages = defaultdict(set)
    for package, tree in modules():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                packages[node.name].add(package)
    return {name for name, places in packages.items() if len(places) > 1}


def test_a_public_name_is_defined_in_one_package() -> None:
    assert duplicated_names() == set(DUPLICATES.split()), (
        "rename a new duplicate; remove a name that is no longer one from the list"
    )


def test_no_name_is_a_word_that_says_nothing() -> None:
    forbidden = set(FORBIDDEN.split())
    counts: Counter[str] = Counter()
    for package, tree in modules():
        counts[package] += sum(name in forbidden for name in bound_names(tree))
    grown = {
        package: count
        for package, count in counts.items()
        if count > FORBIDDEN_COUNTS.get(package, 0)
    }
    assert not grown, "name the value after what it is; the counts may only shrink"
