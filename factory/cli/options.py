"""What several verbs of the command line take, and how they print."""

import json
from typing import Annotated, Any, Literal

import typer

RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's file or its name.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a key, e.g. subjects.phantom.count=1000."
    ),
]
Output = Annotated[str | None, typer.Option(help="Where to write, instead of the recipe's.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Actors = Annotated[int | None, typer.Option(min=1, help="Renderers at a time.")]
Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="A dataset's folder or URL.")]
Append = Annotated[bool, typer.Option(help="Add to the dataset of the recipe before it grew.")]
Serial = Annotated[bool, typer.Option(help="In this process, without Ray.")]
Mixed = Annotated[bool, typer.Option(help="Also where it was begun in another environment.")]
KeepGoing = Annotated[
    bool, typer.Option("--keep-going", help="Seal it though cases fail; exit code 3.")
]
Address = Annotated[str | None, typer.Option(help="A running Ray cluster, e.g. auto.")]
Overwrite = Annotated[bool, typer.Option(help="Replace another recipe's dataset.")]
Device = Annotated[
    Literal["cpu", "cuda"] | None,
    typer.Option(help="What renders; by default as this machine has."),
]


def changed_output(path: str | None) -> list[str]:
    """--output of a render recipe as one more --set."""
    return [] if path is None else [f"output.path={json.dumps(path)}"]


def show(report: Any, as_json: bool) -> None:
    """Print a report: one JSON object, or its lines."""
    print(json.dumps(report.to_json(), allow_nan=False) if as_json else "\n".join(report.lines()))
