"""A function of tensors as CUDA graphs: hundreds of kernels launched as one."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

SHAPES = 32
"""Graphs kept at the most, each of inputs of other shapes."""

WARM_UPS = 3
"""Runs before a recording, in which libraries choose their kernels and allocate."""


class Recorded:
    """Calls a function on a GPU by replaying what was recorded at the first inputs of a shape.

    fast: what is recorded; it waits for nothing and keeps nothing. plain: the same, done plainly.
    The first result of fast must be plain's within a tolerance. Where it is not, or fast raises (no
    GPU, no compiler, no memory), a warning says so and plain is called from then on. A result lasts
    until the next call.
    """

    def __init__(
        self, fast: Callable[..., Tensor], plain: Callable[..., Tensor], tolerance: float
    ) -> None:
        self.fast, self.plain, self.tolerance = fast, plain, tolerance
        self.graphs: dict[Any, tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...], Tensor]] = {}
        self.pool: Any = None
        self.given_up = False

    def __call__(self, *inputs: Tensor) -> Tensor:
        if self.given_up:
            return self.plain(*inputs)
        try:
            return self.replayed(*inputs)
        except Exception as error:  # whatever a driver, a compiler or an allocator may raise
            self.given_up = True
            why = (str(error) or type(error).__name__).splitlines()[0]
            logging.getLogger(__name__).warning("the GPU's fast path is not used: %s", why)
            return self.plain(*inputs)

    def replayed(self, *inputs: Tensor) -> Tensor:
        key = tuple((x.shape, x.dtype) for x in inputs)
        if key not in self.graphs:
            if not self.graphs:
                self.check(*inputs)
            if len(self.graphs) == SHAPES:
                return self.fast(*inputs)
            self.graphs[key] = self.record(*inputs)
        graph, held, result = self.graphs[key]
        for own, x in zip(held, inputs, strict=True):
            own.copy_(x, non_blocking=True)
        graph.replay()
        return result

    def check(self, *inputs: Tensor) -> None:
        """Raises RuntimeError where fast and plain differ."""
        apart = float((self.fast(*inputs) - self.plain(*inputs)).abs().max())
        if not apart <= self.tolerance:
            raise RuntimeError(f"it differs from the plain one by {apart:.2g}")

    def record(self, *inputs: Tensor) -> tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...], Tensor]:
        """A graph, the inputs it reads and the result it writes."""
        held = tuple(x.clone() for x in inputs)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                self.fast(*held)
        torch.cuda.current_stream().wait_stream(stream)
        # All graphs share what lies between their inputs and results: one is replayed at a time.
        # Other threads may allocate while one is recorded (factory.ahead).
        self.pool = self.pool or torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, self.pool, capture_error_mode="thread_local"):
            result = self.fast(*held)
        return graph, held, result
