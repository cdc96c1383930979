"""Pack a recipe that is rendered elsewhere, with the local files that it names.

The recipe is sent resolved, in one file that has its includes, its scanner and the values of --set;
its digest is the same. Models that are not installed, and small folders of subjects, are sent with
it, under the relative paths by which the recipe names them. What has an absolute path or a URL must
be visible to the cluster.
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

MAX_BYTES = 95 * 2**20
"""The greatest size of all files; the job server accepts no more than 100 MiB."""


def pack(recipe: Recipe, folder: Path) -> str:
    """Write a recipe and the files that it names into an empty folder.

    Returns:
        The name of the recipe's file.

    Raises:
        FactoryError: If a relative path leaves the working folder or holds too much, or if the
            cluster cannot see the output.
    """
    output = recipe.spec.output.path
    if not is_everywhere(output):
        raise FactoryError(
            f"output.path: {output} lies in this machine's working folder; allowed: --output with "
            "a URL such as s3://bucket/name, or an absolute path that every node sees"
        )
    (folder / "recipe.yaml").write_text(recipe.text(), encoding="utf-8")
    bytes_left = MAX_BYTES
    for key, name, source in list_local_files(recipe):
        target = Path(name)
        if target.is_absolute() or ".." in target.parts:
            raise FactoryError(f"{key}: {name}: allowed: a path below the working folder")
        bytes_left -= sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
        if bytes_left < 0:
            raise FactoryError(
                f"{key}: {name} holds too much to be sent (at most {size_text(MAX_BYTES)}); "
                "allowed: an absolute path that every node sees"
            )
        shutil.copytree(source, folder / target, dirs_exist_ok=True)
    return "recipe.yaml"


def list_local_files(recipe: Recipe) -> Iterator[tuple[str, str, Path]]:
    """Yield key, path in the bundle and folder of each thing that a recipe names locally."""
    installed = Path(str(resources.files("factory").joinpath("models"))).resolve()
    for role in list_roles(recipe.data):
        if not Path(role.name).is_absolute():
            folder = find_model(role.name, role.key)
            if not folder.resolve().is_relative_to(installed):
                yield role.key, str(folder), folder
    for pooled in recipe.spec.pooled_sources:
        for key in pooled.source.path_keys:
            full_key, path = f"{pooled.place}.{key}", getattr(pooled.section, key)
            if not is_everywhere(path):
                if not Path(path).is_dir():
                    raise FactoryError(f"{full_key}: {path}: no such folder")
                yield full_key, path, Path(path)


def is_everywhere(path: str) -> bool:
    """Return whether a path may mean the same on another machine."""
    return "://" in path or Path(path).is_absolute()
