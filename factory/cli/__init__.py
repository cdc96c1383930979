"""The `factory` command: each sub-command parses its options, calls a function and prints.

Heavy packages are imported inside the commands, so that `factory --help` is fast. A command has
one parameter for each of its options, so some have more than eight.

Exit codes: 0 for success; 1 for an internal error; 2 for wrong input; 3 for work that finished
with failures; 130 for Ctrl-C. Every error is one line on stderr.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from factory.cli.contrast import app as contrast
from factory.cli.datasets import export, inspect, repair, replay, report, verify
from factory.cli.evaluate import evaluate
from factory.cli.exit_codes import explain_error
from factory.cli.import_folder import import_folder
from factory.cli.options import (
    Actors,
    Address,
    Append,
    Device,
    Json,
    KeepGoing,
    Mixed,
    Output,
    Overwrite,
    RecipeName,
    Serial,
    Set,
    output_override,
    print_report,
)
from factory.cli.rate import rate
from factory.discovery import member_names
from factory.text import join_names

EDITS = member_names("factory.anatomy.edits")
FAMILIES = member_names("factory.families", holding="job.py")
SOURCES = member_names("factory.subjects.sources", folders=False)

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def factory() -> None:
    """Render labelled synthetic medical images from a recipe into a Zarr dataset."""


@app.command(
    epilog=f"Subjects: {join_names(SOURCES)}. Edits of label maps: {join_names(EDITS)}. "
    "`factory schema render` lists the keys of each."
)
def render(
    recipe: RecipeName,
    set: Set = None,
    output: Output = None,
    overwrite: Overwrite = False,
    append: Append = False,
    beside: Annotated[
        bool, typer.Option(help="Render even if another process is working on the dataset.")
    ] = False,
    serial: Serial = False,
    address: Address = None,
    actors: Actors = None,
    device: Device = None,
    allow_mixed: Mixed = False,
    keep_going: KeepGoing = False,
    json: Json = False,
) -> None:
    """Render the dataset of a recipe.

    Rendering can be stopped at any time; the same command continues and nothing is lost.
    """
    from factory.api import load_recipe
    from factory.api import render as render_dataset
    from factory.execution.options import RenderOptions, RunOptions

    options = RenderOptions(
        overwrite=overwrite,
        append=append,
        beside=beside,
        allow_mixed=allow_mixed,
        keep_going=keep_going,
        run=RunOptions(serial, address, actors, device, progress=not json),
    )
    loaded = load_recipe(recipe, [*(set or ()), *output_override(output)])
    report = render_dataset(loaded, options=options)
    print_report(report, json)
    if report.failures or report.rejected:
        raise typer.Exit(3)


@app.command()
def plan(
    recipe: RecipeName,
    set: Set = None,
    output: Output = None,
    actors: Actors = None,
    append: Append = False,
    cases: Annotated[
        bool, typer.Option("--cases", help="List the first cases instead of the plan.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Describe the recipe in words instead of the plan.")
    ] = False,
    json: Json = False,
) -> None:
    """Print what a render would make, and write nothing.

    The plan states the number of samples, the size, the memory and the time.
    """
    if cases or explain:
        from factory.planning.explain import describe_recipe

        description = describe_recipe(
            recipe, set or (), output=output, cases=cases, explain=explain
        )
        print_report(description, json)
    else:
        from factory.api import load_recipe, plan_report
        from factory.execution.options import RunOptions

        loaded = load_recipe(recipe, [*(set or ()), *output_override(output)])
        print_report(plan_report(loaded, append=append, options=RunOptions(actors=actors)), json)


@app.command()
def schema(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="The kind of recipe: render or train.")
    ] = "render",
    output: Annotated[
        str | None, typer.Option(help="The file to write; by default the schema is printed.")
    ] = None,
) -> None:
    """Write the JSON Schema of recipes.

    An editor uses it to complete and to check recipes.
    """
    from pathlib import Path

    from factory.schema.json_schema import recipe_schema

    report = recipe_schema(kind)
    if output is None:
        print_report(report, False)
    else:
        Path(output).write_text("\n".join([*report.lines(), ""]), encoding="utf-8")


@app.command()
def submit(
    recipe: RecipeName,
    address: Annotated[
        str, typer.Option(metavar="URL", help="The URL of the cluster's job server.")
    ] = "http://127.0.0.1:8265",
    set: Set = None,
    output: Output = None,
    overwrite: Overwrite = False,
    append: Append = False,
    actors: Actors = None,
    device: Device = None,
    allow_mixed: Mixed = False,
) -> None:
    """Render a recipe as a job on a Ray cluster.

    The command prints the log of the job and ends with the job's exit code.
    """
    from factory.execution.submit import submit as submit_job

    flags = {"--overwrite": overwrite, "--append": append, "--allow-mixed": allow_mixed}
    options = [name for name, is_set in flags.items() if is_set]
    options += [f"--actors={actors}"] if actors else []
    options += [f"--device={device}"] if device else []
    changes = [*(set or ()), *output_override(output)]
    raise typer.Exit(submit_job(recipe, changes, options, address=address))


@app.command(
    epilog=f"Families: {join_names(FAMILIES)}. `factory schema train` lists the keys of each."
)
def train(
    recipe: RecipeName,
    set: Set = None,
    output: Output = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="The number of training processes.")
    ] = None,
    address: Address = None,
    serial: Serial = False,
    json: Json = False,
) -> None:
    """Train the model of a training recipe.

    The same command continues a training that was stopped, from its last checkpoint.
    """
    from factory.api import train as train_model
    from factory.execution.options import RunOptions

    options = RunOptions(serial, address)
    print_report(
        train_model(recipe, set or (), output=output, workers=workers, options=options), json
    )


app.command(name="import")(import_folder)
for verb in (inspect, report, verify, repair, replay, export, rate):
    app.command()(verb)
app.add_typer(evaluate, name="evaluate")
app.add_typer(contrast, name="contrast")


@app.command()
def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="The names or folders of models; by default all."),
    ] = None,
    json: Json = False,
) -> None:
    """List the available models.

    Each is listed with its family, its licence, its training and its score on held-out subjects.
    """
    from factory.model_zoo import list_models

    print_report(list_models(names or ()), json)


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        print(version("synthetic-dataset-factory"))
    except PackageNotFoundError:
        print("not installed: the program runs from its source folder")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    Args:
        arguments: The words after the program's name; by default those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # not app(...), which would drop the message of a KeyboardInterrupt
        command = typer.main.get_command(app)
        with command.make_context("factory", words or ["--help"]) as context:
            command.invoke(context)
        sys.stdout.flush()
        return 0
    except typer.Exit as exit_request:
        sys.stdout.flush()
        return exit_request.exit_code
    except BrokenPipeError:
        # the reader of the output has closed it: leave nothing to flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt as stop:
        message = str(stop) or "stopped; the same command goes on from there"
        return print_error(message, 130)
    except Exception as error:
        if os.environ.get("FACTORY_DEBUG"):
            traceback.print_exc()
        return print_error(*explain_error(error))


def print_error(message: str, code: int) -> int:
    """Print an error as one line on stderr, and return the exit code."""
    line = " ".join(message.split()).encode("utf-8", "backslashreplace").decode()
    print(f"factory: {line}", file=sys.stderr)
    return code
