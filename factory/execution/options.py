"""How work is run: what rendering, training and repairing have in common, and rendering's own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RunOptions:
    """Where work is done.

    Attributes:
        serial: In this process, without Ray.
        address: A running Ray cluster to join, e.g. "auto"; else a local Ray is started.
        actors: Renderers at a time, at most; by default as many as there is room for.
        device: "cpu" or "cuda"; by default what this machine has. For a cluster whose head has no
            GPU, "cuda".
        progress: Show progress and warnings on stderr.
    """

    serial: bool = False
    address: str | None = None
    actors: int | None = None
    device: str | None = None
    progress: bool = True


@dataclass(frozen=True)
class RenderOptions:
    """What a render may do.

    Attributes:
        overwrite: Replace another recipe's dataset.
        append: Let the dataset of the recipe before it grew keep its samples, and add the rest.
        beside: Go on where another driver is at work.
        allow_mixed: Go on where the dataset was begun in another environment.
        keep_going: Seal the dataset though some cases cannot be rendered. Each of them keeps a
            vacant place, not accepted, and the same command tries them again.
        overlap: Whether renderers begin cases ahead; by default where cores would idle.
        run: Where it is done.
    """

    overwrite: bool = False
    append: bool = False
    beside: bool = False
    allow_mixed: bool = False
    keep_going: bool = False
    overlap: bool | None = None
    run: RunOptions = RunOptions()
