"""The `evaluate` verb of the command line: parse, call, print."""

from pathlib import Path
from typing import Annotated

import typer

from factory.cli.options import Address, Json, Output, Set, show


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
    deformation: Annotated[
        bool, typer.Option(help="How far heads must be deformed to become the real ones, instead.")
    ] = False,
    extractor: Annotated[
        str | None,
        typer.Option(help="Of features: vgg, deepbet, segmenter:NAME, FILE.pt or "
                     "PACKAGE.MODULE:FUNCTION."),
    ] = None,
    slices: Annotated[int | None, typer.Option(min=1, help="Of a volume and direction.")] = None,
    downstream: Annotated[
        str | None, typer.Option(metavar="RECIPE", help="A segmenter's training recipe.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings a way, with --downstream.")] = 3,
    workers: Annotated[
        int, typer.Option(min=1, help="Ray processes, with --real; 1 does without Ray.")
    ] = 1,
    address: Address = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Score a model on the subjects that its training recipe holds out; or with --real a dataset:
    against the real image of each sample, by FID, KID, precision and recall, for copies, or by
    registration; or with --downstream by what a segmenter learns from it."""
    from factory.api import evaluate_dataset, evaluate_downstream, evaluate_recipe

    if fail_above is not None and not audit:
        raise typer.BadParameter("--fail-above needs --audit")
    if audit and deformation:
        raise typer.BadParameter("--audit or --deformation, not both at once")
    if address is not None and workers == 1:
        raise typer.BadParameter("--address needs --workers")
    if real is not None and (downstream is not None or model is not None):
        raise typer.BadParameter("--real goes with neither --downstream nor --model")
    if real is None and downstream is None and (Path(recipe) / "zarr.json").is_file():
        raise typer.BadParameter(f"{recipe}: a dataset; it needs --real or --downstream")
    if downstream is not None:
        show(evaluate_downstream(recipe, downstream, set or (), seeds=seeds, output=output), json)
        return
    if real is None:
        if audit or deformation or extractor or slices or workers > 1:
            raise typer.BadParameter(
                "--audit, --deformation, --extractor, --slices and --workers need --real"
            )
        show(evaluate_recipe(recipe, set or (), model=model, output=output), json)
        return
    how = "audit" if audit else "deformation" if deformation else "distribution"
    report = evaluate_dataset(
        recipe,
        real,
        set or (),
        output=output,
        how=how,
        extractor=extractor,
        slices=slices,
        workers=workers,
        address=address,
        progress=not json,
    )
    show(report, json)
    if fail_above is not None and (report.share or 0) > fail_above:
        raise typer.Exit(3)
