"""`factory import`: parses its options, calls a function and prints."""

import re
from typing import Annotated

import typer

from factory.cli.options import (
    Actors,
    Address,
    Json,
    KeepGoing,
    Mixed,
    Overwrite,
    Serial,
    print_report,
)
from factory.errors import FactoryError

CHANNEL = re.compile(r"([A-Za-z][A-Za-z0-9_]*)=(.*)", re.DOTALL)
"""The pattern of a channel's images: NAME=PATTERN."""


def import_folder(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="A folder of images and label maps.")
    ],
    output: Annotated[str, typer.Option(help="The folder or URL of the dataset.")],
    labels: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="The label maps, e.g. {subject}_seg.nii.gz."),
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="The images, e.g. {subject}_t1.nii.gz; of several channels NAME=PATTERN, "
            "repeated.",
        ),
    ] = None,
    mapping: Annotated[
        str | None,
        typer.Option(help="The meaning of the labels: a name, or a file with a table of labels."),
    ] = None,
    others: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="The label of all values without a meaning."),
    ] = None,
    participants: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A table of ages and other covariates."),
    ] = None,
    spacing: Annotated[
        float | None,
        typer.Option(metavar="MM", help="The spacing; by default the finest of the files."),
    ] = None,
    shape: Annotated[
        tuple[int, int, int] | None,
        typer.Option(metavar="Z Y X", help="Voxels; by default a grid that holds every label map."),
    ] = None,
    overwrite: Overwrite = False,
    serial: Serial = False,
    address: Address = None,
    actors: Actors = None,
    allow_mixed: Mixed = False,
    keep_going: KeepGoing = False,
    json: Json = False,
) -> None:
    """Make a dataset of real images and their label maps.

    Folders in the layout of BIDS, nnU-Net or M&Ms are recognised; --labels and --images name the
    files of any other. The import can be stopped at any time; the same command continues.
    """
    from factory.api import import_dataset
    from factory.datasets.import_recipe import ImportOptions
    from factory.execution.options import RenderOptions, RunOptions

    files = ImportOptions(
        labels, _by_channel(images or []), mapping, others, participants, spacing, shape
    )
    options = RenderOptions(
        overwrite=overwrite,
        allow_mixed=allow_mixed,
        keep_going=keep_going,
        run=RunOptions(serial, address, actors, "cpu", progress=not json),
    )
    report = import_dataset(folder, output, files, options=options)
    print_report(report, json)
    if report.failures:
        raise typer.Exit(3)


def _by_channel(patterns: list[str]) -> str | dict[str, str] | None:
    """Return the one pattern of the images, or those of their channels by name.

    Raises:
        FactoryError: Several patterns are given, and one of them names no channel.
    """
    matches = [CHANNEL.fullmatch(pattern) for pattern in patterns]
    if len(patterns) == 1 and matches[0] is None:
        return patterns[0]
    channels = {match[1]: match[2] for match in matches if match}
    if len(channels) < len(patterns):
        raise FactoryError(
            "--images: several patterns; allowed: NAME=PATTERN, with a name for each channel"
        )
    return channels or None
