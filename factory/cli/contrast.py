"""The commands of `factory contrast`."""

from typing import Annotated

import typer

from factory.cli.options import Json, print_report

app = typer.Typer(no_args_is_help=True, help="Work with contrasts that paint label maps.")


@app.callback()
def contrast() -> None:
    """Work with contrasts that paint label maps."""


@app.command()
def fit(
    folder: Annotated[str, typer.Argument(help="The folder of real images with label maps.")],
    labels: Annotated[
        str, typer.Option(metavar="PATTERN", help="Their label maps, with {subject} in the name.")
    ],
    images: Annotated[
        str, typer.Option(metavar="PATTERN", help="Their images, with {subject} in the name.")
    ],
    output: Annotated[str, typer.Option(metavar="YAML", help="The file to write.")],
    mapping: Annotated[
        str, typer.Option(help="A label mapping by name, or a file with a table of labels.")
    ] = "feta",
    others: Annotated[
        str | None, typer.Option(help="What a value becomes that the mapping lacks.")
    ] = None,
    json: Json = False,
) -> None:
    """Fit a contrast to real images, label by label.

    The command writes a file for `appearance: {contrast: FILE}`, and a picture of the real and the
    painted histograms beside it.
    """
    from factory.families.contrast.fit_file import write_fit

    print_report(write_fit(folder, labels, images, mapping, others, output), json)
