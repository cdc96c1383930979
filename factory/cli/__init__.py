"""The `factory` command: parse, call, print. No logic, and nothing heavy imported before a verb.

Exit codes: 0; 2 for input that a user can mend; 3 for finished with failures; 130 for Ctrl-C;
1 for a mistake of ours. Every error is one line on stderr.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from factory.cli.datasets import export, inspect, repair, replay, report, verify
from factory.cli.evaluate import evaluate
from factory.cli.exit_codes import explained
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
    changed_output,
    show,
)
from factory.cli.rate import rate
from factory.discovery import member_names
from factory.text import join_names

EDITS = member_names("factory.anatomy.edits")
FAMILIES = member_names("factory.families")
SOURCES = member_names("factory.subjects.sources", folders=False)

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def factory() -> None:
    """Labelled synthetic medical images at any scale: a recipe in, a Zarr dataset out."""


@app.command(
    epilog=f"Subjects: {join_names(SOURCES)}. Edits of label maps: {join_names(EDITS)}. "
    "`factory schema render` says what each takes."
)
def render(
    recipe: RecipeName,
    set: Set = None,
    output: Output = None,
    overwrite: Overwrite = False,
    append: Append = False,
    beside: Annotated[bool, typer.Option(help="Go on though another driver is at work.")] = False,
    serial: Serial = False,
    address: Address = None,
    actors: Actors = None,
    device: Device = None,
    allow_mixed: Mixed = False,
    keep_going: KeepGoing = False,
    json: Json = False,
) -> None:
    """Make a recipe's dataset, or go on with it. Stopping at any time loses nothing."""
    from factory.api import load_recipe
    from factory.api import render as make
    from factory.execution.options import RenderOptions, RunOptions

    options = RenderOptions(
        overwrite=overwrite,
        append=append,
        beside=beside,
        allow_mixed=allow_mixed,
        keep_going=keep_going,
        run=RunOptions(serial, address, actors, device, progress=not json),
    )
    report = make(load_recipe(recipe, [*(set or ()), *changed_output(output)]), options=options)
    show(report, json)
    if report.failures or report.rejected:
        raise typer.Exit(3)


@app.command()
def plan(
    recipe: RecipeName,
    set: Set = None,
    output: Output = None,
    actors: Actors = None,
    append: Append = False,
    cases: Annotated[bool, typer.Option("--cases", help="List the first cases instead.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say it in words instead.")] = False,
    json: Json = False,
) -> None:
    """Say what would be made, how large and how long; writes nothing."""
    if cases or explain:
        from factory.planning.explain import describe

        asked = describe(recipe, set or (), output=output, cases=cases, explain=explain)
        show(asked, json)
    else:
        from factory.api import load_recipe, plan_report
        from factory.execution.options import RunOptions

        loaded = load_recipe(recipe, [*(set or ()), *changed_output(output)])
        show(plan_report(loaded, append=append, options=RunOptions(actors=actors)), json)


@app.command()
def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="render or train.")] = "render",
    output: Annotated[str | None, typer.Option(help="A file to write, instead.")] = None,
) -> None:
    """Write the JSON Schema of recipes, so that editors complete and check them."""
    from pathlib import Path

    from factory.schema.json_schema import recipe_schema

    report = recipe_schema(kind)
    if output is None:
        show(report, False)
    else:
        Path(output).write_text("\n".join([*report.lines(), ""]), encoding="utf-8")


@app.command()
def submit(
    recipe: RecipeName,
    address: Annotated[
        str, typer.Option(metavar="URL", help="The cluster's job server.")
    ] = "http://127.0.0.1:8265",
    set: Set = None,
    output: Output = None,
    overwrite: Overwrite = False,
    append: Append = False,
    actors: Actors = None,
    device: Device = None,
    allow_mixed: Mixed = False,
) -> None:
    """Render a recipe as a job on a Ray cluster, and follow its log; the exit code is the job's."""
    from factory.execution.submit import submit as send

    given = {"--overwrite": overwrite, "--append": append, "--allow-mixed": allow_mixed}
    options = [name for name, wanted in given.items() if wanted]
    options += [f"--actors={actors}"] if actors else []
    options += [f"--device={device}"] if device else []
    changes = [*(set or ()), *changed_output(output)]
    raise typer.Exit(send(recipe, changes, options, address=address))


@app.command(
    epilog=f"Families: {join_names(FAMILIES)}. `factory schema train` says what each takes."
)
def train(
    recipe: RecipeName,
    set: Set = None,
    output: Output = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Training processes.")] = None,
    address: Address = None,
    serial: Serial = False,
    json: Json = False,
) -> None:
    """Train a model, or go on with it."""
    from factory.api import train as train_model
    from factory.execution.options import RunOptions

    options = RunOptions(serial, address)
    show(train_model(recipe, set or (), output=output, workers=workers, options=options), json)


for verb in (inspect, report, verify, repair, replay, export, rate):
    app.command()(verb)
app.add_typer(evaluate, name="evaluate")


@app.command()
def models(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help="A model's name or folder.")
    ] = None,
    json: Json = False,
) -> None:
    """List the models there are: family, licence, training and held-out score."""
    from factory.model_zoo import models as join_names

    show(join_names(names or ()), json)


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        print(version("synthetic-dataset-factory"))
    except PackageNotFoundError:
        print("not installed: run from its own folder")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (without the program's name); returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # not app(...), which would swallow what Ctrl-C has to say
        command = typer.main.get_command(app)
        with command.make_context("factory", given or ["--help"]) as context:
            command.invoke(context)
        sys.stdout.flush()
        return 0
    except typer.Exit as end:
        sys.stdout.flush()
        return end.exit_code
    except BrokenPipeError:
        # whoever read our output has enough; leave the interpreter nothing to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt as stop:
        return fail(str(stop) or "stopped; the same command goes on from there", 130)
    except Exception as error:
        if os.environ.get("FACTORY_DEBUG"):
            traceback.print_exc()
        return fail(*explained(error))


def fail(message: str, code: int) -> int:
    line = " ".join(message.split()).encode("utf-8", "backslashreplace").decode()
    print(f"factory: {line}", file=sys.stderr)
    return code
