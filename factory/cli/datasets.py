"""The commands for an existing dataset: each parses its options, calls a function and prints.

A function has one parameter for each option of its command, so some have more than eight.
"""

import sys
from typing import Annotated

import typer

from factory.cli.options import Actors, Address, Dataset, Json, Mixed, Serial, print_report
from factory.discovery import member_names
from factory.text import join_names

FORMATS = [
    name.replace("_", "-") for name in member_names("factory.storage.export.formats", folders=False)
]
"""The names of the export formats."""


def inspect(
    dataset: Dataset,
    json: Json = False,
    montage: Annotated[
        str | None,
        typer.Option(metavar="PNG", help="Also draw some samples into this picture file."),
    ] = None,
) -> None:
    """Print what a dataset holds and whether it is complete."""
    from factory.datasets.inspect import inspect_dataset
    from factory.datasets.montage.montage import draw_montage

    print_report(inspect_dataset(dataset, with_digest=json), json)  # a digest reads everything
    if montage:
        draw_montage(dataset, montage)
        print(f"picture   {montage}", file=sys.stderr)


def report(
    dataset: Dataset,
    output: Annotated[
        str, typer.Option(metavar="FILE", help="The HTML file to write.")
    ] = "report.html",
    scores: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            help="A folder that `factory evaluate --output` wrote; may be repeated.",
        ),
    ] = None,
    digest: Annotated[
        bool | None,
        typer.Option(
            "--digest/--no-digest",
            help="Compute the digest, which reads all data; by default only up to 2 GB.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Write a report about a dataset as one HTML file.

    The report shows samples, measures, metrics and provenance.
    """
    from factory.report.page import write_page

    print_report(write_page(dataset, output, scores or (), with_digest=digest), json)


def verify(dataset: Dataset, json: Json = False) -> None:
    """Read all of a dataset and list its damaged parts.

    Missing parts are listed too. The exit code is 3 if anything is damaged or missing.
    """
    from factory.datasets.repair import verify_dataset

    report = verify_dataset(dataset)
    print_report(report, json)
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
    """Render the damaged or missing parts of a dataset again.

    All other parts stay as they are.
    """
    from factory.api import repair as repair_dataset
    from factory.execution.options import RunOptions

    options = RunOptions(serial, address, actors, progress=not json)
    print_report(repair_dataset(dataset, allow_mixed=allow_mixed, options=options), json)


def replay(
    dataset: Dataset,
    sample: Annotated[
        int, typer.Argument(metavar="SAMPLE", min=0, help="The index of the sample.")
    ],
    output: Annotated[str, typer.Option(help="The dataset to write, which holds this one sample.")],
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change a parameter of the sample, e.g. grade=3; may be repeated.",
        ),
    ] = None,
    allow_mixed: Mixed = False,
    json: Json = False,
) -> None:
    """Render one sample of a dataset again from its record.

    With --set, the same sample is rendered with other values of some parameters.
    """
    from factory.datasets.replay import replay_sample

    print_report(replay_sample(dataset, sample, output, set or (), allow_mixed=allow_mixed), json)


def export(
    dataset: Dataset,
    to: Annotated[
        str, typer.Option(metavar="FORMAT", help=f"The format: one of {join_names(FORMATS)}.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="The folder to write. For nnunet it is nnUNet_raw or Dataset###_Name; "
            "for croissant it is by default the dataset itself.",
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="QUERY",
            help='Export only samples that fulfil a condition, e.g. "grade >= 2".',
        ),
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="Export rejected samples too.")] = False,
    licence: Annotated[str | None, typer.Option(help="The licence that the export states.")] = None,
    contrast: Annotated[
        str | None, typer.Option(help="The contrast of the images; by default T2w.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="The number of processes; by default one for each CPU core."),
    ] = None,
    json: Json = False,
) -> None:
    """Convert a dataset to another format.

    The result is a dataset for nnU-Net, BIDS or OME-Zarr, or a description in Croissant. The same
    command continues an export that was stopped.
    """
    from factory.datasets.export import export_dataset

    report = export_dataset(
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
    print_report(report, json)
