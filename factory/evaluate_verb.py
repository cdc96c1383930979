"""The `evaluate` verb of the command line: parse, call, print."""

from typing import Annotated

import typer

from factory.options import Json, Output, Set, show


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
