"""The verbs of the command line for a dataset that is there: parse, call, print."""

import sys
from typing import Annotated

import typer

from factory.cli.options import Actors, Address, Dataset, Json, Mixed, Serial, show
from factory.discovery import member_names
from factory.text import join_names

FORMATS = [
    name.replace("_", "-") for name in member_names("factory.storage.export.formats", folders=False)
]


def inspect(
    dataset: Dataset,
    json: Json = False,
    montage: Annotated[
        str | None, typer.Option(metavar="PNG", help="Where to write a picture of it.")
    ] = None,
) -> None:
    """Say what a dataset holds, and whether it is complete."""
    from factory.datasets.inspect import inspect as report
    from factory.datasets.montage.montage import montage as draw

    show(report(dataset, with_digest=json), json)  # a digest reads everything
    if montage:
        draw(dataset, montage)
        print(f"picture   {montage}", file=sys.stderr)


def report(
    dataset: Dataset,
    output: Annotated[str, typer.Option(metavar="FILE", help="The page to write.")] = "report.html",
    scores: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLDER", help="What factory evaluate --output wrote; repeatable."),
    ] = None,
    digest: Annotated[
        bool | None,
        typer.Option(
            "--digest/--no-digest", help="Read all for its digest; by default up to 2 GB."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Write a dataset's report: one HTML file with samples, measures, metrics and provenance."""
    from factory.report.page import write_page

    show(write_page(dataset, output, scores or (), with_digest=digest), json)


def verify(dataset: Dataset, json: Json = False) -> None:
    """Read all of a dataset and name whatever is damaged or missing; exit code 3 if anything is."""
    from factory.datasets.repair import verify_dataset

    report = verify_dataset(dataset)
    show(report, json)
    if not report.is_sound:
        raise typer.Exit(3)


def repair(
    dataset: Dataset,
    serial: Serial = False,
    address: Address = None,
    actors: Actors = None,
    allow_mixed: Mixed = False,
    json: Json = False,
) -> None:
    """Make again what is damaged or missing of a dataset, and nothing else."""
    from factory.api import repair as mend
    from factory.execution.options import RunOptions

    options = RunOptions(serial, address, actors, progress=not json)
    show(mend(dataset, allow_mixed=allow_mixed, options=options), json)


def replay(
    dataset: Dataset,
    sample: Annotated[int, typer.Argument(metavar="SAMPLE", min=0, help="Its index.")],
    output: Annotated[str, typer.Option(help="Where to write it, as a dataset of one sample.")],
    set: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a parameter, e.g. grade=3."),
    ] = None,
    allow_mixed: Mixed = False,
    json: Json = False,
) -> None:
    """Make one sample again from its own record; with --set, as it would be otherwise."""
    from factory.datasets.replay import replay as again

    show(again(dataset, sample, output, set or (), allow_mixed=allow_mixed), json)


def export(
    dataset: Dataset,
    to: Annotated[
        str, typer.Option(metavar="FORMAT", help=f"One of {join_names(FORMATS)}.")
    ],
    output: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Where to write; for nnunet nnUNet_raw, or "
                     "Dataset###_Name; for croissant, the dataset's own by default."),
    ] = None,
    where: Annotated[
        str | None, typer.Option(metavar="QUERY", help='Which samples, e.g. "grade >= 2".')
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="Also samples that were rejected.")] = False,
    licence: Annotated[str | None, typer.Option(help="What the export says of it.")] = None,
    contrast: Annotated[str | None, typer.Option(help="Of the images; T2w by default.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes at a time.")] = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Write a dataset for nnU-Net, as BIDS or OME-Zarr, or describe it by Croissant; goes on where
    it was stopped."""
    from factory.datasets.export import export as written

    report = written(
        dataset,
        to,
        output,
        where=where,
        rejected_too=all,
        licence=licence,
        contrast=contrast,
        workers=workers,
        progress=not json,
    )
    show(report, json)
