"""The command `factory evaluate`, with one sub-command for each kind of score.

A function has one parameter for each option of its sub-command, so some have more than eight.
"""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from factory.cli.options import Address, Dataset, Json, RecipeName, Set, print_report

if TYPE_CHECKING:
    from factory.results import EvaluateReport

Output = Annotated[
    str | None, typer.Option(metavar="FOLDER", help="The folder to write tables and pictures to.")
]
Real = Annotated[
    str,
    typer.Option(
        "--real",
        "--against",
        metavar="RECIPE|FOLDER",
        help="The real images, given by a recipe or a folder.",
    ),
]
Extractor = Annotated[
    str | None,
    typer.Option(
        help="The feature extractor: vgg, deepbet, segmenter:NAME, FILE.pt or "
        "PACKAGE.MODULE:FUNCTION."
    ),
]
Slices = Annotated[
    int | None,
    typer.Option(
        min=1, help="The number of slices of each volume that are compared in each direction."
    ),
]
Workers = Annotated[
    int, typer.Option(min=1, help="The number of Ray processes; with 1, Ray is not used.")
]

NEW = "factory evaluate"


class OldSpelling(TyperGroup):
    """The group of sub-commands, which also translates the command line of before version 0.2.

    That one had no sub-commands.
    """

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse the words after `factory evaluate`, after translating the old spelling."""
        if args and args[0] not in (*self.commands, "--help"):
            args = translate_old_spelling(args)
            command = shlex.join([NEW, *args]).replace(f"'{NEW}'", NEW)
            print(f"factory: note: the new spelling is: {command}", file=sys.stderr)
        return super().parse_args(ctx, args)


def translate_old_spelling(args: list[str]) -> list[str]:
    """Return the sub-command and options that replace a command line of before version 0.2."""
    words = [word for arg in args for word in _split_option(arg)]
    flags = {"--audit", "--deformation"} & set(words)
    if len(flags) > 1:
        raise typer.BadParameter("--audit and --deformation cannot be combined")
    if "--downstream" in words:
        if "--real" in words or "--model" in words:
            raise typer.BadParameter("--real cannot be combined with --downstream or --model")
        position = words.index("--downstream")
        recipe = words[position + 1 : position + 2]
        dataset_first = words[:position] + words[position + 2 :]
        return ["downstream", *dataset_first[:1], *recipe, *dataset_first[1:]]
    if "--real" not in words:
        return ["model", *words]
    if "--model" in words:
        raise typer.BadParameter("--real cannot be combined with --downstream or --model")
    how = flags.pop().removeprefix("--") if flags else "dataset"
    return [how, *(word for word in words if word not in ("--audit", "--deformation"))]


def _split_option(arg: str) -> list[str]:
    """Return "--real=X" as two words, and "--against" as "--real"."""
    for name in ("--real", "--against", "--downstream"):
        new = "--real" if name == "--against" else name
        if arg == name:
            return [new]
        if arg.startswith(f"{name}="):
            return [new, arg.partition("=")[2]]
    return [arg]


evaluate = typer.Typer(
    cls=OldSpelling,
    help="Score a model or a dataset.\n\nA dataset is compared with real images, searched for "
    "copies of them, or scored by a segmenter that is trained on it.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@evaluate.command()
def model(
    recipe: RecipeName,
    set: Set = None,
    model: Annotated[str | None, typer.Option(help="The name or folder of the model.")] = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Score a model on its held-out subjects.

    These are the subjects that its training recipe excludes from training.
    """
    from factory.api import score_model

    if (Path(recipe) / "zarr.json").is_file():
        raise typer.BadParameter(
            f"{recipe}: this is a dataset; allowed: factory evaluate dataset, audit, deformation "
            "or downstream"
        )
    print_report(score_model(recipe, set or (), model=model, output=output), json)


@evaluate.command()
def dataset(
    dataset: Dataset,
    real: Annotated[
        str,
        typer.Option(
            "--real",
            "--against",
            metavar="original|RECIPE|FOLDER",
            help="The real images: the original of each sample, or those of a recipe or a folder.",
        ),
    ],
    set: Set = None,
    extractor: Extractor = None,
    slices: Slices = None,
    output: Output = None,
    workers: Workers = 1,
    address: Address = None,
    json: Json = False,
) -> None:
    """Compare a dataset with real images.

    The scores are FID, KID, precision and recall; with --real original, each sample is compared
    with its own original.
    """
    comparison = _Comparison(dataset, real, set, output, workers, address, slices, extractor)
    print_report(comparison.run("dataset", progress=not json), json)


@evaluate.command()
def audit(
    dataset: Dataset,
    real: Real,
    set: Set = None,
    extractor: Extractor = None,
    slices: Slices = None,
    fail_above: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="End with exit code 3 if a larger share of the samples are copies."
        ),
    ] = None,
    output: Output = None,
    workers: Workers = 1,
    address: Address = None,
    json: Json = False,
) -> None:
    """Search a dataset for copies of real images."""
    comparison = _Comparison(dataset, real, set, output, workers, address, slices, extractor)
    report = comparison.run("audit", progress=not json)
    print_report(report, json)
    if fail_above is not None and (report.share or 0) > fail_above:
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
    """Measure how far heads must be deformed to match real ones."""
    comparison = _Comparison(dataset, real, set, output, workers, address, slices)
    print_report(comparison.run("deformation", progress=not json), json)


@evaluate.command()
def downstream(
    dataset: Dataset,
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="The training recipe of a segmenter.")
    ],
    set: Set = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="The number of times that each segmenter is trained.")
    ] = 3,
    output: Output = None,
    json: Json = False,
) -> None:
    """Score a dataset by the segmenters that are trained on it.

    Segmenters are trained on real images, on the dataset, and on both together.
    """
    from factory.evaluation.scores import score_downstream

    print_report(score_downstream(dataset, recipe, set or (), seeds=seeds, output=output), json)


@dataclass(frozen=True)
class _Comparison:
    """A dataset, the real images that it is compared with, and how.

    The fields are the options of the sub-commands.
    """

    dataset: str
    real: str
    overrides: list[str] | None
    output: str | None
    workers: int
    address: str | None
    slices: int | None
    extractor: str | None = None

    def run(self, how: str, *, progress: bool) -> "EvaluateReport":
        """Compute the scores of one kind: "dataset", "audit" or "deformation"."""
        from factory.evaluation.scores import score_dataset

        if self.address is not None and self.workers == 1:
            raise typer.BadParameter("--address needs --workers of 2 or more")
        return score_dataset(
            self.dataset,
            self.real,
            self.overrides or (),
            how=how,
            output=self.output,
            extractor=self.extractor,
            slices=self.slices,
            workers=self.workers,
            address=self.address,
            progress=progress,
        )
