"""The `rate` verb of the command line: parse, call, print."""

import json as json_text
from typing import Annotated

import typer

from factory.errors import FactoryError


def rate(
    dataset: Annotated[
        str | None, typer.Argument(metavar="DATASET", help="A dataset's folder or URL.")
    ] = None,
    real: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Real volumes: NIfTI, or a known layout.")
    ] = None,
    readers: Annotated[int, typer.Option(min=1, help="How many, each with an address.")] = 1,
    scale: Annotated[str, typer.Option(help="mos: 5 is best; ayaz: 1 is best.")] = "mos",
    group: Annotated[str | None, typer.Option(help="What these readers are: expert, beginner.")] = (
        None
    ),
    samples: Annotated[int, typer.Option(help="Pictures a reader, half of them real.")] = 80,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of slices and the order.")] = 0,
    output: Annotated[
        str, typer.Option(metavar="FOLDER", help="Where the study is kept.")
    ] = "reader-study",
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free one.")] = 8421,
    token: Annotated[bool, typer.Option(help="Ask each reader for a key, which is in the address "
                                        "printed.")] = True,
    summary: Annotated[bool, typer.Option("--summary", help="Say what came out instead.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as a JSON object.")] = (
        False
    ),
) -> None:  # fmt: skip
    """Show people real and synthetic slices blind, and ask how good each is and whether it is real;
    with --summary, say what came out. Stopping at any time loses nothing."""
    if summary:
        from factory.evaluation.reader_study.summary import summarise

        report = summarise(output)
        text = json_text.dumps(report.to_json(), allow_nan=False)
        print(text if json else "\n".join(report.lines()))
        return
    if dataset is None or real is None:
        raise FactoryError("rate needs DATASET and --real FOLDER, or --summary")
    from factory.evaluation.reader_study.session import rate as begin

    serving = begin(
        dataset,
        real,
        readers=readers,
        scale=scale,
        group=group,
        samples=samples,
        seed=seed,
        output=output,
        host=host,
        port=port,
        token=token,
    )
    print("\n".join(serving.lines()), flush=True)
    serving.run()
