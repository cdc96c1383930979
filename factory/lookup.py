"""Find recipes, models and scanners by name: in the working folder first, then as installed."""

from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from factory.errors import FactoryError
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names

CARD = "card.json"


def find_recipe(name: str) -> Path:
    """Find the file of a recipe.

    "recipes/hydrocephalus.yaml", "hydrocephalus.yaml" and "hydrocephalus" all find the installed
    recipe if the working folder has no such file.

    Args:
        name: A path, or the name of a recipe in the folder "recipes" here or as installed.

    Raises:
        FactoryError: There is no such recipe. The message lists the existing ones.
    """
    path = Path(name)
    if _is_file(path):
        return path
    if _is_folder(path):
        raise FactoryError(f"{name or '.'}: a folder; allowed: the file of a recipe")
    roots = (Path("recipes"), _installed_folder("recipes"))
    relative = path.relative_to("recipes") if path.parts[:1] == ("recipes",) else path
    if relative.parts and not relative.is_absolute() and ".." not in relative.parts:
        for candidate in (relative, Path(f"{relative}.yaml")):
            for root in roots:
                if _is_file(root / candidate):
                    return root / candidate
    existing = {
        file.relative_to(root).as_posix()
        for root in roots
        for file in (*root.glob("*.yaml"), *root.glob("train/*.yaml"))
    }
    raise FactoryError(f"{name}: no such recipe{_existing_names_hint(str(relative), existing)}")


def find_model(name: str, key: str = "appearance.model") -> Path:
    """Find the folder of a model.

    Args:
        name: A path, or the name of a model in the folder models/weights here or as installed.
        key: The recipe key that names the model, for the message.

    Raises:
        FactoryError: There is no such model. The message lists the existing ones.
    """
    path = Path(name)
    roots = _weight_folders()
    named = [root / name for root in roots] if len(path.parts) == 1 else []
    for folder in (path, *named):
        if _is_file(folder / CARD):
            return folder
    if name and _is_folder(path):
        raise FactoryError(f"{name}: a folder without {CARD}, so not a model")
    existing = {card.parent.name for root in roots for card in root.glob(f"*/{CARD}")}
    raise FactoryError(f"{key}: {name}: no such model{_existing_names_hint(name, existing)}")


def model_folders() -> list[Path]:
    """Return the folders of all models, sorted by name.

    If a model in models/weights here and an installed one have the same name, the one here counts.
    """
    folders: dict[str, Path] = {}
    for root in _weight_folders():
        for card in sorted(root.glob(f"*/{CARD}")):
            folders.setdefault(card.parent.name, card.parent)
    return [folders[name] for name in sorted(folders)]


def scanner_files() -> dict[str, Path]:
    """Return the files of the scanners by name. One in recipes/ here replaces an installed one."""
    return _preset_files("scanners")


def contrast_files() -> dict[str, Path]:
    """Return the files of fitted contrasts by name, as `scanner_files` does for scanners."""
    return _preset_files("contrasts")


def _preset_files(folder: str) -> dict[str, Path]:
    roots = (_installed_folder("recipes"), Path("recipes"))
    return {file.stem: file for root in roots for file in sorted(root.glob(f"{folder}/*.yaml"))}


def _weight_folders() -> tuple[Path, ...]:
    return Path("models/weights"), _installed_folder("models") / "weights"


def _installed_folder(package: str) -> Path:
    """Return the folder of a data package inside this package, in a checkout or a wheel."""
    return Path(str(resources.files("factory").joinpath(package)))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # the name is too long for the system, or contains a NUL
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # the name is too long for the system, or contains a NUL
        return False


def _existing_names_hint(name: str, names: Iterable[str]) -> str:
    existing = sorted(names)
    return f"; there are {join_names(existing) or 'none'}{nearest_name_hint(name, existing)}"
