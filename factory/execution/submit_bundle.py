"""What goes with a recipe that is rendered elsewhere: itself, and what of ours it names.

The recipe goes resolved, in one file: what it includes, its scanner and --set are in it, and its
digest is the same. Models that are not installed, and small folders of subjects, go beside it
under the relative paths by which it names them. Whatever has an absolute path or a URL must be
there for the cluster to see.
"""

import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from factory.errors import FactoryError
from factory.lookup import find_model
from factory.rendering.model_set import list_roles
from factory.schema.render_recipe import Recipe
from factory.text import size_text

MOST_BYTES = 95 * 2**20
"""Of all that goes along: the job server takes no more than 100 MiB."""


def pack(recipe: Recipe, folder: Path) -> str:
    """Write a recipe and what it names into an empty folder; returns the recipe's name there.

    Raises FactoryError, one line, for what cannot go along: relative paths that climb out of the
    working folder, or that hold too much; and for an output that the cluster does not see.
    """
    output = recipe.spec.output.path
    if not is_everywhere(output):
        raise FactoryError(
            f"output.path: {output} lies in this machine's working folder; allowed: --output with "
            "a URL such as s3://bucket/name, or an absolute path that every node sees"
        )
    (folder / "recipe.yaml").write_text(recipe.text(), encoding="utf-8")
    room = MOST_BYTES
    for key, name, source in named(recipe):
        target = Path(name)
        if target.is_absolute() or ".." in target.parts:
            raise FactoryError(f"{key}: {name}: allowed: a path below the working folder")
        room -= sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
        if room < 0:
            raise FactoryError(
                f"{key}: {name} holds too much to be sent (at most {size_text(MOST_BYTES)}); "
                "allowed: an absolute path that every node sees"
            )
        shutil.copytree(source, folder / target, dirs_exist_ok=True)
    return "recipe.yaml"


def named(recipe: Recipe) -> Iterator[tuple[str, str, Path]]:
    """Key, path within the bundle and folder of what a recipe names and the cluster lacks."""
    installed = Path(str(resources.files("factory").joinpath("models"))).resolve()
    for role in list_roles(recipe.data):
        if not Path(role.name).is_absolute():
            found = find_model(role.name, role.key)
            if not found.resolve().is_relative_to(installed):
                yield role.key, str(found), found
    for source, section in recipe.spec.sources:
        for key in source.path_keys:
            at, path = f"{source.place}.{key}", getattr(section, key)
            if not is_everywhere(path):
                if not Path(path).is_dir():
                    raise FactoryError(f"{at}: {path}: no such folder")
                yield at, path, Path(path)


def is_everywhere(path: str) -> bool:
    """Whether a path may mean the same on another machine."""
    return "://" in path or Path(path).is_absolute()
