"""The verb `evaluate` of the command line, a sub-command for each thing that is scored."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from factory.cli.options import Address, Dataset, Json, RecipeName, Set, show

Output = Annotated[
    str | None, typer.Option(metavar="FOLDER", help="Where tables and pictures are written.")
]
Real = Annotated[
    str,
    typer.Option("--real", "--against", metavar="RECIPE|FOLDER",
                 help="The real images: of a recipe, or of a folder."),
]  # fmt: skip
Extractor = Annotated[
    str | None,
    typer.Option(help="What gives the features that are compared: vgg, deepbet, segmenter:NAME, "
                 "FILE.pt or PACKAGE.MODULE:FUNCTION."),
]  # fmt: skip
Slices = Annotated[
    int | None,
    typer.Option(min=1, help="How many slices of a volume are compared in each direction."),
]
Workers = Annotated[int, typer.Option(min=1, help="Ray processes; 1 does without Ray.")]

NEW = "factory evaluate"


class OldSpelling(TyperGroup):
    """Sub-commands; a command line without one, as it was spelled before 0.2, is translated."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = translated(args)
            said = shlex.join([NEW, *args]).replace(f"'{NEW}'", NEW)
            print(f"factory: note: the new spelling is: {said}", file=sys.stderr)
        return super().parse_args(ctx, args)


def translated(args: list[str]) -> list[str]:
    """A command line of before 0.2 with the sub-command that does the same."""
    words = [word for arg in args for word in _split(arg)]
    flags = {"--audit", "--deformation"} & set(words)
    if len(flags) > 1:
        raise typer.BadParameter("--audit or --deformation, not both at once")
    if "--downstream" in words:
        if "--real" in words or "--model" in words:
            raise typer.BadParameter("--real goes with neither --downstream nor --model")
        at = words.index("--downstream")
        recipe = words[at + 1 : at + 2]
        return ["downstream", *_first_in(words[:at] + words[at + 2 :], recipe)]
    if "--real" not in words:
        return ["model", *words]
    if "--model" in words:
        raise typer.BadParameter("--real goes with neither --downstream nor --model")
    how = flags.pop().removeprefix("--") if flags else "dataset"
    return [how, *(word for word in words if word not in ("--audit", "--deformation"))]


def _split(arg: str) -> list[str]:
    """ "--real=X" as "--real", "X", and "--against" as "--real"."""
    for name in ("--real", "--against", "--downstream"):
        new = "--real" if name == "--against" else name
        if arg == name:
            return [new]
        if arg.startswith(f"{name}="):
            return [new, arg.partition("=")[2]]
    return [arg]


def _first_in(words: list[str], recipe: list[str]) -> list[str]:
    """The recipe after the dataset, which is the first word."""
    return [*words[:1], *recipe, *words[1:]]


evaluate = typer.Typer(
    cls=OldSpelling,
    help="Score a model, or a dataset: against real images, for copies, or by what it teaches.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@evaluate.command()
def model(
    recipe: RecipeName,
    set: Set = None,
    model: Annotated[str | None, typer.Option(help="A model's name or folder.")] = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Score a model on the subjects that its training recipe holds out."""
    from factory.api import score_model

    if (Path(recipe) / "zarr.json").is_file():
        raise typer.BadParameter(
            f"{recipe}: a dataset; allowed: factory evaluate dataset, audit, deformation or "
            "downstream"
        )
    show(score_model(recipe, set or (), model=model, output=output), json)


@evaluate.command()
def dataset(
    dataset: Dataset,
    real: Annotated[
        str,
        typer.Option("--real", "--against", metavar="original|RECIPE|FOLDER",
                     help="The real images: each sample's own original, or those of a recipe or "
                     "folder."),
    ],
    set: Set = None,
    extractor: Extractor = None,
    slices: Slices = None,
    output: Output = None,
    workers: Workers = 1,
    address: Address = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Score a dataset against real images: by FID, KID, precision and recall, or pair by pair."""
    _score("dataset", dataset, real, set, output, workers, address, json,
           extractor=extractor, slices=slices)  # fmt: skip


@evaluate.command()
def audit(
    dataset: Dataset,
    real: Real,
    set: Set = None,
    extractor: Extractor = None,
    slices: Slices = None,
    fail_above: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Exit code 3 where a larger share of samples are copies."),
    ] = None,
    output: Output = None,
    workers: Workers = 1,
    address: Address = None,
    json: Json = False,
) -> None:
    """Seek copies of the real images among a dataset's samples."""
    share = _score("audit", dataset, real, set, output, workers, address, json,
                   extractor=extractor, slices=slices).share  # fmt: skip
    if fail_above is not None and (share or 0) > fail_above:
        raise typer.Exit(3)


@evaluate.command()
def deformation(
    dataset: Dataset,
    real: Real,
    set: Set = None,
    slices: Slices = None,
    output: Output = None,
    workers: Workers = 1,
    address: Address = None,
    json: Json = False,
) -> None:
    """Measure how far heads must be deformed to become the real ones."""
    _score("deformation", dataset, real, set, output, workers, address, json, slices=slices)


@evaluate.command()
def downstream(
    dataset: Dataset,
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="The training recipe of a segmenter.")
    ],
    set: Set = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="How often each of the segmenters is trained.")
    ] = 3,
    output: Output = None,
    json: Json = False,
) -> None:
    """Score a dataset by what it teaches a segmenter, beside and together with real images."""
    from factory.evaluation.scores import score_downstream

    show(score_downstream(dataset, recipe, set or (), seeds=seeds, output=output), json)


def _score(
    how: str,
    dataset: str,
    real: str,
    changes: list[str] | None,
    output: str | None,
    workers: int,
    address: str | None,
    json: bool,
    **more: Any,
) -> Any:
    """Score a dataset against real images, print the report, and return it."""
    from factory.evaluation.scores import score_dataset

    if address is not None and workers == 1:
        raise typer.BadParameter("--address needs --workers")
    report = score_dataset(
        dataset,
        real,
        changes or (),
        how=how,
        output=output,
        workers=workers,
        address=address,
        progress=not json,
        **more,
    )
    show(report, json)
    return report
