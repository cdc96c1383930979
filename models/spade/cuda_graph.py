"""A function of tensors as CUDA graphs: hundreds of kernels launched as one."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

SHAPES = 8
"""Graphs kept at the most, each of inputs of other shapes, since each takes memory of its own."""

WARM_UPS = 3
"""Runs before a recording, in which libraries choose their kernels and allocate."""

Graph = tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...], Tensor]
"""What is replayed, the inputs it reads and the result it writes."""


class CudaGraph:
    """Calls a function on a GPU by replaying what was recorded at the first inputs of a shape.

    fast: what is recorded; it waits for nothing and keeps nothing. plain: the same, done plainly.
    What a graph first gives must be plain's result within a tolerance. Where it is not, or anything
    raises (no GPU, no compiler, no memory), a logged warning says so and plain is called from then
    on. A result lasts until the next call.
    """

    def __init__(
        self, fast: Callable[..., Tensor], plain: Callable[..., Tensor], tolerance: float
    ) -> None:
        self.fast, self.plain, self.tolerance = fast, plain, tolerance
        self.graphs: dict[Any, Graph] = {}
        self.stream: torch.cuda.Stream | None = None
        self.pool: Any = None
        self.given_up = False

    def __call__(self, *inputs: Tensor) -> Tensor:
        if not self.given_up:
            try:
                return self.replayed(*inputs)
            except Exception as error:  # whatever a driver, a compiler or an allocator may raise
                self.give_up(error)
        return self.plain(*inputs)  # not above, where the error keeps what was allocated

    def give_up(self, error: BaseException) -> None:
        self.given_up = True
        self.graphs.clear()
        while error.__context__ is not None:  # what ends a recording hides why it failed
            error = error.__context__
        why = " ".join(str(error).split())[:200] or type(error).__name__
        logging.getLogger(__name__).warning("the GPU's fast path is not used: %s", why)

    def replayed(self, *inputs: Tensor) -> Tensor:
        key = tuple((x.shape, x.dtype) for x in inputs)
        new = key not in self.graphs
        if new and len(self.graphs) == SHAPES:
            return self.fast(*inputs)
        if new:
            self.graphs[key] = self.record(*inputs)
        graph, held, result = self.graphs[key]
        for own, x in zip(held, inputs, strict=True):
            own.copy_(x, non_blocking=True)
        graph.replay()
        if new:
            self.check(result, self.plain(*inputs))
        return result

    def check(self, result: Tensor, expected: Tensor) -> None:
        """Raises RuntimeError where they differ."""
        apart = float((result - expected).abs().max())
        if not apart <= self.tolerance:
            raise RuntimeError(f"it differs from the plain one by {apart:.2g}")

    def record(self, *inputs: Tensor) -> Graph:
        if self.stream is None:
            # The kernels first, without a graph.
            self.check(self.fast(*inputs), self.plain(*inputs))
            self.stream = torch.cuda.Stream()
            # All graphs share what lies between inputs and results: one is replayed at a time.
            self.pool = torch.cuda.graph_pool_handle()
        held = tuple(x.clone() for x in inputs)
        graph = torch.cuda.CUDAGraph()
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(torch.cuda.current_stream()):  # comes back to it whatever is raised
            with torch.cuda.stream(self.stream):
                for _ in range(WARM_UPS):
                    self.fast(*held)
            torch.cuda.current_stream().wait_stream(self.stream)
            # Other threads may allocate meanwhile (factory.rendering.lookahead).
            with torch.cuda.graph(graph, self.pool, self.stream, capture_error_mode="thread_local"):
                result = self.fast(*held)
        return graph, held, result
