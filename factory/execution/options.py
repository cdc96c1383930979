"""The options of a run: what rendering, training and repairing share, and those of rendering."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RunOptions:
    """Where work is done.

    Attributes:
        serial: Work in this process, without Ray.
        address: A running Ray cluster to join, e.g. "auto"; without it a local Ray is started.
        actors: The greatest number of renderers at a time; by default as many as there is room for.
        device: "cpu" or "cuda"; by default what this machine has. For a cluster whose head has no
            GPU, "cuda".
        progress: Show progress and warnings on standard error.
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
        overwrite: Replace the dataset of another recipe.
        append: If the recipe has grown, keep the samples of its earlier dataset and add the others.
        beside: Work though another driver is at work.
        allow_mixed: Go on though the dataset was begun in another environment.
        keep_going: Finish the dataset even if some cases cannot be rendered. Each of them gets a
            placeholder that is not accepted, and the same command tries them again.
        overlap: Whether renderers begin cases ahead; by default if cores would be idle otherwise.
        run: Where the work is done.
    """

    overwrite: bool = False
    append: bool = False
    beside: bool = False
    allow_mixed: bool = False
    keep_going: bool = False
    overlap: bool | None = None
    run: RunOptions = RunOptions()


@dataclass(frozen=True)
class ShardOptions:
    """How a renderer works through its shards.

    Attributes:
        ahead: How many cases are begun in addition to the current one; see
            `factory.rendering.lookahead`.
        keep_going: Whether a case that cannot be rendered gets a placeholder
            (`factory.execution.placeholder`); without it, its shard fails.
    """

    ahead: int = 0
    keep_going: bool = False


@dataclass(frozen=True)
class ActorNeeds:
    """The resources of one actor.

    Attributes:
        threads: Threads, which Ray counts as CPUs.
        gpus: GPUs.
        memory_bytes: Memory that Ray reserves; 0 if the plan has limited the actors already.
    """

    threads: int = 1
    gpus: float = 0
    memory_bytes: int = 0

    def resources(self) -> dict[str, float]:
        """Return the resources that are not 0, by Ray's names."""
        needs = {"CPU": self.threads, "GPU": self.gpus, "memory": self.memory_bytes}
        return {name: count for name, count in needs.items() if count}
