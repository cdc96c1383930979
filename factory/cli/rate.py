"""The command `factory rate`, a study in which readers rate real and synthetic images.

The function has one parameter for each option of the command, therefore more than eight.
"""

import json as json_text
from typing import Annotated

import typer

from factory.errors import FactoryError


def rate(
    dataset: Annotated[
        str | None, typer.Argument(metavar="DATASET", help="The folder or URL of a dataset.")
    ] = None,
    real: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="The folder of real volumes: NIfTI files, or a known layout."
        ),
    ] = None,
    readers: Annotated[
        int, typer.Option(min=1, help="The number of readers; each gets an address of their own.")
    ] = 1,
    scale: Annotated[
        str, typer.Option(help="The rating scale: mos, where 5 is best, or ayaz, where 1 is best.")
    ] = "mos",
    group: Annotated[
        str | None, typer.Option(help="The group of these readers, e.g. expert or beginner.")
    ] = None,
    samples: Annotated[
        int, typer.Option(help="The number of images for each reader; half of them are real.")
    ] = 80,
    seed: Annotated[
        int, typer.Option(min=0, help="The seed for the choice and the order of the slices.")
    ] = 0,
    output: Annotated[
        str, typer.Option(metavar="FOLDER", help="The folder in which the study is kept.")
    ] = "reader-study",
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to listen on; 0 means any free port.")
    ] = 8421,
    token: Annotated[
        bool, typer.Option(help="Require each reader's key, which is part of the printed address.")
    ] = True,
    summary: Annotated[
        bool, typer.Option("--summary", help="Print the results of the study instead.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object.")
    ] = False,
) -> None:
    """Let readers rate real and synthetic slices blindly.

    Readers rate the quality of each slice and say whether it is real. With --summary, the results
    are printed instead. The study can be stopped at any time and loses nothing.
    """
    if summary:
        from factory.evaluation.reader_study.summary import summarise_study

        report = summarise_study(output)
        text = json_text.dumps(report.to_json(), allow_nan=False)
        print(text if json else "\n".join(report.lines()))
        return
    if dataset is None or real is None:
        raise FactoryError("factory rate needs DATASET and --real FOLDER, or --summary")
    from factory.evaluation.reader_study.session import start_session

    session = start_session(
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
    print("\n".join(session.lines()), flush=True)
    session.run()
