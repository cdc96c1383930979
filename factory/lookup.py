"""Names to places: recipes and models, from the working folder first, then the installed ones."""

from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path

from factory.errors import FactoryError
from factory.storage.nearest_name import nearest_name_hint

CARD = "card.json"


def find_recipe(name: str) -> Path:
    """A recipe's file: a path as it stands, or one of the installed recipes.

    "recipes/hydrocephalus.yaml", "hydrocephalus.yaml" and "hydrocephalus" all find the installed
    recipe where the working folder has no such file. Raises FactoryError naming those there are.
    """
    here = Path(name)
    if _is(Path.is_file, here):
        return here
    if _is(Path.is_dir, here):
        raise FactoryError(f"{name or '.'}: a folder; allowed: the file of a recipe")
    installed = _installed("recipes")
    inside = here.relative_to("recipes") if here.parts[:1] == ("recipes",) else here
    for candidate in (inside, Path(f"{inside}.yaml")):
        if not inside.is_absolute() and ".." not in inside.parts and inside.parts:
            for root in (Path("recipes"), installed):
                if _is(Path.is_file, root / candidate):
                    return root / candidate
    there = {
        p.relative_to(root).as_posix()
        for root in (Path("recipes"), installed)
        for p in (*root.glob("*.yaml"), *root.glob("train/*.yaml"))
    }
    raise FactoryError(f"{name}: no such recipe{_there(str(inside), there)}")


def find_model(name: str, key: str = "appearance.model") -> Path:
    """A model's folder: a path to one, or a name among models/weights here or installed.

    key: what names it in a recipe. Raises FactoryError naming those there are.
    """
    here = Path(name)
    roots = _weights()
    named = [root / name for root in roots] if len(here.parts) == 1 else []
    for folder in (here, *named):
        if _is(Path.is_file, folder / CARD):
            return folder
    if name and _is(Path.is_dir, here):
        raise FactoryError(f"{name}: a folder without {CARD}, so not a model")
    there = {p.parent.name for root in roots for p in root.glob(f"*/{CARD}")}
    raise FactoryError(f"{key}: {name}: no such model{_there(name, there)}")


def model_folders() -> list[Path]:
    """Every model in models/weights here and installed, by name; of one name the first."""
    found: dict[str, Path] = {}
    for root in _weights():
        for card in sorted(root.glob(f"*/{CARD}")):
            found.setdefault(card.parent.name, card.parent)
    return [found[name] for name in sorted(found)]


def _weights() -> tuple[Path, ...]:
    return Path("models/weights"), _installed("models") / "weights"


def scanner_files() -> dict[str, Path]:
    """The scanners that may be named, with their files: those here before the installed ones."""
    roots = (_installed("recipes"), Path("recipes"))
    return {file.stem: file for root in roots for file in sorted(root.glob("scanners/*.yaml"))}


def _installed(package: str) -> Path:
    """The folder of a package of data inside this one, in a checkout or a wheel."""
    return Path(str(resources.files("factory").joinpath(package)))


def _is(kind: Callable[[Path], bool], path: Path) -> bool:
    try:
        return kind(path)
    except (OSError, ValueError):  # a name too long for the system, or with a NUL
        return False


def _there(name: str, names: Iterable[str]) -> str:
    known = sorted(names)
    hint = nearest_name_hint(name, known)
    return f"; there are {', '.join(known) or 'none'}{hint}"
