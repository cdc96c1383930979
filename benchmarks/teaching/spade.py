"""SPADE networks that are trained on a protocol's own training people."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import factory


def link_people(source: Path, target: Path, people: Iterable[str]) -> Path:
    """Make a folder with links to the folders of some people and to the files beside them.

    Args:
        source: A dataset's folder, with one folder for each person.
        target: The folder to make.
        people: The names of the people's folders.
    """
    target.mkdir(parents=True, exist_ok=True)
    files = [path for path in source.iterdir() if path.is_file()]
    for path in [*files, *(source / person for person in people)]:
        link = target / path.name
        if not link.is_symlink():
            link.symlink_to(path)
    return target


def train_spade(
    recipe: str, data: Path, output: Path, epochs: int, more: Sequence[str] = ()
) -> str:
    """Train SPADE on everybody in a folder, and return the folder of the model.

    Args:
        recipe: The name of a training recipe of ours.
        data: The folder of the people.
        output: Where the training is kept; it continues there.
        epochs: Half of them at the full learning rate, half with a falling one.
        more: Further changes of the recipe, "key=value".
    """
    half = max(1, epochs // 2)
    changes = [
        f"subjects.path={data}",
        "subjects.hold_out=[]",
        f"niter={half}",
        f"niter_decay={half}",
        *more,
    ]
    if not (output / "model" / "card.json").exists():
        factory.train(f"train/{recipe}.yaml", changes, output=str(output))
    return str(output / "model")
