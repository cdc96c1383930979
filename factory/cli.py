"""The `factory` command: parse, call, print. No logic, and nothing heavy imported before a verb.

Exit codes: 0; 2 for input that a user can mend; 3 for finished with failures; 130 for Ctrl-C;
1 for a mistake of ours. Every error is one line on stderr.
"""

import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from factory.exits import explained
from factory.rate_verb import rate

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

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


@app.callback()
def factory() -> None:
    """Labelled synthetic medical images at any scale: a recipe in, a Zarr dataset out."""


@app.command()
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
    from factory.pipeline import render_recipe

    report = render_recipe(
        recipe,
        set or (),
        output=output,
        overwrite=overwrite,
        append=append,
        beside=beside,
        serial=serial,
        address=address,
        actors=actors,
        device=device,
        allow_mixed=allow_mixed,
        keep_going=keep_going,
        progress=not json,
    )
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
        from factory.explain import describe

        asked = describe(recipe, set or (), output=output, cases=cases, explain=explain)
        show(asked, json)
    else:
        from factory.pipeline import plan_recipe

        show(plan_recipe(recipe, set or (), output=output, actors=actors, append=append), json)


@app.command()
def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="render or train.")] = "render",
    output: Annotated[str | None, typer.Option(help="A file to write, instead.")] = None,
) -> None:
    """Write the JSON Schema of recipes, so that editors complete and check them."""
    from pathlib import Path

    from factory.schema import recipe_schema

    report = recipe_schema(kind)
    if output is None:
        show(report, False)
    else:
        Path(output).write_text("\n".join([*report.lines(), ""]), encoding="utf-8")


@app.command()
def inspect(
    dataset: Dataset,
    json: Json = False,
    montage: Annotated[
        str | None, typer.Option(metavar="PNG", help="Where to write a picture of it.")
    ] = None,
) -> None:
    """Say what a dataset holds, and whether it is complete."""
    from factory.inspect import inspect as report
    from factory.montage import montage as draw

    show(report(dataset, with_digest=json), json)  # a digest reads everything
    if montage:
        draw(dataset, montage)
        print(f"picture   {montage}", file=sys.stderr)


@app.command()
def verify(dataset: Dataset, json: Json = False) -> None:
    """Read all of a dataset and name whatever is damaged or missing; exit code 3 if anything is."""
    from factory.upkeep import verify_dataset

    report = verify_dataset(dataset)
    show(report, json)
    if not report.is_sound:
        raise typer.Exit(3)


@app.command()
def repair(
    dataset: Dataset,
    serial: Serial = False,
    address: Address = None,
    actors: Actors = None,
    allow_mixed: Mixed = False,
    json: Json = False,
) -> None:
    """Make again what is damaged or missing of a dataset, and nothing else."""
    from factory.upkeep import repair_dataset

    show(
        repair_dataset(
            dataset,
            serial=serial,
            address=address,
            actors=actors,
            allow_mixed=allow_mixed,
            progress=not json,
        ),
        json,
    )


@app.command()
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
    from factory.replay import replay as again

    show(again(dataset, sample, output, set or (), allow_mixed=allow_mixed), json)


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
    from factory.submit import submit as send

    given = {"--overwrite": overwrite, "--append": append, "--allow-mixed": allow_mixed}
    options = [name for name, wanted in given.items() if wanted]
    options += [f"--actors={actors}"] if actors else []
    options += [f"--device={device}"] if device else []
    changes = [*(set or ()), *([f"output.path={json.dumps(output)}"] if output else [])]
    raise typer.Exit(send(recipe, changes, options, address=address))


@app.command()
def export(
    dataset: Dataset,
    to: Annotated[
        str, typer.Option(metavar="FORMAT", help="nnunet, bids, ome-zarr or croissant.")
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
    from factory.export import export as written

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


@app.command()
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
    from factory.pipeline import train_recipe

    report = train_recipe(
        recipe, set or (), output=output, workers=workers, address=address, serial=serial
    )
    show(report, json)


@app.command()
def evaluate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE|DATASET", help="What is scored.")],
    set: Set = None,
    model: Annotated[str | None, typer.Option(help="A model's name or folder.")] = None,
    output: Output = None,
    real: Annotated[
        str | None,
        typer.Option("--real", "--against", metavar="original|RECIPE|FOLDER",
                     help="Score a dataset: against its own originals, or against the real images "
                     "of a recipe or folder."),
    ] = None,
    audit: Annotated[bool, typer.Option(help="Seek copies of the real images instead.")] = False,
    fail_above: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="With --audit: exit code 3 where more samples are copies."),
    ] = None,
    extractor: Annotated[
        str | None, typer.Option(help="Of features: vgg, FILE.pt or PACKAGE.MODULE:FUNCTION.")
    ] = None,
    slices: Annotated[int | None, typer.Option(min=1, help="Of a volume and direction.")] = None,
    downstream: Annotated[
        str | None, typer.Option(metavar="RECIPE", help="A segmenter's training recipe.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings a way, with --downstream.")] = 3,
    json: Json = False,
) -> None:  # fmt: skip
    """Score a model on the subjects that its training recipe holds out; or with --real a dataset:
    against the real image of each sample, by FID, KID, precision and recall, or for copies; or with
    --downstream by what a segmenter learns from it."""
    from factory.pipeline import evaluate_dataset, evaluate_downstream, evaluate_recipe

    if fail_above is not None and not audit:
        raise typer.BadParameter("--fail-above needs --audit")
    if downstream is not None:
        show(evaluate_downstream(recipe, downstream, set or (), seeds=seeds, output=output), json)
        return
    if real is None:
        if audit or extractor or slices:
            raise typer.BadParameter("--audit, --extractor and --slices need --real")
        show(evaluate_recipe(recipe, set or (), model=model, output=output), json)
        return
    report = evaluate_dataset(
        recipe, real, set or (), output=output, audited=audit, extractor=extractor, slices=slices
    )
    show(report, json)
    if fail_above is not None and (report.share or 0) > fail_above:
        raise typer.Exit(3)


app.command()(rate)


@app.command()
def models(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help="A model's name or folder.")
    ] = None,
    json: Json = False,
) -> None:
    """List the models there are: family, licence, training and held-out score."""
    from factory.zoo import models as listed

    show(listed(names or ()), json)


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        print(version("synthetic-dataset-factory"))
    except PackageNotFoundError:
        print("not installed: run from its own folder")


def show(report: Any, as_json: bool) -> None:
    """Print a report: one JSON object, or its lines."""
    print(json.dumps(report.to_json(), allow_nan=False) if as_json else "\n".join(report.lines()))


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


if __name__ == "__main__":
    sys.exit(main())
