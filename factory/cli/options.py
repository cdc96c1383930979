"""Arguments and options that several commands share, and how commands print their reports."""

import json
from typing import Annotated, Literal, Protocol

import typer

from factory.storage.json_value import JsonObject

RecipeName = Annotated[
    str,
    typer.Argument(metavar="RECIPE", help="The path of a recipe, or the name of a shipped one."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set a key of the recipe, e.g. subjects.learned.count=1000; may be repeated.",
    ),
]
Output = Annotated[str | None, typer.Option(help="Write here instead of where the recipe says.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Actors = Annotated[
    int | None, typer.Option(min=1, help="The number of renderers that work at the same time.")
]
Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="The folder or URL of a dataset.")]
Append = Annotated[
    bool,
    typer.Option(help="Add new samples to the dataset of an earlier version of the recipe."),
]
Serial = Annotated[bool, typer.Option(help="Do all work in this process, without Ray.")]
Mixed = Annotated[
    bool,
    typer.Option(help="Continue a dataset of another environment; voxel values may then differ."),
]
KeepGoing = Annotated[
    bool,
    typer.Option(
        "--keep-going",
        help="Finish the dataset even if some cases fail; the exit code is then 3.",
    ),
]
Address = Annotated[
    str | None, typer.Option(help="The address of a running Ray cluster, e.g. auto.")
]
Overwrite = Annotated[bool, typer.Option(help="Replace the dataset that is already at the output.")]
Device = Annotated[
    Literal["cpu", "cuda"] | None,
    typer.Option(help="The device that renders; by default a GPU where there is one."),
]


class PrintableReport(Protocol):
    """The result of a command, as JSON and as text."""

    def to_json(self) -> JsonObject:
        """Return the result as plain JSON."""

    def lines(self) -> list[str]:
        """Return the result as lines of text."""


def output_override(path: str | None) -> list[str]:
    """Return `--output` of a render recipe as the `--set` that does the same."""
    return [] if path is None else [f"output.path={json.dumps(path)}"]


def print_report(report: PrintableReport, as_json: bool) -> None:
    """Print a report as one JSON object, or as lines of text."""
    print(json.dumps(report.to_json(), allow_nan=False) if as_json else "\n".join(report.lines()))
